/**
 * Networks and sizes between which the best method differs.
 *
 * @module
 */

import {
  AvgPool2d,
  Conv2d,
  Embedding,
  Flatten,
  type Layer,
  Linear,
  Module,
  ReLU,
  Sequential,
  Tanh,
} from "../lib/nn/mod.ts";
import { type NtkCompute, random, type Tensor } from "../mod.ts";
import { CNN, DigitsCNN, MLP, ResNet, Transformer } from "../models/mod.ts";
import { type NtkProblem, problemOf } from "./ntk_problems.ts";

/** A kernel for which all methods are timed. */
export interface ChoiceProblem {
  /** Network, examples and outputs, in words. */
  readonly name: string;
  /** What of the kernel. */
  readonly compute: NtkCompute;
  /** Makes it: the same numbers every time. */
  readonly make: () => NtkProblem;
}

/** The tutorial's network with other outputs. */
class TutorialCNN extends Module {
  conv1: Conv2d = new Conv2d(3, 32, 3);
  conv2: Conv2d = new Conv2d(32, 32, 3);
  conv3: Conv2d = new Conv2d(32, 32, 3);
  fc: Linear;

  constructor(outputs: number) {
    super();
    this.fc = new Linear(32 * 26 * 26, outputs);
  }

  forward(x: Tensor): Tensor {
    x = this.conv2.forward(this.conv1.forward(x).relu()).relu();
    return this.fc.forward(this.conv3.forward(x).flatten(1));
  }
}

/** A long short-term memory over [N, T, features], and a linear layer on its last state. */
class Recurrent extends Module {
  input: Linear;
  hidden: Linear;
  head: Linear;

  constructor(features: number, readonly size: number, outputs: number) {
    super();
    this.input = new Linear(features, 4 * size);
    this.hidden = new Linear(size, 4 * size, { bias: false });
    this.head = new Linear(size, outputs);
  }

  forward(x: Tensor): Tensor {
    const [, steps] = x.shape;
    const gates = this.input.forward(x);
    const { size } = this;
    let state = gates.slice(null, [0, 1], [0, size]).squeeze(1).mul(0);
    let cell = state;
    for (let t = 0; t < steps; t++) {
      const all = gates.slice(null, [t, t + 1]).squeeze(1).add(this.hidden.forward(state));
      const gate = (i: number): Tensor => all.slice(null, [i * size, (i + 1) * size]);
      cell = gate(1).sigmoid().mul(cell).add(gate(0).sigmoid().mul(gate(2).tanh()));
      state = gate(3).sigmoid().mul(cell.tanh());
    }
    return this.head.forward(state);
  }
}

/** The mean of embedded tokens through one hidden layer. */
class Bag extends Module {
  table: Embedding = new Embedding(5000, 64);
  up: Linear = new Linear(64, 128);
  head: Linear = new Linear(128, 5);

  forward(tokens: Tensor): Tensor {
    return this.head.forward(this.up.forward(this.table.forward(tokens).mean(1)).tanh());
  }
}

/** Blocks of a depthwise and a pointwise convolution, as in MobileNet. */
function depthwise(channels: number, outputs: number): Layer {
  const block = (stride: number): Layer[] => [
    new Conv2d(channels, channels, 3, { padding: 1, groups: channels, stride }),
    new Conv2d(channels, channels, 1),
    new ReLU(),
  ];
  return new Sequential(
    new Conv2d(3, channels, 3, { padding: 1, stride: 2 }),
    new ReLU(),
    ...block(1),
    ...block(2),
    ...block(1),
    new AvgPool2d(8),
    new Flatten(),
    new Linear(channels, outputs),
  );
}

/** Images to images: as many outputs as pixels. */
function imageToImage(): Layer {
  return new Sequential(
    new Conv2d(1, 16, 3, { padding: 1 }),
    new Tanh(),
    new Conv2d(16, 16, 3, { padding: 1 }),
    new Tanh(),
    new Conv2d(16, 1, 3, { padding: 1 }),
    new Flatten(),
  );
}

/** Tokens to scores of every token at every position. */
class TokenMixer extends Module {
  table: Embedding = new Embedding(50, 32);
  mix: Linear = new Linear(12, 12);
  up: Linear = new Linear(32, 64);
  head: Linear = new Linear(64, 50);

  forward(tokens: Tensor): Tensor {
    const x = this.table.forward(tokens);
    const mixed = x.add(this.mix.forward(x.transpose(1, 2)).transpose(1, 2).tanh());
    return this.head.forward(this.up.forward(mixed).tanh());
  }
}

type Shape = readonly number[];

function problem(
  name: string,
  create: () => Module & { forward(x: Tensor): Tensor },
  [n1, n2]: readonly [number, number],
  shape: Shape,
  options: { compute?: NtkCompute; tokens?: number } = {},
): ChoiceProblem {
  const { compute = "full", tokens } = options;
  return {
    name: `${name}, ${n1} x ${n2}${compute === "full" ? "" : `, ${compute}`}`,
    compute,
    make() {
      const [key1, key2] = random.splitKey(random.randomKey(0));
      const draw = (key: Tensor, n: number): Tensor =>
        tokens === undefined
          ? random.normal(key, [n, ...shape])
          : random.uniform(key, [n, ...shape]).mul(tokens).floor().to("int32");
      return problemOf(create(), draw(key1, n1), draw(key2, n2));
    },
  };
}

const mlp = (...sizes: number[]) => () => new MLP(sizes);
const evaluated = (net: Layer): Layer => net.eval() as Layer;

/** All of them. */
export const choiceProblems: readonly ChoiceProblem[] = [
  problem("MLP 64-64-64-10", mlp(64, 64, 64, 10), [64, 64], [64]),
  problem("MLP 64-64-64-1", mlp(64, 64, 64, 1), [200, 200], [64]),
  problem("MLP 256-1024-1024-1", mlp(256, 1024, 1024, 1), [64, 64], [256]),
  problem("MLP 256-1024-1024-10", mlp(256, 1024, 1024, 10), [8, 8], [256]),
  problem("MLP 3072-2048-2048-2048-8", mlp(3072, 2048, 2048, 2048, 8), [16, 16], [3072]),
  problem("MLP 784-512-100", mlp(784, 512, 100), [20, 20], [784]),
  problem("MLP 784-512-100", mlp(784, 512, 100), [20, 20], [784], { compute: "trace" }),
  problem("MLP 64-256-300", mlp(64, 256, 300), [4, 4], [64]),
  problem("MLP 32-(128 ten times)-50", mlp(32, ...new Array(10).fill(128), 50), [4, 4], [32]),
  problem("MLP 32-(128 ten times)-50", mlp(32, ...new Array(10).fill(128), 50), [1, 1], [32]),
  problem("tutorial's CNN", () => new CNN(), [20, 5], [3, 32, 32]),
  problem("tutorial's CNN", () => new CNN(), [20, 5], [3, 32, 32], { compute: "trace" }),
  problem("tutorial's CNN", () => new CNN(), [2, 2], [3, 32, 32]),
  problem("tutorial's CNN, 1 output", () => new TutorialCNN(1), [40, 20], [3, 32, 32]),
  problem("tutorial's CNN, 50 outputs", () => new TutorialCNN(50), [4, 4], [3, 32, 32]),
  problem("CNN on digits", () => evaluated(new DigitsCNN()), [40, 40], [1, 8, 8]),
  problem("ResNet on digits", () => new ResNet(), [20, 20], [1, 8, 8]),
  problem("ResNet on digits", () => new ResNet(), [4, 2], [1, 8, 8]),
  problem("transformer", () => new Transformer(), [16, 16], [12], { tokens: 50 }),
  problem("transformer", () => new Transformer(), [16, 16], [12], { tokens: 50, compute: "trace" }),
  problem("LSTM 16-32-4, 12 steps", () => new Recurrent(16, 32, 4), [12, 12], [12, 16]),
  problem("LSTM 16-128-1, 12 steps", () => new Recurrent(16, 128, 1), [8, 8], [12, 16]),
  problem("embedding 5000 x 64", () => new Bag(), [32, 32], [20], { tokens: 5000 }),
  problem("token mixer, 600 outputs", () => new TokenMixer(), [2, 2], [12], { tokens: 50 }),
  problem("token mixer, 600 outputs", () => new TokenMixer(), [4, 4], [12], {
    tokens: 50,
    compute: "trace",
  }),
  problem("depthwise, 32 channels", () => depthwise(32, 10), [8, 8], [3, 32, 32]),
  problem("depthwise, 64 channels, 1 output", () => depthwise(64, 1), [16, 16], [3, 32, 32]),
  problem("image to image, 64 outputs", imageToImage, [6, 6], [1, 8, 8]),
  problem("image to image, 196 outputs", imageToImage, [2, 2], [1, 14, 14]),
  problem("image to image, 1024 outputs", imageToImage, [1, 1], [1, 32, 32]),
  problem("image to image, 196 outputs", imageToImage, [2, 2], [1, 14, 14], {
    compute: "diagonal",
  }),
];
