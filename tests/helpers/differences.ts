/**
 * Derivatives checked against central differences in float64, and batching against a loop.
 *
 * Everything here takes plain functions of float64 tensors. The differences are of fourth order:
 * (8·(f(x + h) − f(x − h)) − (f(x + 2h) − f(x − 2h))) / 12h.
 */
import { jvp, realize, slice, stack, type Tensor, tensor, vjp, vmap } from "../../mod.ts";

/** A function of several tensors. */
export type TensorFunction = (...xs: Tensor[]) => Tensor;

/** Numbers in [0, 1), the same for a seed (mulberry32). */
export function randomSource(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Numbers in [−1, 1) in the shape and dtype of a floating point tensor. */
export function randomLike(x: Tensor, random: () => number): Tensor {
  const data = Float64Array.from({ length: x.size }, () => 2 * random() - 1);
  return tensor(data, { shape: x.shape, dtype: x.dtype });
}

/** What a tensor holds. */
export function numbers(x: Tensor): number[] {
  return [...x.dataSync()];
}

/** Σ a·b over all elements. */
export function inner(a: Tensor, b: Tensor): number {
  const [left, right] = [numbers(a), numbers(b)];
  return left.reduce((total, value, i) => total + value * right[i], 0);
}

/** Throws unless two lists of numbers agree; NaN agrees with NaN, and an infinity with itself. */
export function assertNear(
  actual: readonly number[],
  expected: readonly number[],
  tolerance: number,
  what: string,
): void {
  if (actual.length !== expected.length) {
    throw new Error(`${what}: ${actual.length} elements instead of ${expected.length}`);
  }
  const scale = Math.max(1, ...expected.filter(Number.isFinite).map(Math.abs));
  actual.forEach((value, i) => {
    if (Object.is(value, expected[i]) || value === expected[i]) return;
    if (Math.abs(value - expected[i]) <= tolerance * scale) return;
    throw new Error(`${what}: element ${i} is ${value}, expected ${expected[i]}`);
  });
}

/** Throws unless two tensors agree in shape, dtype and values. */
export function assertSame(
  actual: Tensor,
  expected: Tensor,
  what: string,
  tolerance = 1e-12,
): void {
  if (`${actual.dtype} ${actual.shape}` !== `${expected.dtype} ${expected.shape}`) {
    throw new Error(
      `${what}: ${actual.dtype} [${actual.shape}] instead of ${expected.dtype} [${expected.shape}]`,
    );
  }
  assertNear(numbers(actual), numbers(expected), tolerance, what);
}

/** Directional derivative of f at xs along tangents (null: that operand stays), by differences. */
export function difference(
  f: TensorFunction,
  xs: readonly Tensor[],
  tangents: readonly (Tensor | null)[],
  h = 1e-3,
): number[] {
  const at = (step: number): number[] =>
    numbers(f(...xs.map((x, i) => {
      const t = tangents[i];
      if (t === null) return x;
      const [values, directions] = [numbers(x), numbers(t)];
      const moved = Float64Array.from(values, (value, j) => value + step * directions[j]);
      return tensor(moved, { shape: x.shape, dtype: x.dtype });
    })));
  const [near, far] = [[at(h), at(-h)], [at(2 * h), at(-2 * h)]];
  return near[0].map((_, i) =>
    (8 * (near[0][i] - near[1][i]) - (far[0][i] - far[1][i])) / (12 * h)
  );
}

/** How a function is checked. */
export interface CheckOptions {
  /** Names the function in failures. */
  what: string;
  /** Relative to the largest expected entry. */
  tolerance?: number;
  /** Step of the differences. */
  step?: number;
  /** Seeds the tangents and cotangents. */
  seed?: number;
  /** Which operands are differentiated by; all that are floating point by default. */
  by?: readonly boolean[];
  /** Single elements tried in each operand's cotangent; 3 by default. */
  probes?: number;
}

/** Which operands carry derivatives. */
export function differentiable(xs: readonly Tensor[], by?: readonly boolean[]): boolean[] {
  return xs.map((x, i) => x.isFloat && (by?.[i] ?? true));
}

/** The function of the chosen operands alone. */
function holding(f: TensorFunction, xs: readonly Tensor[], chosen: readonly boolean[]) {
  return (...some: Tensor[]): Tensor => {
    let next = 0;
    return f(...xs.map((x, i) => chosen[i] ? some[next++] : x));
  };
}

/**
 * jvp against central differences, all operands moving at once and one at a time; vjp against jvp by
 * ⟨v, J·t⟩ = ⟨Jᵀ·v, t⟩, and single elements of Jᵀ·v against central differences.
 */
export function checkFirstOrder(
  f: TensorFunction,
  xs: readonly Tensor[],
  { what, tolerance = 1e-8, step = 1e-3, seed = 1, by, probes = 3 }: CheckOptions,
): void {
  const random = randomSource(seed);
  const chosen = differentiable(xs, by);
  const g = holding(f, xs, chosen);
  const free = xs.filter((_, i) => chosen[i]);
  const names = xs.map((_, i) => i).filter((i) => chosen[i]);
  if (free.length === 0) return;
  const tangents = free.map((x) => randomLike(x, random));
  const [value, moved] = jvp(g, free, tangents);
  const expected = difference(g, free, tangents, step);
  assertSame(value, f(...xs), `${what}: value under jvp`);
  assertNear(numbers(moved), expected, tolerance, `${what}: jvp against differences`);
  if (!value.isFloat) return;
  const v = randomLike(value, random);
  const [again, pull] = vjp(g, ...free);
  assertSame(again, value, `${what}: value under vjp`);
  const cotangents = pull(v) as Tensor[];
  const projected = inner(v, moved);
  const back = cotangents.reduce((total, c, i) => total + inner(c, tangents[i]), 0);
  assertNear([back], [projected], tolerance, `${what}: vjp against jvp`);
  free.forEach((x, i) => {
    const name = `operand ${names[i]}`;
    if (`${cotangents[i].shape}` !== `${x.shape}` || cotangents[i].dtype !== x.dtype) {
      throw new Error(
        `${what}: cotangent of ${name} is ${cotangents[i].dtype} [${cotangents[i].shape}]`,
      );
    }
    if (free.length > 1) {
      const alone = difference(g, free, free.map((_, j) => j === i ? tangents[j] : null), step);
      const along = alone.reduce((total, y, j) => total + y * numbers(v)[j], 0);
      const got = inner(cotangents[i], tangents[i]);
      assertNear([got], [along], tolerance, `${what}: vjp by ${name} against differences`);
    }
    for (let probe = 0; probe < Math.min(probes, x.size); probe++) {
      const at = Math.floor(random() * x.size);
      const unit = new Float64Array(x.size);
      unit[at] = 1;
      const direction = tensor(unit, { shape: x.shape, dtype: x.dtype });
      const along = difference(g, free, free.map((_, j) => j === i ? direction : null), step)
        .reduce((total, y, j) => total + y * numbers(v)[j], 0);
      const got = numbers(cotangents[i])[at];
      assertNear([got], [along], tolerance, `${what}: vjp by ${name}, element ${at}`);
    }
  });
}

/** The function's vjp as a function of its floating point operands and the cotangent, one for each operand. */
export function pullbacks(
  f: TensorFunction,
  xs: readonly Tensor[],
  by?: readonly boolean[],
): { f: TensorFunction; operands: number[]; which: number }[] {
  const chosen = differentiable(xs, by);
  const operands = xs.map((_, i) => i).filter((i) => chosen[i]);
  return operands.map((which, k) => ({
    operands,
    which,
    f: (...all: Tensor[]): Tensor => {
      const v = all[all.length - 1];
      const some = all.slice(0, -1);
      return (vjp(holding(f, some, chosen), ...some.filter((_, i) => chosen[i]))[1](v) as Tensor[])[
        k
      ];
    },
  }));
}

/** The function's jvp as a function of its operands and one tangent for each operand that is differentiated by. */
export function pushforwardOf(
  f: TensorFunction,
  xs: readonly Tensor[],
  by?: readonly boolean[],
): TensorFunction {
  const chosen = differentiable(xs, by);
  return (...all) => {
    const some = all.slice(0, xs.length);
    const g = holding(f, some, chosen);
    return jvp(g, some.filter((_, i) => chosen[i]), all.slice(xs.length))[1];
  };
}

/** Second derivatives in every order of modes: jvp and vjp of the vjp, and of the jvp, each against differences. */
export function checkSecondOrder(
  f: TensorFunction,
  xs: readonly Tensor[],
  options: CheckOptions,
): void {
  const random = randomSource((options.seed ?? 1) + 77);
  const output = f(...xs);
  const chosen = differentiable(xs, options.by);
  if (!output.isFloat || !chosen.includes(true)) return;
  const v = randomLike(output, random);
  for (const { f: pull, which } of pullbacks(f, xs, options.by)) {
    checkFirstOrder(pull, [...xs, v], {
      ...options,
      by: [...chosen, true],
      probes: 1,
      what: `${options.what}: derivative of the vjp by operand ${which}`,
    });
  }
  const tangents = xs.filter((_, i) => chosen[i]).map((x) => randomLike(x, random));
  checkFirstOrder(pushforwardOf(f, xs, options.by), [...xs, ...tangents], {
    ...options,
    by: [...chosen, ...tangents.map(() => true)],
    probes: 1,
    what: `${options.what}: derivative of the jvp`,
  });
}

/** Example `i` of a tensor that carries examples along an axis. */
export function example(x: Tensor, axis: number, i: number): Tensor {
  return slice(x, ...x.shape.map((_, at) => at === axis ? i : null));
}

/** All ways to map operands: for each null or an axis (first, middle, last), at least one not null. */
export function axisChoices(ranks: readonly number[]): (number | null)[][] {
  let choices: (number | null)[][] = [[]];
  for (const rank of ranks) {
    const axes = [...new Set([0, Math.floor(rank / 2), rank])];
    choices = choices.flatMap((list) => [null, ...axes].map((axis) => [...list, axis]));
  }
  return choices.filter((list) => list.some((axis) => axis !== null));
}

/** The operands of several examples put together: stacked along the axis, or the first example's where it is null. */
export function batchOperands(
  examples: readonly (readonly Tensor[])[],
  axes: readonly (number | null)[],
): Tensor[] {
  return axes.map((axis, i) =>
    axis === null ? examples[0][i] : stack(examples.map((xs) => xs[i]), axis)
  );
}

/** vmap of a function along the axes against a loop over the examples. */
export async function checkBatched(
  f: TensorFunction,
  operands: readonly Tensor[],
  axes: readonly (number | null)[],
  what: string,
  tolerance = 1e-12,
): Promise<void> {
  const first = axes.findIndex((axis) => axis !== null);
  const size = operands[first].shape[axes[first]!];
  const looped = Array.from({ length: size }, (_, n) =>
    f(...operands.map((x, i) => {
      const axis = axes[i];
      return axis === null ? x : example(x, axis, n);
    })));
  const expected = stack(looped);
  let mapped: Tensor;
  try {
    mapped = vmap(f, axes)(...operands);
    await realize([mapped, expected]);
  } catch (error) {
    throw new Error(`${what}: vmap over axes [${axes}] threw ${error}`, { cause: error });
  }
  assertSame(mapped, expected, `${what}: vmap over axes [${axes}]`, tolerance);
}
