/**
 * Loop kernels: elementwise chains, with a reduction and its epilogue, written through any map.
 *
 * @module
 */

import type { DType } from "../base/dtype.ts";
import { sizeOf } from "../base/shape.ts";
import { BodyBuilder, buildReduced, type Draft, reductionShape } from "./body.ts";
import type { Instruction, LoopKernel, View } from "./kernel.ts";
import type { Lowering } from "./lowering.ts";
import {
  composeView,
  constantRow,
  identityMap,
  type IndexMap,
  type Place,
  splitMap,
  splitSizes,
  unitRow,
} from "./view.ts";

/** What a loop kernel computes and where it goes. */
export interface LoopTarget {
  /** Sizes of the loops, none of them 1. */
  readonly sizes: readonly number[];
  /** How the loops read the node. */
  readonly map: IndexMap;
  /** Where the result goes. */
  readonly place: Place;
  /** How the loops write the place. */
  readonly outMap: IndexMap;
  /** Whether the result replaces or is added. */
  readonly mode: "set" | "add";
}

/** Emits the kernel that computes the whole node and writes it to the place. */
export function emitNode(lowering: Lowering, id: number, place: Place): void {
  const { map, sizes } = identityMap(lowering.node(id).shape);
  emitLoop(lowering, id, { sizes, map, place, outMap: map, mode: "set" });
}

/** Emits a kernel that writes the value to the whole place. */
export function emitFill(
  lowering: Lowering,
  shape: readonly number[],
  dtype: DType,
  value: number,
  place: Place,
): void {
  if (sizeOf(shape) === 0) return;
  const { map, sizes } = identityMap(shape);
  pushLoop(lowering, {
    kind: "loop",
    dims: sizes,
    outerRank: sizes.length,
    body: [{ op: "constant", dtype, value }],
    reduce: null,
    epilogue: [],
    out: { buffer: place.buffer, ...composeView(place, map, sizes.length) },
    mode: "set",
    dtype,
  });
}

/** Emits the kernel that computes the node's elements that the target's map reads. */
export function emitLoop(lowering: Lowering, id: number, target: LoopTarget): void {
  let { sizes, map, outMap } = target;
  if (sizeOf(sizes) === 0) return;
  const { dtype } = lowering.node(id);
  for (;;) {
    const builder = new BodyBuilder(lowering, sizes, true);
    const value = builder.build(id, map);
    let split = builder.split;
    if (value >= 0) {
      const rank = sizes.length;
      const out = { buffer: target.place.buffer, ...composeView(target.place, outMap, rank) };
      if (builder.reduction === null) {
        pushLoop(lowering, {
          kind: "loop",
          dims: sizes,
          outerRank: rank,
          body: builder.instructions as Instruction[],
          reduce: null,
          epilogue: [],
          out,
          mode: target.mode,
          dtype,
        });
        return;
      }
      const reduced = reduceLoops(lowering, builder, sizes);
      if (reduced !== null && "body" in reduced) {
        pushLoop(lowering, {
          kind: "loop",
          dims: reduced.sizes,
          outerRank: rank,
          body: reduced.body,
          reduce: reduced.op,
          epilogue: epilogueOf(builder.instructions, reduced.body.length, reduced.sizes.length),
          out,
          mode: target.mode,
          dtype,
        });
        return;
      }
      split = reduced;
    }
    if (split === null) throw new Error("a loop body was given up without a loop to split");
    sizes = splitSizes(sizes, split);
    map = splitMap(map, split);
    outMap = splitMap(outMap, split);
  }
}

/** The body of the pending reduction, or the outer loop that has to be split first. */
function reduceLoops(
  lowering: Lowering,
  outer: BodyBuilder,
  outerSizes: readonly number[],
): { body: Instruction[]; op: LoopKernel["reduce"]; sizes: readonly number[] } | {
  loop: number;
  inner: number;
} {
  const pending = outer.reduction!;
  const { op, sizes: reducedSizes } = reductionShape(lowering, pending.id);
  const inner = reducedSizes.filter((n) => n !== 1);
  if (inner.length === 0) inner.push(1);
  let sizes: readonly number[] = [...outerSizes, ...inner];
  let next = outerSizes.length;
  let summed: IndexMap = reducedSizes.map((n) =>
    n === 1 ? constantRow(0, sizes.length) : unitRow(next++, sizes.length)
  );
  const fixed = op === "argmax" || op === "argmin";
  for (;;) {
    const body = new BodyBuilder(lowering, sizes, false, fixed ? outerSizes.length : sizes.length);
    if (buildReduced(lowering, body, pending, summed, sizes)) {
      return { body: body.instructions as Instruction[], op, sizes };
    }
    const split = body.split;
    if (split === null) throw new Error("a reduction was given up without a loop to split");
    if (split.loop < outerSizes.length) return split;
    sizes = splitSizes(sizes, split);
    summed = splitMap(summed, split);
  }
}

/** The instructions after the reduction, numbered after the body with the reduced value first. */
function epilogueOf(drafts: readonly Draft[], start: number, rank: number): Instruction[] {
  const reduced = drafts.findIndex((draft) => draft.op === "reduced");
  const renumber = (i: number): number =>
    i === reduced ? start : i < reduced ? start + 1 + i : start + i;
  const extend = (strides: readonly number[]): number[] => [
    ...strides,
    ...new Array<number>(rank - strides.length).fill(0),
  ];
  const epilogue: Instruction[] = [];
  for (const draft of drafts) {
    switch (draft.op) {
      case "reduced":
        break;
      case "load":
        epilogue.push({ ...draft, view: { ...draft.view, strides: extend(draft.view.strides) } });
        break;
      case "loadIndexed":
        epilogue.push({
          ...draft,
          index: renumber(draft.index),
          view: { ...draft.view, strides: extend(draft.view.strides) },
        });
        break;
      case "index":
        epilogue.push({ ...draft, strides: extend(draft.strides) });
        break;
      case "constant":
        epilogue.push(draft);
        break;
      default:
        epilogue.push({ ...draft, args: draft.args.map(renumber) });
    }
  }
  return epilogue;
}

/** Adds the kernel, with neighbouring loops merged where every view allows. */
function pushLoop(lowering: Lowering, kernel: LoopKernel): void {
  const { dims, outerRank } = kernel;
  const lists: (readonly number[])[] = [kernel.out.strides];
  for (const instruction of kernel.body) collectStrides(instruction, lists);
  for (const instruction of kernel.epilogue) collectStrides(instruction, lists);
  const fixed = kernel.reduce === "argmax" || kernel.reduce === "argmin";
  // starts[d]: loop d begins a merged loop.
  const starts = dims.map((_, d) =>
    d === 0 || d === outerRank || (fixed && d > outerRank) ||
    !lists.every((s) => d >= s.length || s[d - 1] === s[d] * dims[d])
  );
  if (starts.every((start) => start)) {
    lowering.kernels.push(kernel);
    return;
  }
  const last: number[] = [];
  const sizes: number[] = [];
  for (let d = 0; d < dims.length; d++) {
    if (starts[d]) {
      last.push(d);
      sizes.push(dims[d]);
    } else {
      last[last.length - 1] = d;
      sizes[sizes.length - 1] *= dims[d];
    }
  }
  const pick = (strides: readonly number[]): number[] =>
    last.filter((d) => d < strides.length).map((d) => strides[d]);
  const view = (v: View): View => ({ ...v, strides: pick(v.strides) });
  const instruction = (i: Instruction): Instruction =>
    i.op === "load" || i.op === "loadIndexed"
      ? { ...i, view: view(i.view) }
      : i.op === "index"
      ? { ...i, strides: pick(i.strides) }
      : i;
  lowering.kernels.push({
    ...kernel,
    dims: sizes,
    outerRank: last.filter((d) => d < outerRank).length,
    body: kernel.body.map(instruction),
    epilogue: kernel.epilogue.map(instruction),
    out: view(kernel.out),
  });
}

function collectStrides(instruction: Instruction, lists: (readonly number[])[]): void {
  if (instruction.op === "load" || instruction.op === "loadIndexed") {
    lists.push(instruction.view.strides);
  } else if (instruction.op === "index") lists.push(instruction.strides);
}

/** Rows that read or write a window: low + (interior + 1)·i along each axis, as a place. */
export function windowPlace(
  place: Place,
  low: readonly number[],
  interior: readonly number[],
): Place {
  return {
    buffer: place.buffer,
    offset: place.offset + low.reduce((sum, n, a) => sum + n * place.strides[a], 0),
    strides: place.strides.map((s, a) => s * (interior[a] + 1)),
  };
}
