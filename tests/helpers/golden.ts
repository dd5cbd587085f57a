/** The golden networks: their stored parameters, examples, outputs and kernels, as tensors. */
import { assert, assertEquals } from "@std/assert";
import { type DType, type Tensor, tensor } from "../../mod.ts";
import { parseNpy } from "../../lib/npy/mod.ts";
import { models } from "../../models/mod.ts";
import { functionalCall, type Layer } from "../../lib/nn/mod.ts";

const folder = new URL("../golden/", import.meta.url);

/** A golden network with its stored parameters, in evaluation mode. */
export interface Golden {
  readonly name: string;
  readonly net: Layer;
  /** Examples along the first axis. */
  readonly x1: Tensor;
  readonly x2: Tensor;
  /** The outputs on x1, in float64. */
  readonly f1: Tensor;
  /** The kernel [N, M, O, O], in float64. */
  readonly ntk: Tensor;
}

/** The names of all golden networks. */
export const goldenNames: readonly string[] = Object.keys(models);

/** A stored array; int64 tokens become int32. */
async function read(path: string): Promise<Tensor> {
  const bytes = await Deno.readFile(new URL(path, folder));
  const header = new TextDecoder("latin1").decode(bytes.subarray(0, 128));
  if (header.includes("<i8")) return readTokens(bytes, header);
  const { data, shape, dtype } = parseNpy(bytes);
  return tensor(data as Float32Array | Float64Array, { shape, dtype: dtype as DType });
}

function readTokens(bytes: Uint8Array<ArrayBuffer>, header: string): Tensor {
  const shape = header.match(/\(([^)]*)\)/)![1].split(",").filter((s) => s.trim()).map(Number);
  const start = 10 + new DataView(bytes.buffer).getUint16(8, true);
  const words = new BigInt64Array(bytes.slice(start).buffer);
  return tensor(Int32Array.from(words, Number), { shape });
}

/** Loads a golden network; its parameters and real examples in the dtype. */
export async function loadGolden(name: string, dtype: "float32" | "float64"): Promise<Golden> {
  const state: Record<string, Tensor> = {};
  for await (const file of Deno.readDir(new URL(`${name}/params/`, folder))) {
    state[file.name.replace(/\.npy$/, "")] = await read(`${name}/params/${file.name}`);
  }
  const meta = JSON.parse(await Deno.readTextFile(new URL(`${name}/meta.json`, folder)));
  const net = models[name].create().loadStateDict(state).eval().to(dtype) as Layer;
  assertEquals(Object.keys(net.namedParameters()), meta.parameters);
  assertEquals(net.parameterCount(), meta.parameterCount);
  const [x1, x2, f1, ntk] = await Promise.all(
    ["x1", "x2", "f1", "ntk"].map((file) => read(`${name}/${file}.npy`)),
  );
  const cast = (x: Tensor): Tensor => x.isFloat ? x.to(dtype) : x;
  return { name, net, x1: cast(x1), x2: cast(x2), f1, ntk };
}

/** The network as a function of its parameters and one example. */
export function single(net: Layer): (params: Record<string, Tensor>, x: Tensor) => Tensor {
  return (params, x) => functionalCall(net, params, x.unsqueeze(0)).squeeze(0);
}

/** The largest difference over the largest expected entry. */
export async function relativeError(actual: Tensor, expected: Tensor): Promise<number> {
  assertEquals(actual.shape, expected.shape);
  const [a, b] = [await actual.data(), await expected.data()];
  let [difference, largest] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    assert(Number.isFinite(a[i]), `entry ${i} is ${a[i]}`);
    difference = Math.max(difference, Math.abs(a[i] - b[i]));
    largest = Math.max(largest, Math.abs(b[i]));
  }
  return difference / largest;
}

/** Throws unless the error is at most the tolerance. */
export async function assertNear(
  actual: Tensor,
  expected: Tensor,
  tolerance: number,
): Promise<void> {
  const error = await relativeError(actual, expected);
  assert(error <= tolerance, `error ${error} over the largest entry, expected ≤ ${tolerance}`);
}
