/**
 * Kernels that would need more memory than there may be, computed block by block.
 *
 * A block is a range of first examples, of second examples, and of outputs. All blocks have one shape: the last of a row
 * begins early and overlaps the one before, so that one compiled program serves all of them as far as it can.
 *
 * @module
 */

import { allocate } from "../base/dtype.ts";
import { BackendError } from "../base/errors.ts";
import { contiguousStrides, sizeOf } from "../base/shape.ts";
import type { Backend } from "../compiler/backend.ts";
import { tensor } from "../core/operations/creation.ts";
import { reshape, sliceAxis } from "../core/primitives/build.ts";
import { prepareAll, type Prepared, realizeAll } from "../core/realize.ts";
import type { Tensor } from "../core/tensor.ts";
import { realizeOn } from "../core/realize_tree.ts";
import type { OutputForm } from "./compute.ts";
import { examplesBetween, type KernelProblem, type VectorFunction } from "./problem.ts";

/** A kernel [N, M, diagonal, full, full] of a problem or of a block of it; lazy. */
export type KernelBuilder = (problem: KernelProblem) => Tensor;

/** How many examples and outputs a block has. */
export interface TileSizes {
  /** First examples. */
  readonly n1: number;
  /** Second examples. */
  readonly n2: number;
  /** Outputs along the traced axes. */
  readonly traced: number;
  /** Outputs along the diagonal axes. */
  readonly diagonal: number;
  /** Outputs along the axes wanted in full. */
  readonly full: number;
}

/** What was computed at a time, and what it took. */
export interface TileReport extends TileSizes {
  /** Number of blocks. */
  readonly count: number;
  /** Bytes that a block's program needs beside parameters and examples, where the backend knows. */
  readonly bytes: number;
}

const dimensions = ["n1", "n2", "traced", "diagonal", "full"] as const;

/** Sizes of the whole problem. */
export function wholeSizes({ n1, n2, form: { traced, diagonal, full } }: KernelProblem): TileSizes {
  return { n1, n2, traced, diagonal, full };
}

/** Where blocks of a size begin; the last one overlaps the one before. */
function starts(total: number, size: number): number[] {
  const list: number[] = [];
  for (let at = 0; at < total; at += size) list.push(Math.min(at, total - size));
  return list;
}

/** Ranges of traced outputs: these are summed, so none may overlap. */
function tracedRanges(total: number, size: number): [start: number, size: number][] {
  return starts(total, size).map((_, i) => [i * size, Math.min(size, total - i * size)]);
}

/** A block's outputs of a network: some of those along each kind of axis. */
function someOutputs(
  f: VectorFunction,
  form: OutputForm,
  ranges: readonly (readonly [start: number, size: number])[],
): VectorFunction {
  const whole = [form.traced, form.diagonal, form.full];
  if (ranges.every(([, size], i) => size === whole[i])) return f;
  return (params, x) => {
    const part = ranges.reduce(
      (y, [start, size], axis) => sliceAxis(y, axis, start, start + size),
      reshape(f(params, x), whole),
    );
    return reshape(part, [part.size]);
  };
}

/** Which block: where it begins, and how many traced outputs it has. */
interface Place {
  readonly traced: readonly [start: number, size: number];
  readonly diagonal: number;
  readonly rows: number;
  readonly columns: number;
}

function blockProblem(
  problem: KernelProblem,
  sizes: TileSizes,
  x1: unknown,
  x2: unknown,
  place: Place,
): KernelProblem {
  const { form } = problem;
  const { n1, n2, diagonal, full } = sizes;
  const outputs = (f: VectorFunction, start: number): VectorFunction =>
    someOutputs(f, form, [place.traced, [place.diagonal, diagonal], [start, full]]);
  const f = outputs(problem.f, place.rows);
  const f2 = problem.f2 === problem.f && place.rows === place.columns
    ? f
    : outputs(problem.f2, place.columns);
  const [, traced] = place.traced;
  const unchanged = f === problem.f && f2 === problem.f2;
  if (unchanged && x1 === problem.x1 && x2 === problem.x2) return problem;
  return {
    ...problem,
    f,
    f2,
    x1,
    x2,
    n1,
    n2,
    symmetric: problem.symmetric && x1 === x2 && f === f2,
    outputSize: traced * diagonal * full,
    form: unchanged ? form : {
      ...form,
      axes: ["trace", "diagonal", "full"],
      order: [0, 1, 2],
      outputShape: [traced, diagonal, full],
      traced,
      diagonal,
      full,
    },
  };
}

/** Some of the examples, computed, so that programs which read them do not depend on which they are. */
async function someExamples(
  x: unknown,
  start: number,
  size: number,
  total: number,
  backend: Backend,
): Promise<unknown> {
  if (size === total) return x;
  return await realizeOn(examplesBetween(x, start, start + size), backend);
}

/** The first block's program, compiled but not run. */
async function firstBlock(
  problem: KernelProblem,
  build: KernelBuilder,
  sizes: TileSizes,
  backend: Backend,
): Promise<{ kernel: Tensor; prepared: Prepared }> {
  const x1 = await someExamples(problem.x1, 0, sizes.n1, problem.n1, backend);
  const x2 = problem.x2 === problem.x1 && sizes.n1 === sizes.n2
    ? x1
    : await someExamples(problem.x2, 0, sizes.n2, problem.n2, backend);
  const place: Place = { traced: [0, sizes.traced], diagonal: 0, rows: 0, columns: 0 };
  const kernel = build(blockProblem(problem, sizes, x1, x2, place));
  return { kernel, prepared: await prepareAll([kernel], backend) };
}

/** Relative work of all blocks: passes through the network for every block's examples and outputs. */
function workOf(whole: TileSizes, sizes: TileSizes): number {
  const blocks = dimensions.map((d) => Math.ceil(whole[d] / sizes[d]));
  const [b1, b2, traced, diagonal, full] = blocks;
  return b1 * b2 * traced * diagonal * full * full * (sizes.n1 + sizes.n2) *
    sizes.traced * sizes.diagonal * sizes.full;
}

/**
 * Sizes of blocks whose programs stay within the limit: the dimension is halved that costs the least time for the memory
 * that it saves, until the program fits. Throws a `BackendError` where no block does.
 */
async function fittingSizes(
  problem: KernelProblem,
  build: KernelBuilder,
  limit: number,
  bytes: number,
  backend: Backend,
): Promise<{ sizes: TileSizes; bytes: number }> {
  const whole = wholeSizes(problem);
  // Blocks of a symmetric kernel have as many second examples as first ones, so that some need half of the work.
  const cuts: (typeof dimensions)[number][][] = problem.symmetric
    ? [["n1", "n2"], ["traced"], ["diagonal"], ["full"]]
    : dimensions.map((dimension) => [dimension]);
  let sizes = whole;
  let least = bytes;
  while (bytes > limit) {
    let best: { sizes: TileSizes; bytes: number; saves: boolean; price: number } | null = null;
    for (const cut of cuts) {
      if (sizes[cut[0]] <= 1) continue;
      const smaller: TileSizes = {
        ...sizes,
        ...Object.fromEntries(cut.map((dimension) => [dimension, Math.ceil(sizes[dimension] / 2)])),
      };
      const { prepared } = await firstBlock(problem, build, smaller, backend);
      const saved = Math.log(bytes / prepared.bytes);
      const work = Math.log(workOf(whole, smaller) / workOf(whole, sizes)) + 0.05;
      // Where no cut alone saves anything, it takes several: the one that costs the least memory is a step on the way.
      const price = saved > 0 ? work / saved : work - saved;
      const saves = saved > 0;
      if (best === null || (saves === best.saves ? price < best.price : saves)) {
        best = { sizes: smaller, bytes: prepared.bytes, saves, price };
      }
    }
    if (best === null) {
      throw new BackendError(
        `empiricalNtk: the smallest block needs ${megabytes(least)}, more than memoryLimit, ${
          megabytes(limit)
        }; raise it`,
      );
    }
    ({ sizes, bytes } = best);
    least = Math.min(least, bytes);
  }
  return { sizes, bytes };
}

/** Bytes as people read them. */
export function megabytes(bytes: number): string {
  if (bytes < 1e5) return `${Math.ceil(bytes)} bytes`;
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}

/**
 * The kernel computed, in one piece if it fits the limit, and in blocks otherwise. `tried` are the bytes that it needs in
 * one piece, where they are known to be too many.
 */
export async function computeKernel(
  problem: KernelProblem,
  build: KernelBuilder,
  limit: number,
  backend: Backend,
  tried: number | null = null,
): Promise<{ kernel: Tensor; tiles: TileReport }> {
  const whole = wholeSizes(problem);
  let needed = tried;
  if (needed === null) {
    const { kernel, prepared } = await firstBlock(problem, build, whole, backend);
    if (prepared.bytes <= limit) {
      prepared.run();
      await backend.synchronize?.();
      return { kernel, tiles: { ...whole, count: 1, bytes: prepared.bytes } };
    }
    needed = prepared.bytes;
  }
  const { sizes, bytes } = await fittingSizes(problem, build, limit, needed, backend);
  const { data, count } = await computeBlocks(problem, build, sizes, backend);
  const { diagonal, full } = whole;
  return {
    kernel: tensor(data, { shape: [problem.n1, problem.n2, diagonal, full, full] }),
    tiles: { ...sizes, count, bytes },
  };
}

/** A block's place in the kernel: where it begins along each axis. */
type Offsets = readonly [n: number, m: number, diagonal: number, row: number, column: number];

/** Writes a block [n, m, diagonal, rows, columns] into the kernel, or its mirror image: examples and outputs exchanged. */
function put(
  kernel: Float32Array | Float64Array,
  shape: readonly number[],
  block: Float64Array,
  size: readonly number[],
  at: Offsets,
  mirrored: boolean,
): void {
  const strides = contiguousStrides(shape);
  const axes = mirrored ? [1, 0, 2, 4, 3] : [0, 1, 2, 3, 4];
  const steps = axes.map((axis) => strides[axis]);
  const start = at.reduce((sum, offset, axis) => sum + offset * steps[axis], 0);
  let next = 0;
  const fill = (axis: number, place: number): void => {
    for (let i = 0; i < size[axis]; i++, place += steps[axis]) {
      if (axis === 4) kernel[place] = block[next++];
      else fill(axis + 1, place);
    }
  };
  fill(0, start);
}

async function computeBlocks(
  problem: KernelProblem,
  build: KernelBuilder,
  sizes: TileSizes,
  backend: Backend,
): Promise<{ data: Float32Array | Float64Array; count: number }> {
  const { n1, n2, x1, x2, dtype, form: { traced, diagonal, full } } = problem;
  const shape = [n1, n2, diagonal, full, full];
  const size = [sizes.n1, sizes.n2, sizes.diagonal, sizes.full, sizes.full];
  const data = allocate(dtype, sizeOf(shape)) as Float32Array | Float64Array;
  // The kernel of examples with themselves is symmetric: blocks below the diagonal are those above it.
  const symmetric = problem.symmetric && sizes.n1 === sizes.n2;
  const places = starts(diagonal, sizes.diagonal).flatMap((at) =>
    starts(full, sizes.full).flatMap((rows) =>
      starts(full, sizes.full).map((columns) => ({ diagonal: at, rows, columns }))
    )
  );
  let count = 0;
  for (const [i, n] of starts(n1, sizes.n1).entries()) {
    const left = await someExamples(x1, n, sizes.n1, n1, backend);
    for (const [j, m] of starts(n2, sizes.n2).entries()) {
      if (symmetric && j < i) continue;
      const own = symmetric && i === j;
      const right = own ? left : await someExamples(x2, m, sizes.n2, n2, backend);
      for (const place of places) {
        if (own && place.columns < place.rows) continue;
        const sum = new Float64Array(sizeOf(size));
        for (const range of tracedRanges(traced, sizes.traced)) {
          const block = build(
            blockProblem(problem, sizes, left, right, { ...place, traced: range }),
          );
          await realizeAll([block], backend);
          const values = await block.data();
          block.dispose();
          for (let k = 0; k < sum.length; k++) sum[k] += values[k];
          count++;
        }
        const at: Offsets = [n, m, place.diagonal, place.rows, place.columns];
        put(data, shape, sum, size, at, false);
        if (symmetric && !(own && place.rows === place.columns)) {
          put(data, shape, sum, size, at, true);
        }
      }
    }
  }
  return { data, count };
}
