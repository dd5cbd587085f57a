/**
 * Code for argsort: a stable merge sort of rows.
 *
 * Values become unsigned keys in the wanted order, with NaN last. A key of 32 bits and the index share one 64-bit word, so
 * that comparing words sorts stably; float64 keys take a word, and the index one beside it.
 *
 * @module
 */
import { type ArgsortKernel, storageBytes } from "../../lib/compiler/kernel.ts";
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

/** Elements in a task, about. */
const taskElements = 2048;

/** The code for an argsort. */
export function emitArgsort(module: ModuleBuilder, kernel: ArgsortKernel): EmittedKernel {
  const { dims, dtype, input, out } = kernel;
  const rank = dims.length;
  const length = dims[rank - 1];
  const rowDims = dims.slice(0, -1);
  const rows = product(rowDims);
  if (rows * length === 0) return nothing;
  const bytes = storageBytes(dtype);
  const record = dtype === "float64" ? 16 : 8;
  const grain = Math.min(rows, Math.max(1, Math.ceil(taskElements / length)));
  const run = module.addFunction("argsort", runParameters, [], (f) => {
    const [row, last, from, to, i, a, b, swap] = f.locals("i32", 8);
    emitTasks(f, (task) => {
      f.get(task).i32(grain).op("i32.mul").tee(row).i32(grain).op("i32.add").set(last);
      clampAbove(f, last, rows);
      emitCount(f, row, 1, () => f.get(last), () => {
        pushViewBase(f, input, bytes);
        f.set(from);
        pushViewBase(f, out, 4);
        f.set(to);
        addFlatOffsets(f, row, rowDims, [
          { local: from, strides: input.strides.map((s) => s * bytes) },
          { local: to, strides: out.strides.map((s) => s * 4) },
        ]);
        f.get(f.parameter(2)).tee(a).i32(length * record).op("i32.add").set(b);
        // Records.
        const at = f.local("i32");
        f.get(a).set(at).i32(0).set(i);
        emitCount(f, i, 1, () => f.i32(length), () => {
          f.get(at);
          pushKey(f, from, kernel);
          if (record === 8) {
            f.i64(32n).op("i64.shl").get(i).op("i64.extend_i32_u").op("i64.or");
          } else f.get(at).get(i).store("i32.store", 8);
          f.store("i64.store");
          f.get(at).i32(record).op("i32.add").set(at);
          f.get(from).i32(input.strides[rank - 1] * bytes).op("i32.add").set(from);
        });
        // Merge runs of growing width from a to b, then change their roles.
        for (let width = 1; width < length; width *= 2) {
          emitMergePass(f, a, b, width, length, record);
          f.get(a).set(swap).get(b).set(a).get(swap).set(b);
        }
        f.i32(0).set(i);
        emitCount(f, i, 1, () => f.i32(length), () => {
          f.get(to).get(a).load("i32.load", record === 8 ? 0 : 8).store("i32.store");
          f.get(a).i32(record).op("i32.add").set(a);
          f.get(to).i32(out.strides[rank - 1] * 4).op("i32.add").set(to);
        });
      });
    });
  });
  return {
    phases: [{ run, tasks: Math.ceil(rows / grain) }],
    sharedScratchBytes: 0,
    threadScratchBytes: 2 * length * record,
  };
}

/** Pushes the key, an i64, of the value at an address. */
function pushKey(f: FunctionBuilder, from: Local, kernel: ArgsortKernel): void {
  const { dtype, descending } = kernel;
  if (dtype === "float64") {
    const x = f.local("f64");
    const bits = f.local("i64");
    // Adding zero makes −0 and 0 equal.
    f.get(from).load("f64.load").f64(0).op("f64.add").tee(x).op("i64.reinterpret_f64").set(bits);
    // Negative numbers are flipped whole, others in their sign.
    f.i64(-1n);
    f.get(bits).get(bits).i64(63n).op("i64.shr_s").i64(-(2n ** 63n)).op("i64.or").op("i64.xor");
    if (descending) f.i64(-1n).op("i64.xor");
    f.get(x).get(x).op("f64.ne").select();
    return;
  }
  const bits = f.local("i32");
  if (dtype === "float32") {
    const x = f.local("f32");
    f.get(from).load("f32.load").f32(0).op("f32.add").tee(x).op("i32.reinterpret_f32").set(bits);
    f.i32(-1);
    f.get(bits).get(bits).i32(31).op("i32.shr_s").i32(0x80000000).op("i32.or").op("i32.xor");
    if (descending) f.i32(-1).op("i32.xor");
    f.get(x).get(x).op("f32.ne").select();
  } else {
    f.get(from).load("i32.load");
    if (dtype === "int32") f.i32(0x80000000).op("i32.xor");
    if (descending) f.i32(-1).op("i32.xor");
  }
  f.op("i64.extend_i32_u");
}

/** Merges each pair of runs of `width` records. */
function emitMergePass(
  f: FunctionBuilder,
  source: Local,
  target: Local,
  width: number,
  length: number,
  record: number,
): void {
  const [start, left, leftEnd, right, rightEnd, to, end] = f.locals("i32", 7);
  const [leftKey, rightKey] = f.locals("i64", 2);
  const total = length * record;
  f.get(source).i32(total).op("i32.add").set(end);
  f.get(source).set(start).get(target).set(to);
  const copy = (from: Local) => {
    f.get(to).get(from);
    if (record === 8) f.load("i64.load").store("i64.store");
    else f.load("v128.load").store("v128.store");
    f.get(from).i32(record).op("i32.add").set(from);
    f.get(to).i32(record).op("i32.add").set(to);
  };
  const bounded = (local: Local) => {
    f.get(end).get(local).get(local).get(end).op("i32.gt_u").select().set(local);
  };
  emitCount(f, start, 2 * width * record, () => f.get(end), () => {
    f.get(start).tee(left).i32(width * record).op("i32.add").set(leftEnd);
    bounded(leftEnd);
    f.get(leftEnd).tee(right).i32(width * record).op("i32.add").set(rightEnd);
    bounded(rightEnd);
    f.block((done) => {
      f.loop((again) => {
        f.get(left).get(leftEnd).op("i32.ge_u").get(right).get(rightEnd).op("i32.ge_u");
        f.op("i32.or").brIf(done);
        f.get(left).load("i64.load").set(leftKey).get(right).load("i64.load").set(rightKey);
        // Equal keys keep their order: the left one goes first.
        f.get(rightKey).get(leftKey).op("i64.lt_u").if_(() => copy(right), () => copy(left));
        f.br(again);
      });
    });
    for (const [from, until] of [[left, leftEnd], [right, rightEnd]] as const) {
      f.get(to).get(from).get(until).get(from).op("i32.sub").memoryCopy();
      f.get(to).get(until).get(from).op("i32.sub").op("i32.add").set(to);
    }
  });
}
