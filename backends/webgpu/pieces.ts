/**
 * Kernels whose buffers are larger than what a binding may hold, cut into kernels that touch less.
 *
 * @module
 */

import { BackendError } from "../../lib/base/errors.ts";
import { contiguousStrides, sizeOf } from "../../lib/base/shape.ts";
import type { Instruction, Kernel, LoopKernel, View } from "../../lib/compiler/kernel.ts";
import type { Buffers, Ranges } from "./shader.ts";

/** Bindings start at multiples of this many elements: 256 bytes. */
const alignment = 64;

/** A view with the sizes that it is walked through by, and the dims of the kernel that these are (−1 for none). */
interface Access {
  readonly view: View;
  readonly sizes: readonly number[];
  readonly dims: readonly number[];
}

/** A dim of a kernel, by a number that is valid for all kinds. */
function accessesOf(kernel: Kernel): Access[] {
  const upTo = (first: number, count: number) => Array.from({ length: count }, (_, i) => first + i);
  switch (kernel.kind) {
    case "loop": {
      const { dims, outerRank, body, epilogue, out } = kernel;
      const all = upTo(0, dims.length);
      const accesses: Access[] = [];
      for (const instruction of [...body, ...epilogue]) {
        if (instruction.op === "load") {
          accesses.push({ view: instruction.view, sizes: dims, dims: all });
        } else if (instruction.op === "loadIndexed") {
          const { view, indexStride, indexSize } = instruction;
          accesses.push({
            view: { ...view, strides: [...view.strides, indexStride] },
            sizes: [...dims, indexSize],
            dims: [...all, -1],
          });
        }
      }
      const outer = all.slice(0, outerRank);
      return [...accesses, { view: out, sizes: dims.slice(0, outerRank), dims: outer }];
    }
    case "contract": {
      const { batch, m, n, k } = kernel;
      const sizes = [...batch, ...m, ...n, ...k];
      const [b, r, c, t] = [batch.length, m.length, n.length, k.length];
      const [ofBatch, ofM, ofN, ofK] = [
        upTo(0, b),
        upTo(b, r),
        upTo(b + r, c),
        upTo(b + r + c, t),
      ];
      const access = (view: View, dims: number[]): Access => ({
        view,
        dims,
        sizes: dims.map((d) => sizes[d]),
      });
      return [
        access(kernel.a, [...ofBatch, ...ofM, ...ofK]),
        access(kernel.b, [...ofBatch, ...ofK, ...ofN]),
        access(kernel.out, [...ofBatch, ...ofM, ...ofN]),
      ];
    }
    case "scan":
    case "argsort": {
      const dims = upTo(0, kernel.dims.length);
      return [kernel.input, kernel.out].map((view) => ({ view, sizes: kernel.dims, dims }));
    }
    case "scatterAdd": {
      const { dims, batchDims, size } = kernel;
      const all = upTo(0, dims.length);
      const target = dims.map((n, d) => d === batchDims ? size : n);
      return [
        {
          view: kernel.index,
          sizes: dims.slice(0, batchDims + 1),
          dims: all.slice(0, batchDims + 1),
        },
        { view: kernel.updates, sizes: dims, dims: all },
        { view: kernel.out, sizes: target, dims: all.map((d) => d === batchDims ? -1 : d) },
      ];
    }
    case "randomBits": {
      const { rows, length } = kernel;
      return [
        { view: kernel.key, sizes: [rows, 2], dims: [0, -1] },
        { view: kernel.out, sizes: [rows, length], dims: [0, 1] },
      ];
    }
  }
}

/** The dims along which a kernel can be cut into kernels that write different elements. */
function outerDims(kernel: Kernel): number {
  switch (kernel.kind) {
    case "loop":
      return kernel.outerRank;
    case "contract":
      return kernel.batch.length + kernel.m.length + kernel.n.length;
    case "scan":
    case "argsort":
      return kernel.dims.length - 1;
    case "scatterAdd":
      return kernel.batchDims;
    case "randomBits":
      return 1;
  }
}

/** The first and the last element that an access touches. */
function span({ view, sizes }: Access): [number, number] {
  let [low, high] = [view.offset, view.offset];
  view.strides.forEach((stride, d) => {
    const reach = stride * (sizes[d] - 1);
    if (reach < 0) low += reach;
    else high += reach;
  });
  return [low, high];
}

/** A kernel, and the ranges of buffers that it is bound to where these are not whole. */
export interface Piece {
  readonly kernel: Kernel;
  readonly ranges: Ranges;
}

/**
 * The kernel in pieces that fit the device's bindings; the kernel itself where it does.
 *
 * @throws BackendError where it cannot be cut.
 */
export function cutKernel(buffers: Buffers, kernel: Kernel, label: string): Piece[] {
  const most = Math.floor(buffers.limits.bindingBytes / 4);
  const accesses = accessesOf(kernel);
  if (accesses.every(({ view }) => buffers.specs[view.buffer].length <= most)) {
    return [{ kernel, ranges: new Map() }];
  }
  if (accesses.some(({ sizes }) => sizes.includes(0))) return [{ kernel, ranges: new Map() }];
  const ranges = new Map<number, readonly [number, number]>();
  for (const { view } of accesses) {
    const { length } = buffers.specs[view.buffer];
    if (length <= most) continue;
    const spans = accesses.filter((other) => other.view.buffer === view.buffer).map(span);
    const low = Math.min(...spans.map(([first]) => first));
    const first = Math.floor(low / alignment) * alignment;
    const count = Math.min(length, Math.max(...spans.map(([, last]) => last)) + 1) - first;
    if (count > most) {
      return cut(
        buffers,
        kernel,
        accesses.filter((other) => other.view.buffer === view.buffer),
        label,
      );
    }
    ranges.set(view.buffer, [first, count]);
  }
  return [{ kernel, ranges }];
}

/** Cuts along the dim that walks furthest through the buffer, in two. */
function cut(
  buffers: Buffers,
  kernel: Kernel,
  accesses: readonly Access[],
  label: string,
): Piece[] {
  let best = -1;
  let furthest = 0;
  const outer = outerDims(kernel);
  const inner = kernel.kind === "contract" ||
      (kernel.kind === "loop" && kernel.reduce !== null && !kernel.reduce.startsWith("arg"))
    ? Infinity
    : outer;
  for (const { view, sizes, dims } of accesses) {
    dims.forEach((dim, d) => {
      const reach = Math.abs(view.strides[d]) * (sizes[d] - 1);
      if (dim >= 0 && dim < inner && reach > furthest) [best, furthest] = [dim, reach];
    });
  }
  if (best < 0) {
    throw new BackendError(
      `webgpu: ${label} reads or writes more of one buffer at once than the device binds (${buffers.limits.bindingBytes} ` +
        'bytes); compute it in parts, or on the CPU (setBackend("wasm"))',
    );
  }
  if (best >= outer) return cutSum(buffers, kernel as LoopKernel, best, label);
  const size = sizeOfDim(kernel, best);
  const half = Math.ceil(size / 2);
  return [[0, half], [half, size - half]].flatMap(([start, count]) =>
    cutKernel(buffers, restrict(kernel, best, start, count), label)
  );
}

function sizeOfDim(kernel: Kernel, dim: number): number {
  switch (kernel.kind) {
    case "contract":
      return [...kernel.batch, ...kernel.m, ...kernel.n, ...kernel.k][dim];
    case "randomBits":
      return kernel.rows;
    default:
      return kernel.dims[dim];
  }
}

function resized(dims: readonly number[], dim: number, count: number): number[] {
  return dims.map((n, d) => d === dim ? count : n);
}

/** The part of the kernel in which a dim's index is from `start` on, `count` of them. */
function restrict(kernel: Kernel, dim: number, start: number, count: number): Kernel {
  const shift = (view: View, d: number): View =>
    d < 0 ? view : { ...view, offset: view.offset + start * view.strides[d] };
  switch (kernel.kind) {
    case "loop": {
      const map = (list: readonly Instruction[]): Instruction[] =>
        list.map((instruction) => {
          switch (instruction.op) {
            case "load":
            case "loadIndexed":
              return { ...instruction, view: shift(instruction.view, dim) };
            case "index":
              return {
                ...instruction,
                offset: instruction.offset + start * instruction.strides[dim],
              };
            default:
              return instruction;
          }
        });
      return {
        ...kernel,
        dims: resized(kernel.dims, dim, count),
        body: map(kernel.body),
        epilogue: map(kernel.epilogue),
        out: dim < kernel.outerRank ? shift(kernel.out, dim) : kernel.out,
      };
    }
    case "contract": {
      const [b, m, n] = [kernel.batch.length, kernel.m.length, kernel.n.length];
      const part = dim < b ? 0 : dim < b + m ? 1 : dim < b + m + n ? 2 : 3;
      const at = dim - [0, b, b + m, b + m + n][part];
      // Where the dim stands in the strides of each view: batch, then two of m, n and k.
      const k = kernel.k.length;
      const positions = [
        [at, at, at],
        [b + at, -1, b + at],
        [-1, b + k + at, b + m + at],
        [b + m + at, b + at, -1],
      ][part];
      const names = ["batch", "m", "n", "k"] as const;
      return {
        ...kernel,
        [names[part]]: resized(kernel[names[part]], at, count),
        a: shift(kernel.a, positions[0]),
        b: shift(kernel.b, positions[1]),
        out: shift(kernel.out, positions[2]),
      };
    }
    case "scan":
    case "argsort":
      return {
        ...kernel,
        dims: resized(kernel.dims, dim, count),
        input: shift(kernel.input, dim),
        out: shift(kernel.out, dim),
      };
    case "scatterAdd":
      return {
        ...kernel,
        dims: resized(kernel.dims, dim, count),
        index: shift(kernel.index, dim),
        updates: shift(kernel.updates, dim),
        out: shift(kernel.out, dim),
      };
    case "randomBits":
      return { ...kernel, rows: count, key: shift(kernel.key, 0), out: shift(kernel.out, 0) };
  }
}

/** Cuts a sum (or product, or extreme) in two: both go into scratch memory, and a loop combines them. */
function cutSum(buffers: Buffers, kernel: Kernel, dim: number, label: string): Piece[] {
  const size = sizeOfDim(kernel, dim);
  const half = Math.ceil(size / 2);
  const halves = [[0, half], [half, size - half]];
  if (kernel.kind === "contract") {
    const dims = [...kernel.batch, ...kernel.m, ...kernel.n];
    const { out, combine } = combination(buffers, dims, kernel.dtype, {
      kind: "loop",
      dims: [...dims],
      outerRank: dims.length,
      body: [],
      reduce: "sum",
      epilogue: [],
      out: kernel.out,
      mode: "set",
      dtype: kernel.dtype,
    });
    const parts = halves.flatMap(([start, count], i) =>
      cutKernel(
        buffers,
        { ...restrict(kernel, dim, start, count) as typeof kernel, out: out(i) },
        label,
      )
    );
    return [...parts, ...cutKernel(buffers, combine, label)];
  }
  const loop = kernel as LoopKernel;
  const dims = loop.dims.slice(0, loop.outerRank);
  const { dtype } = loop.body[loop.body.length - 1];
  const { out, combine } = combination(buffers, dims, dtype, loop);
  const parts = halves.flatMap(([start, count], i) =>
    cutKernel(
      buffers,
      {
        ...restrict(loop, dim, start, count) as LoopKernel,
        epilogue: [],
        out: out(i),
        mode: "set",
        dtype,
      },
      label,
    )
  );
  return [...parts, ...cutKernel(buffers, combine, label)];
}

/** Scratch memory for two partial results, and the loop that combines them as another would have. */
function combination(
  buffers: Buffers,
  dims: readonly number[],
  dtype: LoopKernel["dtype"],
  loop: LoopKernel,
): { out: (part: number) => View; combine: LoopKernel } {
  // Both parts of a result lie side by side, so that the loop can be cut as well.
  const [strides, size] = [contiguousStrides([...dims, 2]).slice(0, -1), sizeOf(dims)];
  const buffer = buffers.scratch(dtype, 2 * size);
  // What the epilogue uses of the body does not depend on the reduced dims.
  const drop = (list: readonly number[]): number[] => [...list.slice(0, dims.length), 0];
  const later = (id: number): number => id >= loop.body.length ? id + 1 : id;
  const move = (instruction: Instruction): Instruction => {
    switch (instruction.op) {
      case "load":
        return {
          ...instruction,
          view: { ...instruction.view, strides: drop(instruction.view.strides) },
        };
      case "loadIndexed":
        return {
          ...instruction,
          index: later(instruction.index),
          view: { ...instruction.view, strides: drop(instruction.view.strides) },
        };
      case "index":
        return { ...instruction, strides: drop(instruction.strides) };
      case "constant":
        return instruction;
      default:
        return { ...instruction, args: instruction.args.map(later) };
    }
  };
  return {
    out: (part) => ({ buffer, offset: part, strides }),
    combine: {
      ...loop,
      dims: [...dims, 2],
      body: [
        ...loop.body.map(move),
        { op: "load", dtype, view: { buffer, offset: 0, strides: [...strides, 1] } },
      ],
      epilogue: loop.epilogue.map(move),
    },
  };
}
