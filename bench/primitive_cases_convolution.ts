/**
 * Convolutions and their gradients.
 *
 * @module
 */

import { conv2d, type Tensor, vjp, vmap } from "../mod.ts";
import type { PrimitiveCase } from "./primitive_cases.ts";
import type { Tfjs, TfPadding, TfTensor } from "./peers/tfjs.ts";

interface ConvolutionOptions {
  readonly images?: number;
  readonly channels?: readonly [input: number, output: number];
  readonly size?: number;
  readonly padding?: number;
  readonly stride?: number;
  readonly dilation?: number;
  readonly groups?: number;
}

const toLast = [0, 2, 3, 1];
const toFirst = [0, 3, 1, 2];

function padding(amount: number): TfPadding {
  if (amount === 0) return "valid";
  return [[0, 0], [amount, amount], [amount, amount], [0, 0]];
}

/** What follows from the options. */
function resolve(options: ConvolutionOptions): {
  readonly images: number;
  readonly channels: readonly [number, number];
  readonly size: number;
  readonly out: number;
  readonly padding: number;
  readonly stride: number;
  readonly dilation: number;
  readonly groups: number;
  readonly operations: number;
} {
  const { images = 25, channels = [32, 32], size = 28, stride = 1, dilation = 1, groups = 1 } =
    options;
  const pad = options.padding ?? 0;
  const out = Math.floor((size + 2 * pad - 2 * dilation - 1) / stride) + 1;
  const operations = 2 * images * channels[1] * (channels[0] / groups) * 9 * out * out;
  return { images, channels, size, out, padding: pad, stride, dilation, groups, operations };
}

/** A convolution 3 × 3 of images [N, channels, size, size]. */
function convolution(name: string, options: ConvolutionOptions = {}): PrimitiveCase {
  const { images, channels, size, padding: pad, stride, dilation, groups, operations } = resolve(
    options,
  );
  const depthwise = groups > 1 && groups === channels[0];
  return {
    name,
    group: "convolutions",
    work: { operations },
    inputs: [
      [images, channels[0], size, size],
      [channels[1], channels[0] / groups, 3, 3],
    ],
    tangents: (x, w) => conv2d(x, w, null, { stride, padding: pad, dilation, groups }),
    onnx: {
      rank: 4,
      nodes: [{
        op: "Conv",
        inputs: ["x0", "x1"],
        output: "y",
        attributes: {
          kernel_shape: [3, 3],
          pads: [pad, pad, pad, pad],
          strides: [stride, stride],
          dilations: [dilation, dilation],
          group: groups,
        },
      }],
    },
    tfjs: groups === 1 || depthwise
      ? {
        prepare: (tf, [x, w]) => [
          tf.transpose(x, toLast),
          tf.transpose(w, depthwise ? [2, 3, 0, 1] : [2, 3, 1, 0]),
        ],
        run: (tf, [x, w]) =>
          depthwise
            ? tf.depthwiseConv2d(x, w, stride, padding(pad))
            : tf.conv2d(x, w, stride, padding(pad), "NHWC", dilation),
        finish: channelsFirst,
      }
      : undefined,
  };
}

function channelsFirst(tf: Tfjs, x: TfTensor): TfTensor {
  return tf.transpose(x, toFirst);
}

/** The gradient of each example's filter: [N, out, in, 3, 3] from images and cotangents. */
function filterGradient(name: string, options: ConvolutionOptions): PrimitiveCase {
  const { images, channels: [input, output], size, out, padding: pad, operations } = resolve(
    options,
  );
  return {
    name,
    group: "convolutions",
    work: { operations },
    inputs: [
      [images, input, size, size],
      [images, output, out, out],
      [output, input, 3, 3],
    ],
    tangents: (xs, cotangents, w) =>
      vmap((x: Tensor, cotangent: Tensor) => {
        const [, vjpFn] = vjp((w: Tensor) => conv2d(x, w, null, { padding: pad }), w);
        return vjpFn(cotangent)[0];
      })(xs, cotangents),
    // onnxruntime has no such operator; a convolution of the images with the cotangents as filters, the examples being
    // groups and the channels the batch, computes it.
    onnx: {
      rank: 5,
      constants: { split: [input, images, output, 3, 3], filters: [images * output, 1, out, out] },
      nodes: [
        { op: "Transpose", inputs: ["x0"], output: "xt", attributes: { perm: [1, 0, 2, 3] } },
        { op: "Reshape", inputs: ["x1", "filters"], output: "c" },
        {
          op: "Conv",
          inputs: ["xt", "c"],
          output: "g",
          attributes: { kernel_shape: [out, out], pads: [pad, pad, pad, pad], group: images },
        },
        { op: "Reshape", inputs: ["g", "split"], output: "s" },
        { op: "Transpose", inputs: ["s"], output: "y", attributes: { perm: [1, 2, 0, 3, 4] } },
      ],
    },
  };
}

/** The gradient of the images. */
function inputGradient(name: string, options: ConvolutionOptions): PrimitiveCase {
  const { images, channels: [input, output], size, out, padding: pad, operations } = resolve(
    options,
  );
  return {
    name,
    group: "convolutions",
    work: { operations },
    inputs: [
      [images, output, out, out],
      [output, input, 3, 3],
      [images, input, size, size],
    ],
    tangents: (cotangent, w, x) => {
      const [, vjpFn] = vjp((x: Tensor) => conv2d(x, w, null, { padding: pad }), x);
      return vjpFn(cotangent)[0];
    },
    onnx: {
      rank: 4,
      nodes: [{
        op: "ConvTranspose",
        inputs: ["x0", "x1"],
        output: "y",
        attributes: { kernel_shape: [3, 3], pads: [pad, pad, pad, pad] },
      }],
    },
    tfjs: {
      prepare: (tf, [c, w]) => [tf.transpose(c, toLast), tf.transpose(w, [2, 3, 1, 0])],
      run: (tf, [c, w]) =>
        tf.conv2dTranspose(c, w, [images, size, size, input], 1, pad === 1 ? "same" : "valid"),
      finish: channelsFirst,
    },
  };
}

/** Convolutions 3 × 3 of 25 images, mostly 32 → 32 channels, 28 × 28. */
export const convolutionCases: readonly PrimitiveCase[] = [
  convolution("convolution 32 → 32, 28², padded", { padding: 1 }),
  convolution("convolution 32 → 32, 28²"),
  convolution("convolution 3 → 32, 32²", { channels: [3, 32], size: 32 }),
  convolution("stride 2", { padding: 1, stride: 2 }),
  convolution("dilation 2", { padding: 2, dilation: 2 }),
  convolution("4 groups", { padding: 1, groups: 4 }),
  convolution("depthwise", { padding: 1, groups: 32 }),
  filterGradient("filter gradient of each example, padded", { padding: 1 }),
  filterGradient("filter gradient of each example", {}),
  inputGradient("input gradient, padded", { padding: 1 }),
  inputGradient("input gradient", {}),
];
