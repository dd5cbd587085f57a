/**
 * Random functions under random nests of transforms.
 *
 * The outermost transform of a nest is compared with a loop or with central differences of the function under it, which
 * has the rest of the nest applied by the library. Nests of every length are drawn, so each layer is checked in turn.
 */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import {
  concat,
  einsum,
  grad,
  hessian,
  jacfwd,
  jacrev,
  jvp,
  linearize,
  logsumexp,
  matmul,
  softmax,
  stack,
  type Tensor,
  tensor,
  vjp,
  vmap,
} from "../mod.ts";
import {
  assertNear,
  assertSame,
  difference,
  example,
  numbers,
  randomLike,
  randomSource,
} from "./helpers/differences.ts";

type Fn = (x: Tensor) => Tensor;

/** One operation of a random function: which, on which earlier results, along which axis. */
interface Draw {
  op: number;
  a: number;
  b: number;
  axis: number;
}

const draw: fc.Arbitrary<Draw> = fc.record({
  op: fc.nat(999),
  a: fc.nat(99),
  b: fc.nat(99),
  axis: fc.nat(9),
});

function broadcasts(a: Tensor, b: Tensor): boolean {
  const n = Math.min(a.rank, b.rank);
  return Array.from({ length: n }, (_, i) => [a.shape.at(-1 - i)!, b.shape.at(-1 - i)!])
    .every(([p, q]) => p === q || p === 1 || q === 1);
}

const constant = (shape: readonly number[], seed: number): Tensor => {
  const random = randomSource(seed);
  const size = shape.reduce((n, k) => n * k, 1);
  return tensor(Float64Array.from({ length: size }, () => 2 * random() - 1), {
    shape: [...shape],
    dtype: "float64",
  });
};

/** Smooth operations for operands of any shape; those with an axis are given one that is there. */
const everywhere: readonly ((a: Tensor, b: Tensor, seed: number) => Tensor)[] = [
  (a) => a.sin(),
  (a) => a.tanh(),
  (a) => a.mul(a).neg().exp(),
  (a) => a.mul(a).add(1).sqrt(),
  (a) => a.sigmoid().log(),
  (a) => a.div(a.mul(a).add(2)),
  (a, b) => broadcasts(a, b) ? a.mul(b) : a.mul(0.5),
  (a, b) => broadcasts(a, b) ? a.add(b.cos()) : a.sub(b.mean()),
  (a, b) => broadcasts(a, b) ? a.sub(b).erf() : a.erf(),
  (a, _, seed) => a.mul(constant(a.shape, seed)),
  (a, b, seed) => {
    const mask = constant(a.shape, seed).greater(0);
    return broadcasts(a, b) ? mask.to("float64").mul(a).add(b) : a.mul(mask.to("float64"));
  },
  (a) => a.unsqueeze(0),
  (a) => a.permute(),
  (a) => a.reshape([a.size]),
  (a) => a.mean(),
];
const alongAxis: readonly ((a: Tensor, axis: number) => Tensor)[] = [
  (a, axis) => a.sum(axis),
  (a, axis) => a.sum(axis, { keepDims: true }),
  (a, axis) => softmax(a, axis),
  (a, axis) => logsumexp(a, axis, { keepDims: true }),
  (a, axis) => a.cumsum(axis),
  (a, axis) => a.flip(axis),
  (a, axis) => concat([a, a.mul(0.5)], axis),
  (a, axis) => a.slice(...a.shape.map((_, i) => i === axis ? [null, null, 2] as const : null)),
  (a, axis) => a.take([0, -1, 0], axis),
  (a, axis) => stack([a, a.sin()], axis),
  (a, axis) => a.prod(axis),
  (a, axis) => a.slice(...a.shape.map((_, i) => i === axis ? 0 : null)),
];
const matrices: readonly ((a: Tensor) => Tensor)[] = [
  (a) => matmul(a, a.transpose()).mul(0.5),
  (a) => einsum("...ij,...kj->...ik", a, a.sin()),
  (a) => a.transpose(),
];

/** The function that a list of draws describes. */
function functionOf(draws: readonly Draw[]): Fn {
  return (x) => {
    const results = [x];
    draws.forEach(({ op, a, b, axis }, i) => {
      const [p, q] = [results[a % results.length], results[b % results.length]];
      const kinds = p.rank === 0 ? 1 : p.rank === 1 ? 2 : 3;
      const kind = op % kinds;
      const which = Math.floor(op / kinds);
      let y = kind === 0
        ? everywhere[which % everywhere.length](p, q, i)
        : kind === 1
        ? alongAxis[which % alongAxis.length](p, axis % p.rank)
        : matrices[which % matrices.length](p);
      while (y.size > 24) y = y.mean(0);
      if (y.rank > 4) y = y.reshape([-1, ...y.shape.slice(-2)]);
      results.push(y);
    });
    return results[results.length - 1];
  };
}

/** A layer of a nest: what it makes of a function, and how to compute that without it. */
interface Layer {
  name: string;
  /** Shape of the argument, from that of the inner function. */
  outer(shape: readonly number[]): readonly number[];
  apply(f: Fn): Fn;
  /** The values at x, with nothing but calls of f. */
  expect(f: Fn, x: Tensor): number[];
}

const keep = (shape: readonly number[]): readonly number[] => shape;
const units = (x: Tensor): Tensor[] =>
  Array.from({ length: x.size }, (_, i) => {
    const data = new Float64Array(x.size);
    data[i] = 1;
    return tensor(data, { shape: x.shape, dtype: "float64" });
  });

/** The Jacobian, row-major, by differences. */
function jacobian(f: Fn, x: Tensor): number[] {
  const columns = units(x).map((unit) => difference(f, [x], [unit]));
  const rows = f(x).size;
  return Array.from({ length: rows }, (_, i) => columns.map((column) => column[i])).flat();
}

const layers: readonly ((n: number) => Layer)[] = [
  (n) => {
    const place = (rank: number): number => n % (rank + 1);
    return {
      name: "vmap",
      outer: (shape) => shape.toSpliced(place(shape.length), 0, 2),
      apply: (f) => (x) => vmap(f, place(x.rank - 1))(x),
      expect: (f, x) => numbers(stack([0, 1].map((i) => f(example(x, place(x.rank - 1), i))))),
    };
  },
  () => ({ name: "jacrev", outer: keep, apply: (f) => jacrev(f), expect: jacobian }),
  () => ({ name: "jacfwd", outer: keep, apply: (f) => jacfwd(f), expect: jacobian }),
  (n) => ({
    name: "jvp",
    outer: keep,
    apply: (f) => (x) => jvp(f, [x], [randomLike(x, randomSource(n))])[1],
    expect: (f, x) => difference(f, [x], [randomLike(x, randomSource(n))]),
  }),
  (n) => ({
    name: "linearize",
    outer: keep,
    apply: (f) => (x) => linearize(f, x)[1](randomLike(x, randomSource(n))),
    expect: (f, x) => difference(f, [x], [randomLike(x, randomSource(n))]),
  }),
  (n) => ({
    name: "vjp",
    outer: keep,
    apply: (f) => (x) => {
      const [y, pull] = vjp(f, x);
      return pull(constant(y.shape, n))[0];
    },
    expect: (f, x) => {
      const v = numbers(constant(f(x).shape, n));
      return units(x).map((unit) =>
        difference(f, [x], [unit]).reduce((total, d, i) => total + d * v[i], 0)
      );
    },
  }),
  () => ({
    name: "grad",
    outer: keep,
    apply: (f) => grad((x: Tensor) => f(x).sum()),
    expect: (f, x) =>
      units(x).map((unit) => difference(f, [x], [unit]).reduce((total, d) => total + d, 0)),
  }),
];

const shapes = fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 })
  .filter((shape) => shape.reduce((n, k) => n * k, 1) <= 6);
const nests = fc.array(fc.record({ layer: fc.nat(layers.length - 1), n: fc.nat(9) }), {
  minLength: 1,
  maxLength: 3,
});

Deno.test("nests of transforms agree with loops and differences of what is under them", () => {
  fc.assert(
    fc.property(
      shapes,
      fc.array(draw, { minLength: 1, maxLength: 6 }),
      nests,
      fc.nat(1000),
      (shape, draws, nest, seed) => {
        let f = functionOf(draws);
        let under = f;
        let at: readonly number[] = shape;
        const chosen = nest.map(({ layer, n }) => layers[layer](n));
        for (const layer of chosen) {
          at = layer.outer(at);
          under = f;
          f = layer.apply(f);
        }
        const x = constant(at, seed);
        const outermost = chosen[chosen.length - 1];
        const label = chosen.map(({ name }) => name).reverse().join("∘");
        assertNear(numbers(f(x)), outermost.expect(under, x), 1e-6, label);
      },
    ),
    { numRuns: 150 },
  );
});

Deno.test("vmap agrees with a loop, whatever is mapped, nested either way", () => {
  fc.assert(
    fc.property(
      shapes,
      fc.array(draw, { minLength: 1, maxLength: 6 }),
      fc.array(draw, { minLength: 1, maxLength: 4 }),
      fc.tuple(fc.nat(4), fc.nat(4), fc.nat(4)),
      (shape, first, second, [i, j, k]) => {
        const [p, q] = [functionOf(first), functionOf(second)];
        // Two arguments of one shape, each of which is used alone and together.
        const f = (x: Tensor, y: Tensor): Tensor => p(x.mul(y).add(p(x).mean())).mul(q(y).mean());
        const [a, b] = [i % (shape.length + 1), j % (shape.length + 1)];
        const xs = constant(shape.toSpliced(a, 0, 3), 1);
        const ys = constant(shape.toSpliced(b, 0, 2), 2);
        const out = k % (f(example(xs, a, 0), example(ys, b, 0)).rank + 1);
        const pairs = stack(
          [0, 1].map((m) =>
            stack([0, 1, 2].map((n) => f(example(xs, a, n), example(ys, b, m))), out)
          ),
        );
        const inside = (x: Tensor, y: Tensor): Tensor => vmap(f, [a, null], out)(x, y);
        assertSame(vmap(inside, [null, b])(xs, ys), pairs, "y outside", 1e-10);
        const other = (x: Tensor, y: Tensor): Tensor => vmap(f, [null, b])(x, y);
        assertSame(vmap(other, [a, null], out + 1)(xs, ys), pairs, "x outside", 1e-10);
      },
    ),
    { numRuns: 60 },
  );
});

Deno.test("laws: both Jacobians agree, the Hessian is symmetric, vjp is the transpose of jvp", () => {
  fc.assert(
    fc.property(shapes, fc.array(draw, { minLength: 1, maxLength: 7 }), (shape, draws) => {
      const f = functionOf(draws);
      const x = constant(shape, 3);
      const reverse = jacrev(f)(x);
      assertSame(jacfwd(f)(x), reverse, "jacfwd against jacrev", 1e-10);
      const h = hessian((x: Tensor) => f(x).sum())(x);
      const n = x.size;
      assertEquals(h.shape, [...shape, ...shape]);
      assertSame(h.reshape([n, n]).transpose(), h.reshape([n, n]), "symmetry", 1e-10);
      const [y, moved] = jvp(f, [x], [constant(shape, 4)]);
      const v = constant(y.shape, 5);
      const back = vjp(f, x)[1](v)[0];
      assertNear(
        numbers(v.mul(moved).sum()),
        numbers(back.mul(constant(shape, 4)).sum()),
        1e-10,
        "transpose",
      );
    }),
    { numRuns: 60 },
  );
});
