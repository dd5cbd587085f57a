/**
 * Code for scatter-add.
 *
 * @module
 */
import { type ScatterAddKernel, storageBytes } from "../../lib/compiler/kernel.ts";
import type { FunctionBuilder, Local, ModuleBuilder } from "./assembler.ts";
import {
  addFlatOffsets,
  clampAbove,
  emitCount,
  emitTasks,
  type EmittedKernel,
  nothing,
  pushViewBase,
  runParameters,
} from "./loop_interface.ts";
import { product } from "./loop_normalize.ts";

/** Additions in a task, about. */
const taskAdditions = 8192;

/** A dim outside the indexed axis, with its byte strides. */
interface Dim {
  readonly size: number;
  readonly updates: number;
  readonly out: number;
  readonly index: number;
}

/**
 * The code for a scatter-add: tasks split the batch and trailing dims, each walks the indices in ascending order, so that
 * the order of additions to an element never changes.
 */
export function emitScatterAdd(module: ModuleBuilder, kernel: ScatterAddKernel): EmittedKernel {
  const { dims, batchDims, dtype, index, updates, out, size } = kernel;
  const count = dims[batchDims];
  if (product(dims) === 0 || size === 0) return nothing;
  const bytes = storageBytes(dtype);
  const wide = bytes === 8;
  let free: Dim[] = [];
  dims.forEach((n, d) => {
    if (d === batchDims || n === 1) return;
    const dim = {
      size: n,
      updates: updates.strides[d] * bytes,
      out: out.strides[d] * bytes,
      index: d < batchDims ? index.strides[d] * 4 : 0,
    };
    const last = free.at(-1);
    const merges = last !== undefined && d > batchDims && last.index === 0 &&
      last.updates === dim.updates * n && last.out === dim.out * n;
    if (merges) free = [...free.slice(0, -1), { ...dim, size: last.size * n }];
    else free.push(dim);
  });
  // The innermost loop runs over a trailing dim that is contiguous in the result, if there is one.
  const at = free.findIndex((dim) => dim.index === 0 && dim.out === bytes);
  const inner: Dim = at >= 0 ? free[at] : { size: 1, updates: bytes, out: bytes, index: 0 };
  const outer = free.filter((_, i) => i !== at);
  const outerTotal = product(outer.map((dim) => dim.size));
  const vector = inner.updates === bytes;
  const chunk = Math.min(inner.size, Math.max(16, Math.ceil(taskAdditions / count / 16) * 16));
  const pieces = Math.ceil(inner.size / chunk);
  const grain = pieces > 1
    ? 1
    : Math.min(outerTotal, Math.max(1, Math.ceil(taskAdditions / (count * inner.size))));
  const run = module.addFunction("scatterAdd", runParameters, [], (f) => {
    const [flat, last, first, end, i, target, indexAt, updatesAt, outAt] = f.locals("i32", 9);
    const row = () => {
      pushViewBase(f, index, 4);
      f.set(indexAt);
      pushViewBase(f, updates, bytes);
      f.get(first).i32(inner.updates).op("i32.mul").op("i32.add").set(updatesAt);
      pushViewBase(f, out, bytes);
      f.get(first).i32(inner.out).op("i32.mul").op("i32.add").set(outAt);
      addFlatOffsets(f, flat, outer.map((dim) => dim.size), [
        { local: indexAt, strides: outer.map((dim) => dim.index) },
        { local: updatesAt, strides: outer.map((dim) => dim.updates) },
        { local: outAt, strides: outer.map((dim) => dim.out) },
      ]);
      f.i32(0).set(i);
      emitCount(f, i, 1, () => f.i32(count), () => {
        f.get(indexAt).load("i32.load").set(target);
        clampAbove(f, target, size - 1);
        f.i32(0).get(target).get(target).i32(0).op("i32.lt_s").select();
        f.i32(out.strides[batchDims] * bytes).op("i32.mul").get(outAt).op("i32.add").set(target);
        emitAddRow(f, { from: updatesAt, to: target, first, end }, inner, dtype, vector, wide);
        f.get(indexAt).i32(index.strides[batchDims] * 4).op("i32.add").set(indexAt);
        f.get(updatesAt).i32(updates.strides[batchDims] * bytes).op("i32.add").set(updatesAt);
      });
    };
    emitTasks(f, (task) => {
      if (pieces > 1) {
        f.get(task).i32(pieces).op("i32.div_u").set(flat);
        f.get(task).i32(pieces).op("i32.rem_u").i32(chunk).op("i32.mul").tee(first);
        f.i32(chunk).op("i32.add").set(end);
        clampAbove(f, end, inner.size);
        row();
        return;
      }
      f.i32(0).set(first).i32(inner.size).set(end);
      f.get(task).i32(grain).op("i32.mul").tee(flat).i32(grain).op("i32.add").set(last);
      clampAbove(f, last, outerTotal);
      emitCount(f, flat, 1, () => f.get(last), row);
    });
  });
  const tasks = pieces > 1 ? outerTotal * pieces : Math.ceil(outerTotal / grain);
  return { phases: [{ run, tasks }], sharedScratchBytes: 0, threadScratchBytes: 0 };
}

/** Adds the elements first … end of a row of updates to a row of the result. */
function emitAddRow(
  f: FunctionBuilder,
  place: { from: Local; to: Local; first: Local; end: Local },
  inner: Dim,
  dtype: ScatterAddKernel["dtype"],
  vector: boolean,
  wide: boolean,
): void {
  const [from, to, left] = f.locals("i32", 3);
  f.get(place.from).set(from).get(place.to).set(to);
  f.get(place.end).get(place.first).op("i32.sub").set(left);
  const lanes = wide ? 2 : 4;
  const step = (count: number) => {
    f.get(from).i32(inner.updates * count).op("i32.add").set(from);
    f.get(to).i32(inner.out * count).op("i32.add").set(to);
    f.get(left).i32(count).op("i32.sub").set(left);
  };
  if (vector && inner.size >= lanes) {
    f.block((done) => {
      f.loop((again) => {
        f.get(left).i32(lanes).op("i32.lt_s").brIf(done);
        f.get(to).get(to).load("v128.load").get(from).load("v128.load");
        f.op(
          dtype === "float32"
            ? "f32x4.add"
            : dtype === "float64"
            ? "f64x2.add"
            : dtype === "bool"
            ? "v128.or"
            : "i32x4.add",
        );
        f.store("v128.store");
        step(lanes);
        f.br(again);
      });
    });
  }
  f.block((done) => {
    f.loop((again) => {
      f.get(left).op("i32.eqz").brIf(done);
      f.get(to).get(to);
      if (dtype === "float32") {
        f.load("f32.load").get(from).load("f32.load").op("f32.add").store("f32.store");
      } else if (dtype === "float64") {
        f.load("f64.load").get(from).load("f64.load").op("f64.add").store("f64.store");
      } else {
        f.load("i32.load").get(from).load("i32.load").op(dtype === "bool" ? "i32.or" : "i32.add");
        f.store("i32.store");
      }
      step(1);
      f.br(again);
    });
  });
}
