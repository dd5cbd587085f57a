/**
 * Contractions: dotGeneral and conv. Products are added up in float64.
 *
 * @module
 */

import { contiguousStrides, range, sizeOf } from "../../lib/base/shape.ts";
import { offsetsOf, pick } from "./offsets.ts";
import { allocateSums, multiplication, type Operand, roundSums, type Rules } from "./rule.ts";

/** Offsets of an operand along some of its axes, in their order. */
function along(x: Operand, axes: readonly number[]): Int32Array {
  return offsetsOf(pick(x.shape, axes), pick(contiguousStrides(x.shape), axes));
}

/** The axes of an operand that are neither batch nor contracted. */
function freeAxes(x: Operand, batch: readonly number[], contract: readonly number[]): number[] {
  return range(x.shape.length).filter((d) => !batch.includes(d) && !contract.includes(d));
}

/** dotGeneral and conv. */
export const contractRules: Rules<"dotGeneral" | "conv"> = {
  dotGeneral: ({ shape, dtype, params }, [lhs, rhs]) => {
    const { lhsBatch, rhsBatch, lhsContract, rhsContract } = params;
    const multiply = multiplication(dtype);
    const lhsBatchAt = along(lhs, lhsBatch);
    const rhsBatchAt = along(rhs, rhsBatch);
    const lhsFreeAt = along(lhs, freeAxes(lhs, lhsBatch, lhsContract));
    const rhsFreeAt = along(rhs, freeAxes(rhs, rhsBatch, rhsContract));
    const lhsContractAt = along(lhs, lhsContract);
    const rhsContractAt = along(rhs, rhsContract);
    const out = allocateSums(dtype, sizeOf(shape));
    let at = 0;
    for (let b = 0; b < lhsBatchAt.length; b++) {
      for (const m of lhsFreeAt) {
        for (const n of rhsFreeAt) {
          const left = lhsBatchAt[b] + m;
          const right = rhsBatchAt[b] + n;
          let sum = 0;
          for (let k = 0; k < lhsContractAt.length; k++) {
            // Integer products are below 2³¹ in size, so the sum stays exact for 2²² of them before it wraps.
            sum += multiply(
              lhs.data[left + lhsContractAt[k]],
              rhs.data[right + rhsContractAt[k]],
            );
          }
          out[at++] = sum;
        }
      }
    }
    return roundSums(out, dtype);
  },

  conv: ({ shape, dtype, params }, [input, filter]) => {
    const [batches, outChannels, ...positions] = shape;
    const [, groupChannels, ...kernel] = filter.shape;
    const sizes = input.shape.slice(2);
    const inputSpatial = sizeOf(sizes);
    const taps = sizeOf(kernel);
    const reads = inputReads(sizes, kernel, positions, params);
    const outSpatial = sizeOf(positions);
    const out = allocateSums(dtype, sizeOf(shape));
    let at = 0;
    for (let n = 0; n < batches; n++) {
      for (let o = 0; o < outChannels; o++) {
        const group = Math.floor(o / (outChannels / params.groups));
        const firstChannel = n * input.shape[1] + group * groupChannels;
        for (let p = 0; p < outSpatial; p++) {
          let sum = 0;
          for (let c = 0; c < groupChannels; c++) {
            const inputAt = (firstChannel + c) * inputSpatial;
            const filterAt = (o * groupChannels + c) * taps;
            for (let k = 0; k < taps; k++) {
              const read = reads[p * taps + k];
              if (read >= 0) sum += input.data[inputAt + read] * filter.data[filterAt + k];
            }
          }
          out[at++] = sum;
        }
      }
    }
    return roundSums(out, dtype);
  },
};

/**
 * For each output position and each element of the kernel: which element of a channel it meets, or −1 where that is
 * padding or stands between dilated elements. Axes are joined one by one, outermost first.
 */
function inputReads(
  sizes: readonly number[],
  kernel: readonly number[],
  positions: readonly number[],
  params: {
    readonly strides: readonly number[];
    readonly padding: readonly (readonly [number, number])[];
    readonly lhsDilation: readonly number[];
    readonly rhsDilation: readonly number[];
  },
): Int32Array {
  const taps = sizeOf(kernel);
  const count = sizeOf(positions);
  const reads = new Int32Array(count * taps);
  let positionsBelow = count;
  let tapsBelow = taps;
  for (let d = 0; d < sizes.length; d++) {
    positionsBelow /= positions[d] || 1;
    tapsBelow /= kernel[d] || 1;
    for (let p = 0; p < count; p++) {
      const position = Math.floor(p / positionsBelow) % positions[d];
      for (let k = 0; k < taps; k++) {
        const tap = Math.floor(k / tapsBelow) % kernel[d];
        const spread = position * params.strides[d] + tap * params.rhsDilation[d] -
          params.padding[d][0];
        const element = spread / params.lhsDilation[d];
        const i = p * taps + k;
        const inside = Number.isInteger(element) && element >= 0 && element < sizes[d];
        reads[i] = inside && reads[i] >= 0 ? reads[i] * sizes[d] + element : -1;
      }
    }
  }
  return reads;
}
