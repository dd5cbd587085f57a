/**
 * Programs as text, one line a node or kernel, and what they cost.
 *
 * @module
 */

import { bytesPerElement } from "../base/dtype.ts";
import { sizeOf } from "../base/shape.ts";
import { contractionOf } from "./contraction_spec.ts";
import type { Instruction, Kernel, LoweredProgram, View } from "./kernel.ts";
import { formatParams } from "./params.ts";
import { viewsOf } from "./plan.ts";
import type { Program, ProgramNode } from "./program.ts";

const shortNames = { float32: "f32", float64: "f64", int32: "i32", uint32: "u32", bool: "bool" };

/** A program as text: `%5 = dotGeneral %2 %4 lhsBatch=[] … : f32[20,10]`. */
export function printProgram(program: Program): string {
  const lines = program.nodes.map((node, id) => {
    const name = node.primitive === "constant" ? "input" : node.primitive;
    const parts = [
      `%${id} =`,
      name,
      ...node.inputs.map((input) => `%${input}`),
      formatParams(node.primitive, node.params),
      `: ${shortNames[node.dtype]}[${node.shape}]`,
    ];
    return parts.filter((part) => part !== "").join(" ");
  });
  return [...lines, `return ${program.outputs.map((id) => `%${id}`).join(" ")}`].join("\n");
}

/** A lowered program as text: its kernels, with the buffers' sizes and places where they are first written. */
export function printLowered(program: LoweredProgram): string {
  const lines: string[] = [];
  program.buffers.forEach((buffer, i) => {
    const offset = program.arenaOffsets[i];
    lines.push(
      `b${i}: ${shortNames[buffer.dtype]}[${buffer.length}] ${buffer.role}` +
        (offset === null ? "" : ` @${offset}`),
    );
  });
  program.kernels.forEach((kernel, i) => lines.push(`k${i}: ${printKernel(kernel)}`));
  lines.push(`arena: ${program.arenaBytes} bytes`);
  lines.push(`return ${program.outputs.map((id) => `b${id}`).join(" ")}`);
  return lines.join("\n");
}

/** One kernel as text. */
export function printKernel(kernel: Kernel): string {
  switch (kernel.kind) {
    case "loop": {
      const { dims, outerRank, body, reduce, epilogue, mode } = kernel;
      const target = `${printView(kernel.out)} ${mode === "add" ? "+=" : "="}`;
      const loops = reduce === null
        ? `loop[${dims}]`
        : `loop[${dims.slice(0, outerRank)}] ${reduce}[${dims.slice(outerRank)}]`;
      const parts = [expression(body, body.length - 1, [])];
      if (epilogue.length > 0) {
        const all = [...body, null, ...epilogue];
        parts.push(`then ${expression(all, all.length - 1, [])}`);
      }
      return `${target} ${loops} ${parts.join(" ")}`;
    }
    case "contract": {
      const { batch, m, n, k } = kernel;
      return `${printView(kernel.out)} = contract b[${batch}] m[${m}] n[${n}] k[${k}] ` +
        `${printView(kernel.a)} ${printView(kernel.b)}`;
    }
    case "scan":
      return `${printView(kernel.out)} = scan[${kernel.dims}]${kernel.reverse ? " reverse" : ""} ${
        printView(kernel.input)
      }`;
    case "scatterAdd":
      return `${printView(kernel.out)} += scatter[${kernel.dims}] ${printView(kernel.updates)} at ${
        printView(kernel.index)
      }`;
    case "argsort":
      return `${printView(kernel.out)} = argsort[${kernel.dims}] ${printView(kernel.input)}`;
    case "randomBits":
      return `${printView(kernel.out)} = randomBits[${kernel.rows},${kernel.length}] ${
        printView(kernel.key)
      }`;
  }
}

function printView(view: View): string {
  return `b${view.buffer}${view.offset === 0 ? "" : `+${view.offset}`}(${view.strides})`;
}

/** What a kernel computes, for people: its sizes, and the operations of a loop, without buffers and strides. */
export function describeKernel(kernel: Kernel): string {
  const sizes = (dims: readonly number[]): string => dims.length === 0 ? "1" : dims.join("·");
  switch (kernel.kind) {
    case "loop": {
      const { dims, outerRank, body, reduce, epilogue, mode } = kernel;
      const operations = [...body, ...epilogue].map(({ op }) => op)
        .filter((op) => op !== "load" && op !== "constant" && op !== "index");
      const names = operations.length > 0 ? [...new Set(operations)].join(", ") : "copy";
      const reduced = reduce === null ? "" : `, ${reduce} over ${sizes(dims.slice(outerRank))}`;
      return `loop over ${sizes(dims.slice(0, outerRank))}${reduced}: ${names}` +
        (mode === "add" ? ", added to what is there" : "");
    }
    case "contract": {
      const { batch, m, n, k } = kernel;
      const times = batch.length === 0 ? "" : `${sizes(batch)} × `;
      return `${times}product of ${sizes(m)} by ${sizes(n)}, sums over ${sizes(k)}`;
    }
    case "scan":
      return `running sums over ${sizes(kernel.dims)}`;
    case "scatterAdd":
      return `scatter-add of ${sizes(kernel.dims)}`;
    case "argsort":
      return `sort of ${sizes(kernel.dims)}`;
    case "randomBits":
      return `random bits, ${kernel.rows}·${kernel.length}`;
  }
}

/** Instructions as one expression; an instruction used again is written again, and null is the reduced value. */
function expression(
  list: readonly (Instruction | null)[],
  index: number,
  path: readonly number[],
): string {
  const instruction = list[index];
  if (instruction === null) return "·";
  switch (instruction.op) {
    case "load":
      return printView(instruction.view);
    case "loadIndexed":
      return `${printView(instruction.view)}[${
        expression(list, instruction.index, path)
      }·${instruction.indexStride}]`;
    case "constant":
      return String(instruction.value);
    case "index":
      return `index(${instruction.offset};${instruction.strides})`;
    default:
      if (path.length > 6) return `${instruction.op}(…)`;
      return `${instruction.op}(${
        instruction.args.map((arg) => expression(list, arg, [...path, index])).join(", ")
      })`;
  }
}

/** What a program costs, counted on its nodes before lowering. */
export interface OperationCount {
  /** Floating point operations of contractions: a multiply and an add are two. */
  readonly contractions: number;
  /** Elements that elementwise operations and reductions compute or read. */
  readonly elementwise: number;
  /** Bytes of all results that are not moved indices. */
  readonly bytes: number;
}

/** Counts operations and bytes. */
export function countOperations(program: Program): OperationCount {
  let contractions = 0;
  let elementwise = 0;
  let bytes = 0;
  program.nodes.forEach((node, id) => {
    switch (node.primitive) {
      case "constant":
      case "placeholder":
      case "full":
      case "iota":
      case "reshape":
      case "permute":
      case "broadcast":
      case "slice":
      case "flip":
      case "patches":
        return;
      case "dotGeneral":
      case "conv":
        contractions += 2 * sizeOf(contractionOf(program, id).sizes);
        break;
      default:
        elementwise += Math.max(sizeOf(node.shape), operandSize(program, node));
    }
    bytes += sizeOf(node.shape) * bytesPerElement(node.dtype);
  });
  return { contractions, elementwise, bytes };
}

/** Floating point operations of the contractions that a lowered program runs. */
export function countLowered(program: LoweredProgram): OperationCount {
  let contractions = 0;
  let elementwise = 0;
  let bytes = 0;
  for (const kernel of program.kernels) {
    if (kernel.kind === "contract") {
      contractions += 2 *
        sizeOf([...kernel.batch, ...kernel.m, ...kernel.n, ...kernel.k]);
      bytes += 4 * sizeOf([...kernel.batch, ...kernel.m, ...kernel.n]);
    } else if (kernel.kind === "loop") {
      elementwise += sizeOf(kernel.dims) * (kernel.body.length + kernel.epilogue.length);
      bytes += 4 * sizeOf(kernel.dims.slice(0, kernel.outerRank)) +
        4 * viewsOf(kernel).reads.length * sizeOf(kernel.dims);
    } else if (kernel.kind !== "randomBits") {
      elementwise += sizeOf(kernel.dims);
    }
  }
  return { contractions, elementwise, bytes };
}

function operandSize(program: Program, node: ProgramNode): number {
  return node.inputs.reduce((size, id) => Math.max(size, sizeOf(program.nodes[id].shape)), 0);
}
