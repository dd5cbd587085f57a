/**
 * Code for counter-based random bits: Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror and Shaw, "Parallel random
 * numbers: as easy as 1, 2, 3", 2011), four counters at a time.
 *
 * @module
 */
import type { RandomBitsKernel } from "../../lib/compiler/kernel.ts";
import type { FunctionBuilder, Local, ModuleBuilder } from "./assembler.ts";
import {
  clampAbove,
  emitCount,
  emitTasks,
  type EmittedKernel,
  nothing,
  pushViewBase,
  runParameters,
} from "./loop_interface.ts";

/** Counters in a task: a multiple of four. */
const taskCounters = 2048;

const rotations = [13, 15, 26, 6, 17, 29, 16, 24];

/** Replaces x0, x1 (the counters, vectors of four) by the outputs under the keys k0, k1 (vectors too). */
export function emitThreefry(
  f: FunctionBuilder,
  k0: Local,
  k1: Local,
  x0: Local,
  x1: Local,
): void {
  const k2 = f.local("v128");
  f.get(k0).get(k1).op("v128.xor").i32x4Splat(0x1bd11bda).op("v128.xor").set(k2);
  const keys = [k0, k1, k2];
  f.get(x0).get(k0).op("i32x4.add").set(x0);
  f.get(x1).get(k1).op("i32x4.add").set(x1);
  for (let round = 0; round < 20; round++) {
    const count = rotations[round % 8];
    f.get(x0).get(x1).op("i32x4.add").set(x0);
    f.get(x1).i32(count).op("i32x4.shl").get(x1).i32(32 - count).op("i32x4.shr_u").op("v128.or");
    f.get(x0).op("v128.xor").set(x1);
    if (round % 4 !== 3) continue;
    const injection = (round + 1) / 4;
    f.get(x0).get(keys[injection % 3]).op("i32x4.add").set(x0);
    f.get(x1).get(keys[(injection + 1) % 3]).op("i32x4.add").i32x4Splat(injection);
    f.op("i32x4.add").set(x1);
  }
}

/** The code for random bits. */
export function emitRandomBits(module: ModuleBuilder, kernel: RandomBitsKernel): EmittedKernel {
  const { rows, length, key, out } = kernel;
  if (rows * length === 0) return nothing;
  const counters = Math.ceil(length / 2);
  const pieces = Math.ceil(counters / taskCounters);
  const grain = Math.min(rows, Math.max(1, Math.floor(taskCounters / counters)));
  const step = out.strides[1] * 4;
  const run = module.addFunction("randomBits", runParameters, [], (f) => {
    const [k0, k1, x0, x1] = f.locals("v128", 4);
    const [row, last, first, end, i, from, to] = f.locals("i32", 7);
    const doRow = () => {
      pushViewBase(f, key, 4);
      f.get(row).i32(key.strides[0] * 4).op("i32.mul").op("i32.add").tee(from);
      f.load("v128.load32_splat").set(k0);
      f.get(from).i32(key.strides[1] * 4).op("i32.add").load("v128.load32_splat").set(k1);
      pushViewBase(f, out, 4);
      f.get(row).i32(out.strides[0] * 4).op("i32.mul").op("i32.add");
      f.get(first).i32(2 * step).op("i32.mul").op("i32.add").set(to);
      f.get(first).set(i);
      emitCount(f, i, 4, () => f.get(end), () => {
        f.get(i).op("i32x4.splat");
        f.v128Const(new Uint8Array(new Int32Array([0, 1, 2, 3]).buffer)).op("i32x4.add").set(x0);
        f.i32x4Splat(0).set(x1);
        emitThreefry(f, k0, k1, x0, x1);
        // Pairs (x0, x1) one after another.
        const pairs = f.locals("v128", 2);
        f.get(x0).get(x1).shuffle32([0, 4, 1, 5]).set(pairs[0]);
        f.get(x0).get(x1).shuffle32([2, 6, 3, 7]).set(pairs[1]);
        const byLane = () => {
          for (let w = 0; w < 8; w++) {
            const write = () => {
              f.get(to);
              if (w > 0) f.i32(w * step).op("i32.add");
              f.get(pairs[w >> 2]).storeLane("v128.store32_lane", w & 3);
            };
            f.get(i).i32(1).op("i32.shl").i32(w).op("i32.add").i32(length).op("i32.lt_s").if_(
              write,
            );
          }
        };
        if (step === 4) {
          f.get(i).i32(1).op("i32.shl").i32(8).op("i32.add").i32(length).op("i32.le_s").if_(() => {
            f.get(to).get(pairs[0]).store("v128.store").get(to).get(pairs[1]).store(
              "v128.store",
              16,
            );
          }, byLane);
        } else byLane();
        f.get(to).i32(8 * step).op("i32.add").set(to);
      });
    };
    emitTasks(f, (task) => {
      if (pieces > 1) {
        f.get(task).i32(pieces).op("i32.div_u").set(row);
        f.get(task).i32(pieces).op("i32.rem_u").i32(taskCounters).op("i32.mul").tee(first);
        f.i32(taskCounters).op("i32.add").set(end);
        clampAbove(f, end, counters);
        doRow();
        return;
      }
      f.i32(0).set(first).i32(counters).set(end);
      f.get(task).i32(grain).op("i32.mul").tee(row).i32(grain).op("i32.add").set(last);
      clampAbove(f, last, rows);
      emitCount(f, row, 1, () => f.get(last), doRow);
    });
  });
  const tasks = pieces > 1 ? rows * pieces : Math.ceil(rows / grain);
  return { phases: [{ run, tasks }], sharedScratchBytes: 0, threadScratchBytes: 0 };
}
