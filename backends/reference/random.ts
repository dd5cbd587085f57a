/**
 * Counter-based random bits.
 *
 * @module
 */

import type { Rules } from "./rule.ts";

/** Left rotations of the eight rounds that repeat. */
const rotations = [13, 15, 26, 6, 17, 29, 16, 24];

/**
 * Threefry-2x32 with 20 rounds: two random words for a key and a counter of two words each.
 *
 * Reference: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (2011).
 */
export function threefry2x32(
  key: readonly [number, number],
  counter: readonly [number, number],
): [number, number] {
  const schedule = [key[0], key[1], key[0] ^ key[1] ^ 0x1bd11bda];
  let x = (counter[0] + key[0]) | 0;
  let y = (counter[1] + key[1]) | 0;
  for (let round = 0; round < 20; round++) {
    const rotation = rotations[round % 8];
    x = (x + y) | 0;
    y = ((y << rotation) | (y >>> (32 - rotation))) ^ x;
    if (round % 4 === 3) {
      const injection = (round + 1) / 4;
      x = (x + schedule[injection % 3]) | 0;
      y = (y + schedule[(injection + 1) % 3] + injection) | 0;
    }
  }
  return [x >>> 0, y >>> 0];
}

/** randomBits. */
export const randomRules: Rules<"randomBits"> = {
  randomBits: ({ params: { length } }, [key]) => {
    const rows = key.data.length / 2;
    const out = new Uint32Array(rows * length);
    for (let row = 0; row < rows; row++) {
      const words = out.subarray(row * length, (row + 1) * length);
      for (let i = 0; 2 * i < length; i++) {
        const [first, second] = threefry2x32([key.data[2 * row], key.data[2 * row + 1]], [i, 0]);
        words[2 * i] = first;
        if (2 * i + 1 < length) words[2 * i + 1] = second;
      }
    }
    return out;
  },
};
