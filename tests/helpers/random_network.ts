/** Random networks: random layers, ties between their weights, and expressions of parameters. */
import {
  avgPool2d,
  batchNorm,
  concat,
  conv1d,
  conv2d,
  convTranspose1d,
  convTranspose2d,
  einsum,
  groupNorm,
  layerNorm,
  maxPool1d,
  relu,
  rmsNorm,
  scaledDotProductAttention,
  softmax,
  stack,
  take,
  type Tensor,
  tensor,
  where,
} from "../../mod.ts";
import { randomSource } from "./differences.ts";

/** One layer of a random network: which, and where its choices come from. */
export interface LayerDraw {
  layer: number;
  seed: number;
}

/** An example: numbers, and tokens. */
export interface Example {
  x: Tensor;
  tokens: Tensor;
}

/** Parameters by name. */
export type Parameters = Record<string, Tensor>;

/** How many different tokens there are. */
export const tokenCount = 5;

type Shape = readonly number[];

const sizeOf = (shape: Shape): number => shape.reduce((n, k) => n * k, 1);

/** Numbers in [−1, 1), float64, that are the same in float32. */
export function drawNumbers(random: () => number, shape: Shape): Tensor {
  const data = Float64Array.from({ length: sizeOf(shape) }, () => Math.fround(2 * random() - 1));
  return tensor(data, { shape: [...shape] });
}

/** Where a network's parameters come from: made on the first call, then looked up in the order of their making. */
class Source {
  readonly made: Tensor[] = [];

  constructor(private readonly given: Parameters | null, readonly parameters: Parameters = {}) {}

  fresh(pick: Pick, shape: Shape): Tensor {
    const name = `p${this.made.length}`;
    const value = this.given === null ? drawNumbers(pick.random, shape) : this.given[name];
    // The random source moves on in the same way whether numbers are needed or not.
    if (this.given !== null) { for (let i = 0; i < sizeOf(shape); i++) pick.random(); }
    this.parameters[name] = value;
    this.made.push(value);
    return value;
  }
}

/** Choices of one layer. */
class Pick {
  readonly random: () => number;

  constructor(seed: number) {
    this.random = randomSource(seed);
  }

  below(n: number): number {
    return Math.floor(this.random() * n);
  }

  from<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }

  chance(p: number): boolean {
    return this.random() < p;
  }
}

/** A tensor's elements in another shape: some, or all of them again and again. */
function fit(w: Tensor, shape: Shape, start: number): Tensor {
  const size = sizeOf(shape);
  if (w.size === size) return w.reshape([...shape]);
  let flat = w.reshape([w.size]);
  while (flat.size < size) flat = concat([flat, flat.mul(0.7)]);
  const from = start % (flat.size - size + 1);
  return flat.slice([from, from + size]).reshape([...shape]);
}

/** Kinds of weights besides expressions. */
const [fresh, tie] = [0, -1];

/** A weight: a parameter, one that is used elsewhere too, or an expression of several. */
function weight(source: Source, pick: Pick, shape: Shape, depth = 0): Tensor {
  const make = (s: Shape): Tensor => source.fresh(pick, s);
  const inner = (s: Shape): Tensor => weight(source, pick, s, depth + 1);
  const last = shape.length - 1;
  const swapped = [...shape];
  if (last > 0) [swapped[0], swapped[last]] = [shape[last], shape[0]];
  const axis = pick.below(Math.max(1, shape.length));
  const grown = shape.map((n, i) => i === axis ? n + 1 + pick.below(2) : n);
  const kind = pick.chance(0.3) ? tie : depth > 1 || pick.chance(0.4) ? fresh : 1 + pick.below(15);
  switch (kind) {
    case tie: {
      // A tie: a parameter that there is already.
      if (source.made.length === 0) return make(shape);
      const known = pick.from(source.made);
      const same = source.made.filter((w) => `${w.shape}` === `${shape}`);
      if (same.length > 0 && pick.chance(0.7)) return pick.from(same);
      return fit(known, shape, pick.below(9));
    }
    case 1:
      return last > 0 ? inner(swapped).transpose(0, last) : inner(shape);
    case 2: {
      if (shape.length === 0) return inner([3]).slice(pick.below(3));
      const start = pick.below(grown[axis] - shape[axis] + 1);
      return inner(grown).slice(
        ...shape.map((n, i) => i === axis ? [start, start + n] as const : null),
      );
    }
    case 3: {
      if (shape.length === 0 || shape[axis] < 2) return inner(shape);
      const first = 1 + pick.below(shape[axis] - 1);
      const part = (n: number): Shape => shape.map((k, i) => i === axis ? n : k);
      return concat([inner(part(first)), inner(part(shape[axis] - first))], axis);
    }
    case 4:
      return inner(shape).mul(pick.from([0.5, -2, drawNumbers(pick.random, shape)]));
    case 5: {
      // Weight normalization.
      const v = inner(shape);
      if (shape.length < 2) return v.div(v.square().sum().add(0.1).sqrt());
      const axes = shape.map((_, i) => i).slice(1);
      const g = inner([shape[0], ...axes.map(() => 1)]);
      return v.mul(g.div(v.square().sum(axes, { keepDims: true }).add(0.1).sqrt()));
    }
    case 6: {
      if (shape.length < 2) return inner(shape);
      const rank = 1 + pick.below(2);
      const rest = sizeOf(shape.slice(1));
      return inner([shape[0], rank]).matmul(inner([rank, rest])).reshape([...shape]);
    }
    case 7:
      return inner(shape).add(inner(shape));
    case 8:
      return inner(shape).mul(inner(shape));
    case 9:
      return pick.from([(w: Tensor) => w.tanh(), (w: Tensor) => w.exp().mul(0.5)])(inner(shape));
    case 10:
      return shape.length > 0 ? inner(shape).flip(axis) : inner(shape);
    case 11: {
      if (shape.length === 0 || shape[axis] < 2) return inner(shape);
      const less = shape.map((n, i) => i === axis ? n - 1 : n);
      const low = pick.below(2);
      return inner(less).pad(shape.map((_, i) => i === axis ? [low, 1 - low] : [0, 0]));
    }
    case 12:
      return shape.length > 0
        ? inner(shape.map((n, i) => i === axis ? 1 : n)).add(inner(shape))
        : inner(shape);
    case 13: {
      if (shape.length === 0) return inner([2, 2]).sum();
      const longer = [...shape.slice(0, axis), 2, ...shape.slice(axis)];
      return inner(longer).sum(axis);
    }
    case 14: {
      // Every second entry.
      if (shape.length === 0) return inner(shape);
      const wide = shape.map((n, i) => i === axis ? 2 * n - 1 : n);
      return inner(wide).slice(
        ...shape.map((_, i) => i === axis ? [null, null, 2] as const : null),
      );
    }
    case 15: {
      if (shape.length === 0) return inner(shape);
      const rows = Array.from({ length: shape[axis] }, () => pick.below(3));
      return inner(shape.map((n, i) => i === axis ? 3 : n)).take(rows, axis);
    }
    default:
      return make(shape);
  }
}

type LayerFunction = (h: Tensor, context: Context) => Tensor | null;

interface Context {
  source: Source;
  pick: Pick;
  example: Example;
  smooth: boolean;
  w: (...shape: number[]) => Tensor;
}

/** A tensor of the given rank, axes merged or of size 1 put in. */
function ofRank(h: Tensor, rank: number): Tensor {
  if (h.rank < rank) return h.reshape([...new Array(rank - h.rank).fill(1), ...h.shape]);
  if (h.rank > rank) return h.reshape([-1, ...h.shape.slice(h.rank - rank + 1)]);
  return h;
}

const channelsOf = (pick: Pick, groups: number): number => groups * (1 + pick.below(2));

function normOf(h: Tensor, { pick, w }: Context): Tensor {
  const [channels, ...rest] = h.shape;
  const x = h.unsqueeze(0);
  switch (pick.below(4)) {
    case 0: {
      const groups = pick.from([1, channels]);
      if (channels / groups * sizeOf(rest) < 2) return h;
      const affine = { weight: w(channels), bias: w(channels) };
      return groupNorm(x, groups, affine).squeeze(0);
    }
    case 1: {
      const size = h.shape.at(-1)!;
      if (size < 2) return h;
      return layerNorm(h, [size], { weight: w(size), bias: w(size) });
    }
    case 2: {
      const size = h.shape.at(-1)!;
      return rmsNorm(h, [size], { weight: w(size) });
    }
    default:
      return batchNorm(
        x,
        drawNumbers(pick.random, [channels]),
        drawNumbers(pick.random, [channels]).square().add(0.5),
        { weight: w(channels), bias: w(channels) },
      ).squeeze(0);
  }
}

const layers: Readonly<Record<string, LayerFunction>> = {
  linear(h, { pick, w }) {
    const [inputs, outputs] = [h.shape.at(-1)!, 1 + pick.below(4)];
    const y = pick.chance(0.5)
      ? h.matmul(w(outputs, inputs).transpose())
      : h.matmul(w(inputs, outputs));
    return pick.chance(0.5) ? y.add(w(outputs)) : y;
  },
  left(h, { pick, w }) {
    const x = ofRank(h, 2);
    return w(1 + pick.below(4), x.shape[0]).matmul(x);
  },
  einsum(h, { pick, w }) {
    const x = ofRank(h, 3);
    const [a, b, c] = x.shape;
    const d = 1 + pick.below(3);
    const equation = pick.from(
      [
        ["abc,acd->abd", [a, c, d]],
        ["abc,bcd->ad", [b, c, d]],
        ["abc,ab->cb", [a, b]],
        ["abc,dab->dc", [d, a, b]],
        ["abc,cda->bd", [c, d, a]],
      ] as const,
    );
    return einsum(equation[0], x, w(...equation[1]));
  },
  conv1d(h, { pick, w }) {
    const x = ofRank(h, 2);
    const [c, length] = x.shape;
    const groups = pick.from([1, 1, ...(c % 2 === 0 ? [2] : []), c]);
    const [kernel, dilation, padding] = [1 + pick.below(3), 1 + pick.below(2), pick.below(2)];
    if ((kernel - 1) * dilation + 1 > length + 2 * padding) return null;
    const o = channelsOf(pick, groups);
    const bias = pick.chance(0.5) ? w(o) : null;
    const options = { groups, dilation, padding, stride: 1 + pick.below(2) };
    return conv1d(x.unsqueeze(0), w(o, c / groups, kernel), bias, options).squeeze(0);
  },
  conv2d(h, { pick, w }) {
    const x = ofRank(h, 3);
    const [c, ...sizes] = x.shape;
    const groups = pick.from([1, 1, c]);
    const pair = (n: number, from: number): [number, number] => [
      from + pick.below(n),
      from + pick.below(n),
    ];
    const [kernel, dilation, padding] = [pair(2, 1), pair(2, 1), pair(2, 0)];
    if (sizes.some((n, i) => (kernel[i] - 1) * dilation[i] + 1 > n + 2 * padding[i])) return null;
    const o = channelsOf(pick, groups);
    const bias = pick.chance(0.5) ? w(o) : null;
    const options = { groups, dilation, padding, stride: pair(2, 1) };
    return conv2d(x.unsqueeze(0), w(o, c / groups, ...kernel), bias, options).squeeze(0);
  },
  transposed1d(h, { pick, w }) {
    const x = ofRank(h, 2);
    const [c, length] = x.shape;
    const groups = pick.from([1, c]);
    const [kernel, stride, padding] = [1 + pick.below(3), 1 + pick.below(2), pick.below(2)];
    if ((length - 1) * stride + kernel - 2 * padding < 1) return null;
    const o = channelsOf(pick, groups);
    const bias = pick.chance(0.5) ? w(o) : null;
    const options = { groups, stride, padding };
    return convTranspose1d(x.unsqueeze(0), w(c, o / groups, kernel), bias, options).squeeze(0);
  },
  transposed2d(h, { pick, w }) {
    const x = ofRank(h, 3);
    const [c] = x.shape;
    const o = 1 + pick.below(2);
    const options = { stride: 1 + pick.below(2), dilation: 1 + pick.below(2) };
    return convTranspose2d(x.unsqueeze(0), w(c, o, 2, 1 + pick.below(2)), null, options).squeeze(0);
  },
  norm: (h, context) => normOf(ofRank(h, Math.max(2, h.rank)), context),
  embedding(h, { pick, w, example: { tokens } }) {
    const table = w(tokenCount, 1 + pick.below(3));
    const rows = pick.chance(0.5) ? table.take(tokens) : take(table, tokens);
    return pick.chance(0.5) ? rows : concat([rows.flatten(), h.flatten()]);
  },
  positions(h, { w }) {
    const x = ofRank(h, 2);
    return x.add(w(x.shape[0] + 1, x.shape[1]).slice([0, x.shape[0]]));
  },
  attention(h, { pick, w }) {
    const x = ofRank(h, 2);
    const d = x.shape[1];
    const heads = d % 2 === 0 ? pick.from([1, 2]) : 1;
    let qkv = x.matmul(w(3 * d, d).transpose());
    if (pick.chance(0.5)) qkv = qkv.add(w(3 * d));
    const split = (i: number): Tensor =>
      qkv.slice(null, [i * d, (i + 1) * d]).reshape([-1, heads, d / heads]).permute([1, 0, 2]);
    const y = scaledDotProductAttention(split(0), split(1), split(2));
    return y.permute([1, 0, 2]).reshape([-1, d]).matmul(w(d, d).transpose());
  },
  recurrence(h, { pick, w }) {
    const x = ofRank(h, 2);
    const [steps, d] = x.shape;
    const width = 1 + pick.below(3);
    const [wx, wh, b] = [w(width, d), w(width, width), w(width)];
    const states: Tensor[] = [pick.chance(0.5) ? w(width) : b.mul(0)];
    for (let t = 0; t < steps; t++) {
      states.push(wx.matmul(x.slice(t)).add(wh.matmul(states[t])).add(b).tanh());
    }
    return pick.chance(0.5) ? stack(states.slice(1)) : states[steps];
  },
  gatedCell(h, { w }) {
    // A cell with fused gates, as in an LSTM.
    const x = ofRank(h, 2);
    const [steps, d] = x.shape;
    const [wx, wh] = [w(8, d), w(8, 2)];
    let [state, cell] = [w(2), w(2)];
    for (let t = 0; t < steps; t++) {
      const gates = wx.matmul(x.slice(t)).add(wh.matmul(state));
      const [i, f, g, o] = [0, 1, 2, 3].map((k) => gates.slice([2 * k, 2 * k + 2]));
      cell = f.sigmoid().mul(cell).add(i.sigmoid().mul(g.tanh()));
      state = o.sigmoid().mul(cell.tanh());
    }
    return state;
  },
  residual(h, { w }) {
    const d = h.shape.at(-1)!;
    return h.add(h.matmul(w(d, d)).tanh());
  },
  branches(h, { pick, w }) {
    const d = h.shape.at(-1)!;
    const matrix = w(2, d);
    const branch = (): Tensor => h.matmul((pick.chance(0.5) ? matrix : w(2, d)).transpose());
    return concat([
      branch().tanh(),
      branch().sigmoid(),
      h.slice(...h.shape.map((_, i) => i === h.rank - 1 ? [0, 1] as const : null)),
    ], -1);
  },
  scale: (h, { pick, w }) => h.mul(pick.from([w(), w(...h.shape), w(h.shape.at(-1)!)])),
  shift: (h, { pick, w }) => h.add(pick.from([w(), w(...h.shape), w(h.shape.at(-1)!)])),
  power: (h, { w }) => h.square().add(0.5).pow(w(h.shape.at(-1)!)),
  selection: (h, { pick, w }) =>
    where(
      drawNumbers(pick.random, h.shape).greater(0),
      w(...h.shape),
      pick.chance(0.5) ? h : w(...h.shape).mul(h),
    ),
  severalUses: (h, { w }) => h.add(w(...h.shape)).add(w(...h.shape).mul(h)).sub(w(h.shape.at(-1)!)),
  joined: (h, { pick, w }) => concat([h.flatten(), w(1 + pick.below(3))]),
  activation(h, { pick, smooth }) {
    const kinds: ((x: Tensor) => Tensor)[] = [
      (x) => x.tanh(),
      (x) => x.sigmoid(),
      (x) => x.sin(),
      (x) => x.erf(),
      (x) => x.square(),
      (x) => x.mul(x.sigmoid()),
    ];
    const kinked: ((x: Tensor) => Tensor)[] = [relu, (x) => x.abs(), (x) => x.maximum(0.1)];
    return pick.from(smooth ? kinds : [...kinds, ...kinked])(h);
  },
  pooling(h, { pick, smooth }) {
    if (h.shape.at(-1)! < 2) return null;
    switch (pick.below(smooth ? 2 : 3)) {
      case 0:
        return h.mean(pick.below(h.rank));
      case 1: {
        const x = ofRank(h, 3);
        const options = { kernelSize: [1, 2], stride: [1, 1 + pick.below(2)] };
        return avgPool2d(x.unsqueeze(0), options as never).squeeze(0);
      }
      default:
        return maxPool1d(ofRank(h, 2).unsqueeze(0), { kernelSize: 2, stride: 1 }).squeeze(0);
    }
  },
  rearranged(h, { pick }) {
    switch (pick.below(5)) {
      case 0:
        return h.permute();
      case 1:
        return h.flatten();
      case 2:
        return h.flip(0);
      case 3:
        return h.size % 2 === 0 ? h.reshape([2, h.size / 2]) : null;
      default:
        return h.unsqueeze(pick.below(h.rank + 1));
    }
  },
  softmax: (h, { pick }) => softmax(h, pick.below(h.rank)),
  cumulative: (h, { w }) => h.add(w(h.shape.at(-1)!).cumsum(0)),
  convolvedParameter(h, { w }) {
    // The parameter is what is convolved, by a filter that the example gives.
    const x = ofRank(h, 2);
    return conv1d(w(1, 1, 4), x.slice([0, 1]).mean(1, { keepDims: true }).unsqueeze(0)).squeeze(0);
  },
};

/** The names of the layers. */
export const layerNames: readonly string[] = Object.keys(layers);

/** A random network of a few layers. */
export interface RandomNetwork {
  f(params: Parameters, example: Example): Tensor;
  params: Parameters;
}

/** The network that a list of draws describes. `smooth`: without kinks, so that differences exist. */
export function networkOf(
  draws: readonly LayerDraw[],
  one: Example,
  { smooth, outputs = 6 }: { smooth: boolean; outputs?: number },
): RandomNetwork {
  const call = (source: Source, example: Example): Tensor => {
    let h = example.x;
    for (const { layer, seed } of draws) {
      const pick = new Pick(seed);
      const w = (...shape: number[]): Tensor => weight(source, pick, shape);
      const next = layers[layerNames[layer % layerNames.length]](h, {
        source,
        pick,
        example,
        smooth,
        w,
      });
      if (next === null) continue;
      h = next;
      while (h.size > 24) h = h.mean(0);
      if (h.rank === 0) h = h.reshape([1]);
      if (h.rank > 3) h = ofRank(h, 3);
    }
    while (h.size > outputs) h = h.mean(h.rank - 1);
    // The kernel needs a parameter.
    return source.made.length === 0 ? h.add(source.fresh(new Pick(1), [])) : h;
  };
  const source = new Source(null);
  call(source, one);
  return {
    f: (params, example) => call(new Source(params), example),
    params: source.parameters,
  };
}
