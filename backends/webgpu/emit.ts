/**
 * From a lowered program to the steps of a run: dispatches, and copies between buffers.
 *
 * @module
 */

import { BackendError } from "../../lib/base/errors.ts";
import { formatShape } from "../../lib/base/shape.ts";
import type { Kernel, LoopKernel, LoweredProgram, View } from "../../lib/compiler/kernel.ts";
import { storageBytes } from "../../lib/compiler/kernel.ts";
import { renumberBuffers, viewsOf } from "../../lib/compiler/plan.ts";
import { emitContract } from "./contract.ts";
import { emitLoop } from "./loop.ts";
import { cutKernel, type Piece } from "./pieces.ts";
import { emitRandomBits } from "./random.ts";
import { emitScan } from "./scan.ts";
import { emitScatterAdd } from "./scatter.ts";
import { Buffers, type Dispatch, type Limits, noFloat64 } from "./shader.ts";
import { emitArgsort } from "./sort.ts";

/** A copy of a whole buffer into a part of another. */
export interface Copy {
  readonly label: string;
  readonly from: number;
  readonly to: number;
  /** First element that is written. */
  readonly first: number;
  /** Number of elements. */
  readonly count: number;
}

/** What a run does, one after another. */
export type Step = Dispatch | Copy;

/** The steps of a program, and all its buffers. */
export interface Plan {
  readonly steps: readonly Step[];
  readonly buffers: Buffers["specs"];
  /** Bytes of temporaries at the most. */
  readonly scratchBytes: number;
  /** The temporaries whose first use is each step. */
  readonly opens: readonly (readonly number[])[];
  /** The temporaries whose last use is each step. */
  readonly closes: readonly (readonly number[])[];
}

/** What a kernel computes, in words. */
export function describeKernel(kernel: Kernel): string {
  switch (kernel.kind) {
    case "loop": {
      const names = [...kernel.body, ...kernel.epilogue].flatMap(({ op }) =>
        op === "load" || op === "loadIndexed" || op === "constant" || op === "index" ? [] : [op]
      );
      const shown = [...new Set(names)].slice(0, 6).join(", ");
      const dims = formatShape(kernel.dims.slice(0, kernel.outerRank));
      return kernel.reduce === null
        ? `${shown === "" ? "copy" : shown} of ${dims}`
        : `${kernel.reduce} over ${formatShape(kernel.dims.slice(kernel.outerRank))} for ${dims}${
          shown === "" ? "" : ` of ${shown}`
        }`;
    }
    case "contract": {
      const { batch, m, n, k } = kernel;
      return `matrix product ${formatShape([...batch, ...m, ...k])} × ${
        formatShape([...batch, ...k, ...n])
      }`;
    }
    case "scan":
      return `cumsum of ${formatShape(kernel.dims)}`;
    case "scatterAdd":
      return `scatterAdd of ${formatShape(kernel.dims)}`;
    case "argsort":
      return `argsort of ${formatShape(kernel.dims)}`;
    case "randomBits":
      return `randomBits of ${formatShape([kernel.rows, kernel.length])}`;
  }
}

/** The dispatches of one kernel. */
function emitPiece(buffers: Buffers, { kernel, ranges }: Piece, label: string): Dispatch[] {
  switch (kernel.kind) {
    case "loop":
      return emitLoop(buffers, kernel, label, ranges);
    case "contract":
      return emitContract(buffers, kernel, label, ranges);
    case "scan":
      return emitScan(buffers, kernel, label, ranges);
    case "scatterAdd":
      return emitScatterAdd(buffers, kernel, label, ranges);
    case "argsort":
      return emitArgsort(buffers, kernel, label, ranges);
    case "randomBits":
      return emitRandomBits(buffers, kernel, label, ranges);
  }
}

/**
 * A kernel that reads no more buffers than the device binds: the smallest ones are copied into one, one behind the other.
 */
function joinBuffers(
  buffers: Buffers,
  kernel: Kernel,
  label: string,
): { kernel: Kernel; copies: Copy[] } {
  const { reads, write } = viewsOf(kernel);
  const read = new Set(reads.map(({ buffer }) => buffer));
  read.delete(write.buffer);
  const most = buffers.limits.bindings - 1;
  if (read.size <= most) return { kernel, copies: [] };
  const sizes = (buffer: number): number => buffers.specs[buffer].length;
  const joined = [...read].sort((a, b) => sizes(a) - sizes(b)).slice(0, read.size - most + 1);
  const starts = new Map<number, number>();
  let length = 0;
  for (const buffer of joined) {
    starts.set(buffer, length);
    length += sizes(buffer);
  }
  const target = buffers.scratch("uint32", length);
  const move = (view: View): View => {
    const start = starts.get(view.buffer);
    return start === undefined ? view : { ...view, offset: view.offset + start };
  };
  const loop = kernel as LoopKernel;
  const map = (list: LoopKernel["body"]): LoopKernel["body"] =>
    list.map((instruction) =>
      "view" in instruction ? { ...instruction, view: move(instruction.view) } : instruction
    );
  const moved = { ...loop, body: map(loop.body), epilogue: map(loop.epilogue) };
  return {
    kernel: renumberBuffers<Kernel>(moved, (buffer) => starts.has(buffer) ? target : buffer),
    copies: joined.flatMap((from) =>
      sizes(from) === 0
        ? []
        : [{ label, from, to: target, first: starts.get(from)!, count: sizes(from) }]
    ),
  };
}

/**
 * The steps of a program.
 *
 * @throws BackendError where it needs float64, or more than the device's limits allow.
 */
export function planProgram(lowered: LoweredProgram, limits: Limits): Plan {
  if (lowered.buffers.some(({ dtype }) => dtype === "float64")) throw noFloat64();
  const buffers = new Buffers(lowered.buffers, limits);
  const steps: Step[] = [];
  for (const kernel of lowered.kernels) {
    const label = describeKernel(kernel);
    checkSize(buffers, viewsOf(kernel).write.buffer, label);
    const { kernel: joined, copies } = joinBuffers(buffers, kernel, label);
    steps.push(...copies);
    for (const piece of cutKernel(buffers, joined, label)) {
      for (const dispatch of emitPiece(buffers, piece, label)) {
        for (const binding of dispatch.bindings) {
          checkSize(buffers, binding.buffer, label);
          const elements = binding.count ?? buffers.specs[binding.buffer].length;
          if (4 * elements > limits.bindingBytes) {
            throw new BackendError(
              `webgpu: ${label} needs ${
                4 * elements
              } bytes in one piece, and the device binds ${limits.bindingBytes}; ` +
                'compute it in parts, or on the CPU (setBackend("wasm"))',
            );
          }
        }
        steps.push(dispatch);
      }
    }
  }
  return { steps, buffers: buffers.specs, ...lifetimes(steps, buffers.specs) };
}

/** Throws where a buffer is larger than the device makes them. */
function checkSize({ specs, limits }: Buffers, buffer: number, label: string): void {
  const bytes = specs[buffer].length * storageBytes(specs[buffer].dtype);
  if (bytes <= limits.bufferBytes) return;
  throw new BackendError(
    `webgpu: ${label} needs a buffer of ${bytes} bytes, and the device's largest has ${limits.bufferBytes}; compute it ` +
      'in parts, or on the CPU (setBackend("wasm"))',
  );
}

/** The buffers that a step uses. */
export function buffersOf(step: Step): number[] {
  return "source" in step ? step.bindings.map(({ buffer }) => buffer) : [step.from, step.to];
}

/** When temporaries come and go, and how many bytes are needed at once. */
function lifetimes(
  steps: readonly Step[],
  specs: Buffers["specs"],
): Pick<Plan, "opens" | "closes" | "scratchBytes"> {
  const first = new Int32Array(specs.length).fill(-1);
  const last = new Int32Array(specs.length).fill(-1);
  steps.forEach((step, i) => {
    for (const buffer of buffersOf(step)) {
      if (first[buffer] < 0) first[buffer] = i;
      last[buffer] = i;
    }
  });
  const opens: number[][] = steps.map(() => []);
  const closes: number[][] = steps.map(() => []);
  specs.forEach(({ role }, buffer) => {
    if (role !== "temporary" || first[buffer] < 0) return;
    opens[first[buffer]].push(buffer);
    closes[last[buffer]].push(buffer);
  });
  const bytes = (list: readonly number[]): number =>
    list.reduce((sum, buffer) => sum + 4 * specs[buffer].length, 0);
  let scratchBytes = 0;
  let now = 0;
  steps.forEach((_, i) => {
    now += bytes(opens[i]);
    scratchBytes = Math.max(scratchBytes, now);
    now -= bytes(closes[i]);
  });
  return { opens, closes, scratchBytes };
}
