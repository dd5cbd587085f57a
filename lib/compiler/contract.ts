/**
 * Contractions as kernels: operands are read in place through strided views, patches included.
 *
 * @module
 */

import { sizeOf } from "../base/shape.ts";
import type { ContractKernel } from "./kernel.ts";
import type { Lowering } from "./lowering.ts";
import { emitFill } from "./loops.ts";
import { composeView, type Place, splitMap, splitSizes } from "./view.ts";

type Kind = "batch" | "m" | "n" | "k";

/** Emits the kernel of a dotGeneral or of a conv without padding, written to the place. */
export function emitContraction(lowering: Lowering, id: number, place: Place): void {
  const spec = lowering.specs[id]!;
  const { dtype, shape } = lowering.node(id);
  if (sizeOf(shape) === 0) return;
  if (sizeOf(spec.sizes) === 0) {
    emitFill(lowering, shape, dtype, 0, place);
    return;
  }
  let sizes: readonly number[] = spec.sizes;
  let a = spec.a.map;
  let b = spec.b.map;
  let out = spec.out;
  let kinds = sizes.map((_, d): Kind =>
    spec.batch.includes(d) ? "batch" : spec.m.includes(d) ? "m" : spec.n.includes(d) ? "n" : "k"
  );
  for (;;) {
    const left = lowering.resolve(spec.a.id, a, sizes);
    const right = "loop" in left ? left : lowering.resolve(spec.b.id, b, sizes);
    if ("loop" in right) {
      const split = right;
      a = splitMap(a, split);
      b = splitMap(b, split);
      out = splitMap(out, split);
      kinds = [
        ...kinds.slice(0, split.loop + 1),
        kinds[split.loop],
        ...kinds.slice(split.loop + 1),
      ];
      sizes = splitSizes(sizes, split);
      continue;
    }
    if ("loop" in left) continue;
    const result = composeView(place, out, sizes.length);
    const dims = sizes.map((size, d): Dim => ({
      size,
      // A batch dimension that one operand does not have belongs to the other's.
      kind: kinds[d] !== "batch"
        ? kinds[d]
        : left.strides[d] === 0
        ? "n"
        : right.strides[d] === 0
        ? "m"
        : "batch",
      a: left.strides[d],
      b: right.strides[d],
      out: result.strides[d],
    })).filter((dim) => dim.size !== 1);
    const of = (kind: Kind): Dim[] => mergeDims(dims.filter((dim) => dim.kind === kind));
    const [batch, m, n, k] = [of("batch"), of("m"), of("n"), of("k")];
    const kernel: ContractKernel = {
      kind: "contract",
      dtype,
      batch: batch.map((d) => d.size),
      m: m.map((d) => d.size),
      n: n.map((d) => d.size),
      k: k.map((d) => d.size),
      a: { ...left, strides: [...batch, ...m, ...k].map((d) => d.a) },
      b: { ...right, strides: [...batch, ...k, ...n].map((d) => d.b) },
      out: {
        buffer: place.buffer,
        offset: result.offset,
        strides: [...batch, ...m, ...n].map((d) => d.out),
      },
    };
    lowering.kernels.push(kernel);
    return;
  }
}

interface Dim {
  size: number;
  kind: Kind;
  a: number;
  b: number;
  out: number;
}

/** Neighbouring dimensions as one, where all three views allow. */
function mergeDims(dims: readonly Dim[]): Dim[] {
  const merged: Dim[] = [];
  for (const dim of dims) {
    const last = merged[merged.length - 1];
    if (
      last !== undefined && last.a === dim.a * dim.size && last.b === dim.b * dim.size &&
      last.out === dim.out * dim.size
    ) {
      merged[merged.length - 1] = { ...dim, size: last.size * dim.size };
    } else merged.push(dim);
  }
  return merged;
}
