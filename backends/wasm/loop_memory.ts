/**
 * Vector loads and stores of strided views.
 *
 * @module
 */
import type { DType } from "../../lib/base/dtype.ts";
import { type Instruction, storageBytes, type View } from "../../lib/compiler/kernel.ts";
import type { Local } from "./assembler.ts";
import { type Cursors, type Scope, viewKey } from "./loop_cursors.ts";
import type { LoopPlan } from "./loop_plan.ts";

/** Pushes a vector of a view's elements, of which `valid` lanes count. */
export function pushLoad(
  cursors: Cursors,
  scope: Scope,
  view: View,
  dtype: DType,
  u: number,
  valid: number,
): void {
  const { f, plan } = cursors;
  const { lanes } = plan;
  const key = viewKey(view, dtype);
  const bytes = storageBytes(dtype);
  const wide = bytes === 8;
  const stride = plan.vector < 0 ? 0 : view.strides[plan.vector] ?? 0;
  const at = cursors.distance(view.strides, u) * bytes;
  if (stride === 0) {
    f.load(wide ? "v128.load64_splat" : "v128.load32_splat", cursors.pushAddress(scope, key, at));
  } else if (stride === 1 && valid === lanes) {
    const offset = cursors.pushAddress(scope, key, at);
    f.load(wide || lanes === 4 ? "v128.load" : "v128.load64_zero", offset);
  } else if (stride === -1 && lanes === 4 && valid === 4) {
    f.load("v128.load", cursors.pushAddress(scope, key, at - 12));
    const reversed = f.local("v128");
    f.tee(reversed).get(reversed).shuffle32([3, 2, 1, 0]);
  } else {
    f.load(wide ? "v128.load64_zero" : "v128.load32_zero", cursors.pushAddress(scope, key, at));
    const vector = f.local("v128");
    for (let lane = 1; lane < valid; lane++) {
      f.set(vector);
      const offset = cursors.pushAddress(scope, key, at + lane * stride * bytes);
      f.get(vector).loadLane(wide ? "v128.load64_lane" : "v128.load32_lane", lane, offset);
    }
  }
  if (dtype === "bool") f.op("i32x4.neg");
}

/** Whether the vectors of a square's copies are read along the dim across, and turned. */
export function isTurned(view: View, { kind, across, vector }: LoopPlan): boolean {
  return kind === "map" && across !== null && view.strides[across] === 1 &&
    Math.abs(view.strides[vector]) > 1;
}

/** The vectors of a square's copies, for a view with stride 1 across: as many rows as lanes, turned. */
export function loadTurned(cursors: Cursors, scope: Scope, view: View, dtype: DType): Local[] {
  const { f, plan: { lanes, vector } } = cursors;
  const bytes = storageBytes(dtype);
  const stride = view.strides[vector] * bytes;
  const rows = Array.from({ length: lanes }, (_, lane) => {
    const local = f.local("v128");
    const offset = cursors.pushAddress(scope, viewKey(view, dtype), lane * stride);
    f.load(lanes * bytes === 16 ? "v128.load" : "v128.load64_zero", offset);
    if (dtype === "bool") f.op("i32x4.neg");
    f.set(local);
    return local;
  });
  const shuffled = (a: Local, b: Local, from: readonly number[]): Local => {
    const local = f.local("v128");
    f.get(a).get(b).shuffle32(from).set(local);
    return local;
  };
  const low = [0, 1, 4, 5];
  const high = [2, 3, 6, 7];
  const [a, b, c, d] = rows;
  if (bytes === 8) return [low, high].map((from) => shuffled(a, b, from));
  const even = [0, 4, 1, 5];
  if (lanes === 2) return [even, [1, 5, 0, 4]].map((from) => shuffled(a, b, from));
  const odd = [2, 6, 3, 7];
  return [even, odd].flatMap((pair) => {
    const [first, second] = [shuffled(a, b, pair), shuffled(c, d, pair)];
    return [low, high].map((from) => shuffled(first, second, from));
  });
}

/** Pushes a vector of elements at clamped indices. */
export function pushIndexedLoad(
  cursors: Cursors,
  scope: Scope,
  instruction: Extract<Instruction, { op: "loadIndexed" }>,
  index: Local,
  indexType: DType,
  u: number,
  valid: number,
): void {
  const { f, plan } = cursors;
  const { view, dtype, indexStride, indexSize } = instruction;
  const key = viewKey(view, dtype);
  const bytes = storageBytes(dtype);
  const wide = bytes === 8;
  const stride = plan.vector < 0 ? 0 : view.strides[plan.vector] ?? 0;
  // Byte offsets of the clamped indices.
  const offsets = f.local("v128");
  f.get(index);
  if (indexType === "uint32") f.i32x4Splat(indexSize - 1).op("i32x4.min_u");
  else {
    f.i32x4Splat(indexSize - 1).op("i32x4.min_s").i32x4Splat(0).op("i32x4.max_s");
  }
  f.i32x4Splat(indexStride * bytes).op("i32x4.mul").set(offsets);
  const vector = f.local("v128");
  for (let lane = 0; lane < valid; lane++) {
    f.get(scope.address(key)).get(offsets).lane("i32x4.extract_lane", lane).op("i32.add");
    const at = (cursors.distance(view.strides, u) + lane * stride) * bytes;
    if (at < 0) f.i32(at).op("i32.add");
    const offset = Math.max(at, 0);
    if (lane === 0) f.load(wide ? "v128.load64_zero" : "v128.load32_zero", offset);
    else {
      f.get(vector).loadLane(wide ? "v128.load64_lane" : "v128.load32_lane", lane, offset);
    }
    f.set(vector);
  }
  f.get(vector);
  if (dtype === "bool") f.op("i32x4.neg");
}

/** Stores (or adds) a vector at copy u of the result's place; only `valid` lanes of it. */
export function storeResult(
  cursors: Cursors,
  scope: Scope,
  value: Local,
  u: number,
  valid: number,
): void {
  const { f, plan, kernel } = cursors;
  const { lanes } = plan;
  const { out, dtype } = kernel;
  const key = viewKey(out, dtype);
  const bytes = storageBytes(dtype);
  const wide = bytes === 8;
  const single = plan.vector < 0 || plan.kind === "inner";
  const stride = single ? 0 : out.strides[plan.vector];
  const count = single ? 1 : valid;
  const at = single && plan.across === null ? 0 : cursors.distance(out.strides, u) * bytes;
  const result = f.local("v128");
  f.get(value);
  if (kernel.mode === "add") {
    pushResult(cursors, scope, key, stride, dtype, at, count);
    if (dtype === "bool") f.op("v128.or");
    else if (dtype === "float32") f.op("f32x4.add");
    else if (dtype === "float64") f.op("f64x2.add");
    else f.op("i32x4.add");
  }
  if (dtype === "bool") f.op("i32x4.neg");
  f.set(result);
  if (stride === 1 && count === lanes) {
    const offset = cursors.pushAddress(scope, key, at);
    f.get(result);
    if (wide || lanes === 4) f.store("v128.store", offset);
    else f.storeLane("v128.store64_lane", 0, offset);
    return;
  }
  for (let lane = 0; lane < count; lane++) {
    const offset = cursors.pushAddress(scope, key, at + lane * stride * bytes);
    f.get(result).storeLane(wide ? "v128.store64_lane" : "v128.store32_lane", lane, offset);
  }
}

/** Loads what stands at the result's place. */
function pushResult(
  cursors: Cursors,
  scope: Scope,
  key: string,
  stride: number,
  dtype: DType,
  at: number,
  count: number,
): void {
  const { f } = cursors;
  const { lanes } = cursors.plan;
  const bytes = storageBytes(dtype);
  const wide = bytes === 8;
  if (stride === 1 && count === lanes) {
    f.load(
      wide || lanes === 4 ? "v128.load" : "v128.load64_zero",
      cursors.pushAddress(scope, key, at),
    );
  } else {
    const vector = f.local("v128");
    f.load(wide ? "v128.load64_zero" : "v128.load32_zero", cursors.pushAddress(scope, key, at));
    for (let lane = 1; lane < count; lane++) {
      f.set(vector);
      const offset = cursors.pushAddress(scope, key, at + lane * stride * bytes);
      f.get(vector).loadLane(wide ? "v128.load64_lane" : "v128.load32_lane", lane, offset);
    }
  }
  if (dtype === "bool") f.op("i32x4.neg");
}
