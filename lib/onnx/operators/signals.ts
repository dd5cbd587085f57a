/**
 * Fourier transforms and windows of signals.
 *
 * @module
 */

import { allocate } from "../../base/dtype.ts";
import { normalizeAxis, range } from "../../base/shape.ts";
import { apply } from "../../core/apply.ts";
import { matmul } from "../../core/operations/contractions.ts";
import { fromHost } from "../../core/operations/creation.ts";
import type { Tensor } from "../../core/tensor.ts";
import { flag, integer } from "../attributes.ts";
import { type Operator, operator, type OperatorContext } from "../operator.ts";

/** Longer transforms than any network's; they are products with a matrix. */
const longest = 1 << 13;
/** Longer windows than any network's. */
const longestWindow = 1 << 24;

/** A transform of one length. */
interface Transform {
  readonly length: number;
  readonly inverse: boolean;
  readonly onesided: boolean;
}

/**
 * The matrix of a transform, from pairs of numbers to pairs: entry (n·in + part, k·out + part) for `terms` numbers with `parts`
 * parts each.
 */
function matrixOf(
  { length, inverse, onesided }: Transform,
  terms: number,
  parts: number,
  dtype: Tensor["dtype"],
): Tensor {
  const real = inverse && onesided;
  const [count, width] = [onesided && !inverse ? (length >> 1) + 1 : length, real ? 1 : 2];
  const data = allocate(dtype, terms * parts * count * width);
  for (let n = 0; n < terms; n++) {
    // Of a real signal's spectrum the other half is this one's mirror image.
    const twice = real && n > 0 && 2 * n < length ? 2 : 1;
    for (let k = 0; k < count; k++) {
      const angle = 2 * Math.PI * ((n * k) % length) / length;
      const scale = twice * (inverse ? 1 / length : 1);
      const [cos, sin] = [scale * Math.cos(angle), scale * Math.sin(angle) * (inverse ? 1 : -1)];
      for (let part = 0; part < parts; part++) {
        const at = ((n * parts + part) * count + k) * width;
        data[at] = part === 0 ? cos : -sin;
        if (width === 2) data[at + 1] = part === 0 ? sin : cos;
      }
    }
  }
  return fromHost(data, [terms * parts, count * width], dtype);
}

/** Transforms [..., terms, parts] along the axis before the last: [..., count, parts]. */
function transform(context: OperatorContext, x: Tensor, given: Transform): Tensor {
  const { length, inverse, onesided } = given;
  const [terms, parts] = x.shape.slice(-2);
  if (!(length >= 1 && length <= longest) || parts < 1 || parts > 2) {
    context.fail(
      `a transform of length ${length} of [${x.shape.join(", ")}]; 1 to ${longest} is known`,
    );
  }
  if (onesided && !inverse && parts === 2) context.fail("onesided is for real signals");
  const most = inverse && onesided ? (length >> 1) + 1 : length;
  const used = Math.min(terms, most);
  const signal = x.slice(...x.shape.slice(0, -2).map(() => null), [0, used], null);
  const leading = x.shape.slice(0, -2);
  const matrix = matrixOf(given, used, parts, x.dtype);
  const width = inverse && onesided ? 1 : 2;
  return matmul(signal.reshape([...leading, used * parts]), matrix)
    .reshape([...leading, matrix.shape[1] / width, width]);
}

/** A window of cosines, as many as there are coefficients. */
function window(name: string, coefficients: readonly number[]): Operator {
  return operator({
    name,
    since: [17],
    inputs: 1,
    attributes: { output_datatype: integer(1), periodic: flag(true) },
    run: (c, { output_datatype, periodic }) => {
      const size = c.number(0);
      if (!(size >= 0 && size <= longestWindow)) c.fail(`a window of ${size}`);
      const period = periodic !== 0 ? size : size - 1;
      const values = range(size).map((i) =>
        coefficients.reduce(
          (sum, a, k) => sum + (k % 2 === 0 ? a : -a) * Math.cos(2 * Math.PI * k * i / period),
          0,
        )
      );
      return c.makeConstant(c.typeOfCode(output_datatype), [size], values);
    },
  });
}

/** Triangles that add up a spectrum's bins to bands of the mel scale. */
function melWeights(bands: number, bins: number, rate: number, low: number, high: number) {
  const mel = (hertz: number): number => 2595 * Math.log10(1 + hertz / 700);
  const step = (mel(high) - mel(low)) / (bands + 2);
  const edges = range(bands + 2).map((i) => {
    const hertz = 700 * (10 ** ((mel(low) + i * step) / 2595) - 1);
    return Math.floor((bins + 1) * hertz / rate);
  });
  const rows = Math.floor(bins / 2) + 1;
  const weights = new Float64Array(rows * bands);
  for (let band = 0; band < bands; band++) {
    const [from, peak, to] = edges.slice(band, band + 3);
    const set = (row: number, value: number): void => {
      if (row >= 0 && row < rows) weights[row * bands + band] = value;
    };
    if (peak === from) set(peak, 1);
    else for (let row = from; row <= peak; row++) set(row, (row - from) / (peak - from));
    for (let row = peak; row < to; row++) set(row, (to - row) / (to - peak));
  }
  return { weights, shape: [rows, bands] };
}

/** Fourier transforms and windows. */
export const signals: readonly Operator[] = [
  operator({
    name: "DFT",
    since: [17, 20],
    inputs: [1, 3],
    attributes: { axis: integer(1), inverse: flag(false), onesided: flag(false) },
    run: (c, values) => {
      const x = c.tensor(0);
      const [inverse, onesided] = [values.inverse !== 0, values.onesided !== 0];
      const asked = c.version >= 20 ? c.optionalNumber(2) ?? -2 : values.axis;
      const axis = normalizeAxis(asked, x.rank, "axis");
      if (axis === x.rank - 1) c.fail("the last axis holds the parts of complex numbers");
      const size = x.shape[axis];
      const length = c.optionalNumber(1) ?? (inverse && onesided ? 2 * (size - 1) : size);
      const moved = transform(c, x.moveAxis(axis, -2), { length, inverse, onesided });
      return moved.moveAxis(-2, axis);
    },
  }),
  operator({
    name: "STFT",
    since: [17],
    inputs: [2, 4],
    attributes: { onesided: flag(true) },
    run: (c, { onesided }) => {
      const [signal, step, shape] = [c.tensor(0), c.number(1), c.optionalTensor(2)];
      const samples = signal.rank === 2 ? signal.unsqueeze(2) : signal;
      const length = c.optionalNumber(3) ?? shape?.size ?? samples.shape[1];
      if (!(step >= 1 && length >= 1 && length <= Math.min(longest, samples.shape[1]))) {
        c.fail(`frames of ${length} with step ${step} of [${samples.shape.join(", ")}]`);
      }
      // [B, frames, length, parts].
      const windows = { kernel: [length], strides: [step], dilation: [1] };
      const frames = apply("patches", windows, samples.moveAxis(1, -1)).permute([0, 3, 2, 1]);
      const weighed = shape === null ? frames : frames.mul(shape.reshape([length, 1]));
      return transform(c, weighed, { length, inverse: false, onesided: onesided !== 0 });
    },
  }),
  window("HannWindow", [0.5, 0.5]),
  window("HammingWindow", [25 / 46, 21 / 46]),
  window("BlackmanWindow", [0.42, 0.5, 0.08]),
  operator({
    name: "MelWeightMatrix",
    since: [17],
    inputs: 5,
    attributes: { output_datatype: integer(1) },
    run: (c, { output_datatype }) => {
      const [bands, bins, rate, low, high] = [0, 1, 2, 3, 4].map((i) => c.number(i));
      if (!(bands >= 1 && bins >= 1 && bands * bins <= longestWindow)) {
        c.fail(`${bands} bands of ${bins} bins`);
      }
      const { weights, shape } = melWeights(bands, bins, rate, low, high);
      return c.makeConstant(c.typeOfCode(output_datatype), shape, weights);
    },
  }),
];
