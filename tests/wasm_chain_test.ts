import { assert, assertEquals } from "@std/assert";
import { findChain } from "../backends/wasm/chain.ts";
import { createWasmBackend } from "../backends/wasm/mod.ts";
import { referenceBackend } from "../backends/reference/mod.ts";
import { buildProgram } from "../lib/compiler/build.ts";
import type { Kernel, LoweredProgram, View } from "../lib/compiler/kernel.ts";
import { lower } from "../lib/compiler/lower.ts";
import { simplify } from "../lib/compiler/simplify.ts";
import { realizeSync } from "../lib/core/realize.ts";
import {
  concat,
  layerNorm,
  random,
  setBackend,
  softmax,
  type Tensor,
  where,
  zeros,
} from "../mod.ts";

/** −x of a view, written to another. */
function negate(dims: readonly number[], from: View, out: View): Kernel {
  return {
    kind: "loop",
    dims,
    outerRank: dims.length,
    body: [
      { op: "load", dtype: "float32", view: from },
      { op: "neg", dtype: "float32", args: [0] },
    ],
    reduce: null,
    epilogue: [],
    out,
    mode: "set",
    dtype: "float32",
  };
}

const rows = 64;
const view = (buffer: number, strides: readonly number[], offset = 0): View => ({
  buffer,
  offset,
  strides,
});

/** A program: buffer 0 is its input, the last its output, those between are temporaries at the given bytes. */
function program(kernels: readonly Kernel[], temporaries: readonly number[]): LoweredProgram {
  const count = temporaries.length + 2;
  return {
    buffers: Array.from({ length: count }, (_, i) => ({
      dtype: "float32",
      length: rows * 16,
      role: i === 0 ? "input" : i === count - 1 ? "output" : "temporary",
    })),
    kernels,
    inputs: [0],
    outputs: [count - 1],
    arenaOffsets: [null, ...temporaries, null],
    arenaBytes: 4 * rows * 32,
  };
}

/** How many kernels the chain from the first one has. */
function chained(kernels: readonly Kernel[], temporaries: readonly number[]): number {
  return findChain(program(kernels, temporaries), 0)?.kernels.length ?? 1;
}

Deno.test("chain: kernels that keep to their rows", () => {
  const dims = [rows, 8];
  const first = negate(dims, view(0, [8, 1]), view(1, [16, 1]));
  assertEquals(chained([first, negate(dims, view(1, [16, 1]), view(2, [8, 1]))], [0]), 2);
  // Every second element, backwards within a row.
  assertEquals(chained([first, negate([rows, 4], view(1, [16, -2], 7), view(2, [4, 1]))], [0]), 2);
  // Rows that follow each other without a gap are walked as one dim.
  const dense = negate([rows * 8], view(0, [1]), view(1, [1]));
  assertEquals(chained([dense, negate(dims, view(1, [8, 1]), view(2, [16, 1]))], [0]), 2);
});

Deno.test("chain: rows of several dims", () => {
  const first = negate([rows, 8], view(0, [8, 1]), view(1, [8, 1]));
  const dims = [4, rows / 4, 8];
  // The middle dim reads the same elements, so that these rows do not follow each other evenly.
  const mixed = (from: View, out: View): Kernel => ({
    ...negate(dims, from, out),
    body: [
      { op: "load", dtype: "float32", view: from },
      { op: "load", dtype: "float32", view: view(0, [8, 0, 1]) },
      { op: "add", dtype: "float32", args: [0, 1] },
    ],
  } as Kernel);
  const even = [2 * rows, 8, 1];
  assertEquals(chained([first, mixed(view(1, even), view(2, even))], [0]), 2);
  const last = negate([rows, 8], view(1, [8, 1]), view(2, [8, 1]));
  assertEquals(chained([mixed(view(0, even), view(1, even)), last], [0]), 2);
  // Rows that are read by others as well.
  const shared = (out: View) => negate(dims, view(1, [8, 0, 1]), out);
  assertEquals(chained([first, shared(view(2, even))], [0]), 1);
});

Deno.test("chain: it ends where a row needs another", () => {
  const dims = [rows, 8];
  const first = negate(dims, view(0, [8, 1]), view(1, [8, 1]));
  const ends = (second: Kernel) => assertEquals(chained([first, second], [0]), 1);
  // The row before, a column, the same row for all, a part of the next row.
  ends(negate([rows - 1, 8], view(1, [8, 1]), view(2, [8, 1], 8)));
  ends(negate([8, rows], view(1, [1, 8]), view(2, [rows, 1])));
  ends(negate(dims, view(1, [0, 1]), view(2, [8, 1])));
  ends(negate(dims, view(1, [8, 1], 4), view(2, [8, 1])));
  // Other rows of an input are nobody's business.
  assertEquals(chained([first, negate(dims, view(0, [0, 1]), view(2, [8, 1]))], [0]), 2);
});

Deno.test("chain: temporaries in one place are the same memory", () => {
  const dims = [rows, 8];
  const kernels = (last: readonly number[]) => [
    negate(dims, view(0, [8, 1]), view(1, [8, 1])),
    negate(dims, view(1, [8, 1]), view(3, [8, 1])),
    negate(dims, view(0, [8, 1]), view(2, last)),
  ];
  assertEquals(chained(kernels([8, 1]), [0, 0]), 3);
  assertEquals(chained(kernels([16, 1]), [0, 0]), 2);
  assertEquals(chained(kernels([16, 1]), [0, 4 * rows * 8]), 3);
});

const functions: Record<string, (x: Tensor) => Tensor> = {
  softmax: (x) => softmax(x, -1),
  layerNorm: (x) => layerNorm(x, x.shape[x.shape.length - 1]),
  "softmax of a softmax": (x) => softmax(softmax(x.mul(3), -1).add(x), -1),
  "a sum over rows between": (x) => softmax(softmax(x, -1).add(x.exp().sum(0)), -1),
  "rows moved": (x) => {
    const y = softmax(x, -1);
    return softmax(concat([y.slice([1, null]), y.slice([0, 1])], 0).add(y), -1);
  },
  "rows of two dims": (x) => {
    const [m, n] = x.shape.slice(-2);
    const stacked = x.reshape([-1, 1, m, n]).broadcastTo([x.size / (m * n), 5, m, n]);
    const scaled = stacked.mul(x.reshape([-1, 1, m, n]).sum(2, { keepDims: true }).exp());
    const padded = where(stacked.greater(0), scaled.tanh(), zeros([]))
      .pad([[0, 0], [0, 0], [1, 1], [2, 1]]);
    return padded.mul(padded).sum([2, 3]).add(padded.sum([2, 3]));
  },
  "turned": (x) => softmax(softmax(x, -1).transpose(-1, -2), -1),
};

for (const [name, f] of Object.entries(functions)) {
  Deno.test(`chain: ${name}, against the reference and on more threads`, async () => {
    for (const shape of [[48, 33], [300, 7], [3, 40, 20], [17, 1]]) {
      const draws = () => random.normal(random.randomKey(1), shape);
      setBackend(referenceBackend);
      const expected = await f(draws()).data();
      const results: ArrayLike<number>[] = [];
      for (const threads of [1, 2, 3]) {
        const backend = createWasmBackend({ threads, shareAbove: 0 });
        setBackend(backend);
        backend.startThreads();
        results.push(await f(draws()).data());
        backend.stopThreads();
      }
      for (const result of results) assertEquals(result, results[0]);
      for (let i = 0; i < expected.length; i++) {
        const error = Math.abs(results[0][i] - expected[i]);
        assert(error <= 4e-6 * Math.max(1, Math.abs(expected[i])), `${shape} at ${i}: ${error}`);
      }
    }
  });
}

Deno.test("chain: softmax and layerNorm are one", () => {
  setBackend(createWasmBackend({ threads: 1 }));
  for (const name of ["softmax", "layerNorm"]) {
    const x = random.normal(random.randomKey(0), [64, 128]);
    realizeSync([x]);
    const lowered = lower(simplify(buildProgram([functions[name](x)]).program));
    assertEquals(findChain(lowered, 0)?.kernels.length, lowered.kernels.length);
  }
});
