/**
 * The operations and their derivatives against values computed with PyTorch in float64
 * (tests/data/operations/generate.py), on each backend.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { type BackendName, setBackend } from "../backends/registry.ts";
import type { DType } from "../lib/base/dtype.ts";
import * as core from "../lib/core/mod.ts";
import { Tensor, tensor } from "../lib/core/mod.ts";
import { vjp } from "../lib/transforms/mod.ts";

interface StoredTensor {
  readonly shape: number[];
  readonly dtype: DType;
  readonly data: (number | string)[];
}

type StoredArgument =
  | { readonly tensor: StoredTensor }
  | { readonly [key: string]: StoredArgument }
  | StoredArgument[]
  | string
  | number
  | boolean
  | null;

interface StoredCase {
  readonly name: string;
  readonly call: string;
  readonly args: StoredArgument[];
  readonly output: StoredTensor;
  readonly cotangent?: StoredTensor;
  /** Of each float tensor, null where PyTorch has none. */
  readonly gradients?: (StoredTensor | null)[];
}

const stored: StoredCase[] = JSON.parse(
  Deno.readTextFileSync(new URL("./data/operations/cases.json", import.meta.url)),
);

const functions: Record<string, unknown> = { ...core };

function load({ shape, dtype, data }: StoredTensor): Tensor {
  return tensor(data.map(Number), { shape, dtype });
}

/** The arguments with tensors in place of what was stored; float tensors are also listed. */
function decode(argument: StoredArgument, floats: Tensor[]): unknown {
  if (Array.isArray(argument)) return argument.map((entry) => decode(entry, floats));
  if (typeof argument !== "object" || argument === null) return argument;
  if ("tensor" in argument) {
    const loaded = load(argument.tensor as StoredTensor);
    if (loaded.dtype === "float64") floats.push(loaded);
    return loaded;
  }
  return Object.fromEntries(
    Object.entries(argument).map(([key, entry]) => [key, decode(entry, floats)]),
  );
}

/** The decoded arguments with the float tensors replaced, in order. */
function substitute(argument: unknown, floats: Tensor[]): unknown {
  if (Array.isArray(argument)) return argument.map((entry) => substitute(entry, floats));
  if (argument instanceof Tensor) {
    return argument.dtype === "float64" ? floats.shift() : argument;
  }
  if (typeof argument !== "object" || argument === null) return argument;
  return Object.fromEntries(
    Object.entries(argument).map(([key, entry]) => [key, substitute(entry, floats)]),
  );
}

async function compare(actual: Tensor, expected: StoredTensor, what: string): Promise<void> {
  assertEquals(actual.shape, expected.shape, what);
  assertEquals(actual.dtype, expected.dtype, what);
  const values = await actual.data();
  const largest = expected.data.map(Number).filter(Number.isFinite)
    .reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  for (const [i, wanted] of expected.data.map(Number).entries()) {
    if (Object.is(wanted, values[i] + 0)) continue;
    // Relative to the entry itself where all have a scale of their own, as the activations' do.
    const scale = expected.shape.length === 1 ? Math.abs(wanted) : largest;
    const near = Math.abs(values[i] - wanted) <= 1e-13 + 4e-13 * scale;
    assert(near, `${what}: entry ${i} is ${values[i]}, expected ${wanted}`);
  }
}

for (const backend of ["reference", "wasm"] as BackendName[]) {
  for (const { name, call, args, output, cotangent, gradients } of stored) {
    Deno.test(`${backend}: ${name}`, async () => {
      setBackend(backend);
      const floats: Tensor[] = [];
      const decoded = decode(args, floats);
      const run = (...leaves: Tensor[]): Tensor => {
        const f = functions[call] as (...args: unknown[]) => Tensor;
        return f(...substitute(decoded, leaves) as unknown[]);
      };
      if (cotangent === undefined) {
        await compare(run(...floats), output, "output");
        return;
      }
      const [result, pull] = vjp(run, ...floats);
      await compare(result, output, "output");
      const found = pull(load(cotangent));
      assertEquals(found.length, gradients!.length);
      for (const [i, gradient] of found.entries()) {
        const expected = gradients![i];
        if (expected !== null) await compare(gradient, expected, `gradient ${i}`);
      }
    });
  }
}

Deno.test("every activation passes NaN on", async () => {
  setBackend("reference");
  const names = new Set(
    stored.map(({ call }) => call).slice(0, stored.findIndex(({ call }) => call === "prelu")),
  );
  assert(names.size > 15);
  for (const name of names) {
    const f = functions[name] as (x: Tensor, ...rest: number[]) => Tensor;
    const rest = name === "threshold" ? [0.5, -7] : [];
    assert(Number.isNaN(await f(tensor([NaN]), ...rest).item()), name);
  }
});
