/**
 * Counter-based random bits as WGSL: Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror and Shaw, "Parallel random
 * numbers: as easy as 1, 2, 3", 2011), an invocation for each counter.
 *
 * @module
 */

import type { RandomBitsKernel } from "../../lib/compiler/kernel.ts";
import { type Buffers, type Dispatch, type Ranges, Shader, workgroupSize } from "./shader.ts";

const rotations = [13, 15, 26, 6, 17, 29, 16, 24];

/** The dispatches of random bits. */
export function emitRandomBits(
  buffers: Buffers,
  { rows, length, key, out }: RandomBitsKernel,
  label: string,
  ranges?: Ranges,
): Dispatch[] {
  if (rows * length === 0) return [];
  const counters = Math.ceil(length / 2);
  const shader = new Shader(buffers, out.buffer, ranges);
  const rounds: string[] = [];
  for (let round = 0; round < 20; round++) {
    const count = rotations[round % 8];
    rounds.push("x = x + y;", `y = ((y << ${count}u) | (y >> ${32 - count}u)) ^ x;`);
    if (round % 4 !== 3) continue;
    const injection = (round + 1) / 4;
    rounds.push(
      `x = x + k${injection % 3};`,
      `y = y + k${(injection + 1) % 3} + ${injection}u;`,
    );
  }
  const main = [
    `let i = group * ${workgroupSize}u + lane;`,
    `if (i >= ${rows * counters}u) { return; }`,
    `let row = i / ${counters}u;`,
    `let counter = i % ${counters}u;`,
    `let k0 = ${shader.word(key, ["row", null])};`,
    `let k1 = ${shader.word(key, ["row", "1u"])};`,
    "let k2 = k0 ^ k1 ^ 0x1bd11bdau;",
    "var x = counter + k0;",
    "var y = k1;",
    ...rounds,
    "let at = 2u * counter;",
    `${shader.word(out, ["row", "at"])} = x;`,
    "let next = at + 1u;",
    `if (next < ${length}u) { ${shader.word(out, ["row", "next"])} = y; }`,
  ];
  return [shader.finish(label, main, Math.ceil(rows * counters / workgroupSize))];
}
