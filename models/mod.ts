/**
 * Networks that come with the package, each a page of code.
 *
 * @module
 */

import type { Tensor } from "../mod.ts";
import type { Module } from "../lib/nn/mod.ts";
import { DigitsCNN } from "./digits_cnn.ts";
import { MLP } from "./mlp.ts";
import { ResidualBlock, ResNet } from "./resnet.ts";
import { Transformer } from "./transformer.ts";
import { CNN } from "./tutorial_cnn.ts";

export { CNN, DigitsCNN, MLP, ResidualBlock, ResNet, Transformer };

/** A network that can be made by its name. */
export interface ModelEntry {
  /** What it is, in a few words. */
  readonly description: string;
  /** The shape of one example. */
  readonly inputShape: readonly number[];
  /** What its examples hold: real numbers, or tokens from 0 up to `tokens`. */
  readonly inputDType: "float32" | "int32";
  /** The number of different tokens; null for real numbers. */
  readonly tokens: number | null;
  /** Makes the network, ready for a kernel; its parameters come from the seed set by `manualSeed`. */
  create(): Module & { forward(x: Tensor): Tensor };
}

function image(
  description: string,
  inputShape: readonly number[],
  create: ModelEntry["create"],
): ModelEntry {
  return { description, inputShape, inputDType: "float32", tokens: null, create };
}

/**
 * The networks by name, as the command line knows them.
 *
 * @example
 * ```ts
 * import { zeros } from "@tangents/ntk";
 * import { models } from "@tangents/ntk/models";
 * const { create, inputShape } = models["tutorial-cnn"];
 * console.log(create().forward(zeros([1, ...inputShape])).shape); // [1, 10]
 * ```
 */
export const models: Readonly<Record<string, ModelEntry>> = {
  "tutorial-cnn": image("the CNN of the PyTorch tutorial", [3, 32, 32], () => new CNN()),
  "digits-mlp": image(
    "a fully connected network for 8 × 8 digits",
    [1, 8, 8],
    () => new MLP([64, 256, 256, 10]),
  ),
  "digits-cnn": image(
    "a CNN with batch normalization, pooling and grouped convolutions for 8 × 8 digits",
    [1, 8, 8],
    () => new DigitsCNN().eval(),
  ),
  "digits-resnet": image(
    "a residual network with group normalization for 8 × 8 digits",
    [1, 8, 8],
    () => new ResNet(),
  ),
  transformer: {
    description: "a transformer of one block for sequences of twelve tokens",
    inputShape: [12],
    inputDType: "int32",
    tokens: 50,
    create: () => new Transformer(),
  },
};
