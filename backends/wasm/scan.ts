/**
 * Code for running sums.
 *
 * @module
 */
import { type ScanKernel, storageBytes } from "../../lib/compiler/kernel.ts";
import type { ModuleBuilder } from "./assembler.ts";
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

/** Elements in a task, about. */
const taskElements = 8192;

/** The code for a scan: rows one after another, float32 sums kept in float64. */
export function emitScan(module: ModuleBuilder, kernel: ScanKernel): EmittedKernel {
  const { dims, dtype, input, out } = kernel;
  const rank = dims.length;
  const length = dims[rank - 1];
  const rowDims = dims.slice(0, -1);
  const rows = product(rowDims);
  if (rows * length === 0) return nothing;
  const bytes = storageBytes(dtype);
  const grain = Math.min(rows, Math.max(1, Math.ceil(taskElements / length)));
  const inStrides = input.strides.map((s) => s * bytes);
  const outStrides = out.strides.map((s) => s * bytes);
  const float = dtype === "float32" || dtype === "float64";
  const run = module.addFunction("scan", runParameters, [], (f) => {
    emitTasks(f, (task) => {
      const [row, last, from, to, i] = f.locals("i32", 5);
      const sum = f.local(float ? "f64" : "i32");
      f.get(task).i32(grain).op("i32.mul").tee(row).i32(grain).op("i32.add").set(last);
      clampAbove(f, last, rows);
      emitCount(f, row, 1, () => f.get(last), () => {
        pushViewBase(f, input, bytes);
        f.set(from);
        pushViewBase(f, out, bytes);
        f.set(to);
        addFlatOffsets(f, row, rowDims, [
          { local: from, strides: inStrides },
          { local: to, strides: outStrides },
        ]);
        const sign = kernel.reverse ? -1 : 1;
        const [inStep, outStep] = [inStrides[rank - 1], outStrides[rank - 1]];
        if (kernel.reverse) {
          f.get(from).i32((length - 1) * inStep).op("i32.add").set(from);
          f.get(to).i32((length - 1) * outStep).op("i32.add").set(to);
        }
        if (float) f.f64(0).set(sum);
        else f.i32(0).set(sum);
        f.i32(0).set(i);
        emitCount(f, i, 1, () => f.i32(length), () => {
          f.get(sum).get(from);
          if (dtype === "float32") f.load("f32.load").op("f64.promote_f32").op("f64.add");
          else if (dtype === "float64") f.load("f64.load").op("f64.add");
          else f.load("i32.load").op(dtype === "bool" ? "i32.or" : "i32.add");
          f.set(sum);
          f.get(to).get(sum);
          if (dtype === "float32") f.op("f32.demote_f64").store("f32.store");
          else if (dtype === "float64") f.store("f64.store");
          else f.store("i32.store");
          f.get(from).i32(sign * inStep).op("i32.add").set(from);
          f.get(to).i32(sign * outStep).op("i32.add").set(to);
        });
      });
    });
  });
  return {
    phases: [{ run, tasks: Math.ceil(rows / grain) }],
    sharedScratchBytes: 0,
    threadScratchBytes: 0,
  };
}
