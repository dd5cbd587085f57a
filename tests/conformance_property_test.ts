/**
 * Random chains of views against functions of indices: element i of a view is an element of what it views, so a chain
 * is a composition of functions, with no strides anywhere.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { referenceBackend } from "../backends/reference/mod.ts";
import { createWasmBackend } from "../backends/wasm/mod.ts";
import type { Backend } from "../lib/compiler/backend.ts";
import { Draft } from "./helpers/conformance_draft.ts";
import { firstMismatch, runProgram } from "./helpers/conformance_run.ts";
import { randomProgram } from "./helpers/random_program.ts";

/** A tensor as a function of its index. */
interface Model {
  readonly shape: readonly number[];
  readonly at: (index: readonly number[]) => number;
}

/** A value of a program, and what it should be. */
interface Tracked {
  readonly value: number;
  readonly model: Model;
}

/** One step of a chain; `choices` are whole numbers that it turns into parameters that fit the shape. */
type Step = (draft: Draft, x: Tracked, choices: readonly number[]) => Tracked;

/** The position of an index in row-major order. */
function ravel(index: readonly number[], shape: readonly number[]): number {
  return index.reduce((position, i, axis) => position * shape[axis] + i, 0);
}

/** The index at a position in row-major order. */
function unravel(position: number, shape: readonly number[]): number[] {
  const index = shape.map(() => 0);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index[axis] = position % shape[axis];
    position = Math.floor(position / shape[axis]);
  }
  return index;
}

const product = (shape: readonly number[]): number => shape.reduce((n, m) => n * m, 1);

const steps: { readonly [name: string]: Step } = {
  permute: (draft, { value, model: { shape, at } }, choices) => {
    const permutation = shape.map((_, axis) => axis)
      .sort((a, b) => choices[a] - choices[b] || a - b);
    return {
      value: draft.add("permute", { permutation }, value),
      model: {
        shape: permutation.map((axis) => shape[axis]),
        at: (index) => {
          const source = shape.map(() => 0);
          permutation.forEach((axis, d) => source[axis] = index[d]);
          return at(source);
        },
      },
    };
  },

  flip: (draft, { value, model: { shape, at } }, choices) => {
    const axes = shape.map((_, axis) => axis).filter((axis) => choices[axis] % 2 === 1);
    return {
      value: draft.add("flip", { axes }, value),
      model: {
        shape,
        at: (index) => at(index.map((i, d) => axes.includes(d) ? shape[d] - 1 - i : i)),
      },
    };
  },

  slice: (draft, { value, model: { shape, at } }, choices) => {
    const start = shape.map((n, d) => choices[d] % (Math.min(n, 2) + 1));
    const step = shape.map((_, d) => 1 + choices[d + 1] % 3);
    const limit = shape.map((n, d) => Math.max(start[d], n - choices[d + 2] % 2));
    return {
      value: draft.add("slice", { start, limit, step }, value),
      model: {
        shape: start.map((from, d) => {
          let count = 0;
          for (let i = from; i < limit[d]; i += step[d]) count++;
          return count;
        }),
        at: (index) => at(index.map((i, d) => start[d] + i * step[d])),
      },
    };
  },

  broadcast: (draft, { value, model: { shape, at } }, choices) => {
    const wide = shape.map((n, d) => n === 1 && d < 3 ? choices[d] % 4 : n);
    return {
      value: draft.add("broadcast", { shape: wide }, value),
      model: { shape: wide, at: (index) => at(index.map((i, d) => shape[d] === 1 ? 0 : i)) },
    };
  },

  reshape: (draft, { value, model: { shape, at } }, choices) => {
    // Joins all axes, and splits off a divisor, in either order.
    const size = product(shape);
    const divisors = Array.from({ length: 6 }, (_, i) => i + 1).filter((n) => size % n === 0);
    const divisor = divisors[choices[0] % divisors.length];
    const parts = [divisor, size / divisor];
    const target = choices[1] % 2 === 0 ? parts : [1, ...parts.reverse()];
    return {
      value: draft.add("reshape", { shape: target }, value),
      model: { shape: target, at: (index) => at(unravel(ravel(index, target), shape)) },
    };
  },

  pad: (draft, { value, model: { shape, at } }, choices) => {
    // Two axes at most, so that the result stays small.
    const some = (d: number, n: number) => d < 2 ? n : 0;
    const low = shape.map((_, d) => some(d, choices[d] % 3));
    const high = shape.map((_, d) => some(d, choices[d + 1] % 2));
    const interior = shape.map((_, d) => some(d, choices[d + 2] % 3));
    const fill = -7;
    return {
      value: draft.add("pad", { low, high, interior, value: fill }, value),
      model: {
        shape: shape.map((n, d) => {
          const between = n > 1 ? (n - 1) * interior[d] : 0;
          return low[d] + n + between + high[d];
        }),
        at: (index) => {
          const source = index.map((i, d) => (i - low[d]) / (interior[d] + 1));
          const inside = source.every((i, d) => Number.isInteger(i) && i >= 0 && i < shape[d]);
          return inside ? at(source) : fill;
        },
      },
    };
  },

  patches: (draft, { value, model: { shape, at } }, choices) => {
    const count = Math.min(shape.length, 1 + choices[0] % 2);
    const leading = shape.length - count;
    const sizes = shape.slice(leading);
    if (count === 0 || sizes.includes(0)) return { value, model: { shape, at } };
    const kernel = sizes.map((n, d) => 1 + choices[d + 1] % Math.min(n, 3));
    const dilation = sizes.map((n, d) => kernel[d] === 1 || (kernel[d] - 1) * 2 >= n ? 1 : 2);
    const strides = sizes.map((_, d) => 1 + choices[d + 3] % 2);
    const places = sizes.map((n, d) =>
      Math.floor((n - (kernel[d] - 1) * dilation[d] - 1) / strides[d]) + 1
    );
    return {
      value: draft.add("patches", { kernel, strides, dilation }, value),
      model: {
        shape: [...shape.slice(0, leading), ...kernel, ...places],
        at: (index) => {
          const tap = index.slice(leading, leading + count);
          const place = index.slice(leading + count);
          const moved = tap.map((k, d) => place[d] * strides[d] + k * dilation[d]);
          return at([...index.slice(0, leading), ...moved]);
        },
      },
    };
  },

  concat: (draft, { value, model: { shape, at } }, choices) => {
    if (shape.length === 0) return { value, model: { shape, at } };
    const axis = choices[0] % shape.length;
    const joined = [...shape];
    joined[axis] = 2 * shape[axis];
    return {
      value: draft.add("concat", { axis }, value, value),
      model: {
        shape: joined,
        at: (index) => at(index.map((i, d) => d === axis && i >= shape[d] ? i - shape[d] : i)),
      },
    };
  },
};

/** Input shape, and the steps with their choices. */
const chain = fc.record({
  shape: fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 4 }),
  steps: fc.array(
    fc.tuple(
      fc.constantFrom(...Object.keys(steps)),
      fc.array(fc.nat(11), { minLength: 12, maxLength: 12 }),
    ),
    { maxLength: 7 },
  ),
});

type Chain = typeof chain extends fc.Arbitrary<infer T> ? T : never;

/** The chain on an input that counts 1, 2, 3, …; steps that would make it too large are left out. */
function apply(draft: Draft, { shape, steps: chosen }: Chain): Tracked {
  const data = Float32Array.from({ length: product(shape) }, (_, i) => i + 1);
  let x: Tracked = {
    value: draft.data(shape, "float32", data),
    model: { shape, at: (index) => data[ravel(index, shape)] },
  };
  for (const [name, choices] of chosen) {
    if (x.model.shape.length <= 5 && product(x.model.shape) <= 600) {
      x = steps[name](draft, x, choices);
    }
  }
  return x;
}

/** All elements of a model. */
function elements({ shape, at }: Model): Float32Array {
  return Float32Array.from({ length: product(shape) }, (_, i) => at(unravel(i, shape)));
}

/** Some values of a draft, computed by a backend. */
async function runDraft(
  backend: Backend,
  draft: Draft,
  ...outputs: number[]
): Promise<Float32Array[]> {
  const { program, inputs } = draft.finish("views", { kind: "exact" }, ...outputs);
  const results = await runProgram(backend, program, inputs);
  return results.map(({ data }) => data as Float32Array);
}

const wasm = createWasmBackend({ threads: 2 });
const backends: readonly Backend[] = [referenceBackend, wasm];

for (const backend of backends) {
  Deno.test(`${backend.name}: chains of views are compositions of index functions`, async () => {
    await fc.assert(
      fc.asyncProperty(chain, async (description) => {
        const draft = new Draft("chain");
        const { value, model } = apply(draft, description);
        assertEquals(draft.type(value).shape, [...model.shape]);
        const [got] = await runDraft(backend, draft, value);
        const mismatch = firstMismatch(got, elements(model), { kind: "exact" });
        assert(mismatch === null, mismatch ?? "");
      }),
      { numRuns: 400 },
    );
  });

  Deno.test(`${backend.name}: arithmetic and sums see through chains of views`, async () => {
    await fc.assert(
      fc.asyncProperty(chain, fc.nat(30), async (description, choice) => {
        const draft = new Draft("chain");
        const { value, model } = apply(draft, description);
        const flipped = steps.flip(draft, { value, model }, model.shape.map((_, d) => choice >> d));
        const sum = draft.add("add", {}, value, flipped.value);
        const axes = model.shape.map((_, axis) => axis).filter((axis) =>
          (choice >> axis) % 2 === 0
        );
        const total = draft.add("reduceSum", { axes }, sum);
        const [gotSum, gotTotal] = await runDraft(backend, draft, sum, total);

        const other = elements(flipped.model);
        const expected = elements(model).map((x, i) => x + other[i]);
        const kept = model.shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
        const keptShape = kept.map((axis) => model.shape[axis]);
        const totals = new Float32Array(product(keptShape));
        expected.forEach((x, i) => {
          const index = unravel(i, model.shape);
          totals[ravel(kept.map((axis) => index[axis]), keptShape)] += x;
        });
        // Small whole numbers: float32 adds them exactly in any order.
        for (const [got, want] of [[gotSum, expected], [gotTotal, totals]]) {
          const mismatch = firstMismatch(got, want, { kind: "exact" });
          assert(mismatch === null, mismatch ?? "");
        }
      }),
      { numRuns: 300 },
    );
  });
}

Deno.test("wasm: random programs give what the reference backend gives", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(1_000_000), fc.integer({ min: 2, max: 40 }), async (seed, length) => {
      const { program, inputs } = randomProgram(seed, length);
      const data = inputs.map((values) => ({ data: values, dtype: "float64" as const }));
      const expected = await runProgram(referenceBackend, program, data);
      const results = await runProgram(wasm, program, data);
      results.forEach((result, i) => {
        const tolerance = { kind: "scale" as const, factor: 1e5 };
        const mismatch = firstMismatch(result.data, expected[i].data, tolerance);
        assert(mismatch === null, `output ${i}: ${mismatch}`);
      });
    }),
    { numRuns: 300 },
  );
});
