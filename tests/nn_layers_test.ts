/** Every layer against PyTorch in float64: results, gradients, and one example at a time. tests/data/nn/make_layers.py made the data. */
import { assert, assertEquals } from "@std/assert";
import * as nn from "../lib/nn/mod.ts";
import { type DType, type Tensor, tensor, vjp, vmap } from "../mod.ts";

interface Stored {
  shape: number[];
  dtype: DType;
  data: number[];
}

interface Case {
  name: string;
  class: string;
  args: unknown[];
  training: boolean;
  /** How far PyTorch itself can be trusted. */
  tolerance: number;
  state: Record<string, Stored>;
  inputs: Stored[];
  options: Record<string, unknown> | null;
  output: Stored;
  cotangent: Stored;
  inputGradients: Stored[];
  parameterGradients: Record<string, Stored>;
  buffers: Record<string, Stored>;
}

type Callable = nn.Module & { forward(...args: unknown[]): Tensor };

const text = await Deno.readTextFile(new URL("data/nn/layers.json", import.meta.url));
const cases: Case[] = JSON.parse(text).cases;

function load({ shape, dtype, data }: Stored): Tensor {
  return tensor(data, { shape, dtype });
}

function loadAll(stored: Record<string, Stored>): Record<string, Tensor> {
  return Object.fromEntries(Object.entries(stored).map(([name, x]) => [name, load(x)]));
}

function make(given: Case): Callable {
  const layers = nn as unknown as Record<string, new (...args: unknown[]) => Callable>;
  const net = new layers[given.class](...given.args).to("float64");
  return net.loadStateDict(loadAll(given.state)).train(given.training);
}

async function assertClose(
  actual: Tensor,
  expected: Stored,
  tolerance: number,
  what: string,
): Promise<void> {
  assertEquals(actual.shape, expected.shape, what);
  const data = await actual.data();
  const scale = expected.data.reduce((m, x) => Math.max(m, Math.abs(x)), 1);
  for (const [i, x] of expected.data.entries()) {
    const error = Math.abs(data[i] - x) / scale;
    assert(error <= tolerance, `${what}: entry ${i} is ${data[i]}, expected ${x}`);
  }
}

for (const given of cases) {
  Deno.test(`layer ${given.name}`, async () => {
    const net = make(given);
    const inputs = given.inputs.map(load);
    const params = net.namedParameters();
    const floats = inputs.filter((x) => x.isFloat);
    const f = (p: typeof params, xs: Tensor[]): Tensor => {
      let next = 0;
      const args = inputs.map((x) => x.isFloat ? xs[next++] : x);
      return nn.functionalCall(net, p, ...args, ...given.options === null ? [] : [given.options]);
    };
    const [output, pull] = vjp(f, params, floats);
    await assertClose(output, given.output, given.tolerance, "result");
    const [ofParams, ofInputs] = pull(load(given.cotangent));
    for (const [i, x] of given.inputGradients.entries()) {
      await assertClose(ofInputs[i], x, given.tolerance, `gradient of input ${i}`);
    }
    assertEquals(Object.keys(ofParams), Object.keys(given.parameterGradients));
    for (const [name, x] of Object.entries(given.parameterGradients)) {
      await assertClose(ofParams[name], x, given.tolerance, `gradient of ${name}`);
    }
    const buffers = net.namedBuffers();
    assertEquals(Object.keys(buffers), Object.keys(given.buffers));
    for (const [name, x] of Object.entries(given.buffers)) {
      await assertClose(buffers[name], x, given.tolerance, `buffer ${name}`);
    }
  });
}

/** Whether axis 0 of all inputs holds examples that do not see each other. */
function isBatched({ name, inputs, training }: Case): boolean {
  if (training || /one example|running statistics|Softmax\(0\)|Attention$/.test(name)) return false;
  return inputs.every(({ shape }) => shape.length > 1);
}

for (const given of cases.filter(isBatched)) {
  Deno.test(`layer ${given.name}, one example at a time`, async () => {
    const net = make(given);
    const single = (...xs: Tensor[]): Tensor => {
      const args: unknown[] = xs.map((x) => x.unsqueeze(0));
      return net.forward(...args, ...given.options === null ? [] : [given.options]).squeeze(0);
    };
    await assertClose(
      vmap(single)(...given.inputs.map(load)),
      given.output,
      given.tolerance,
      "result",
    );
  });
}

Deno.test("the data has every layer but those made of others or of chance", () => {
  const tested = new Set(cases.map((given) => given.class));
  const untested = Object.entries(nn).filter(([name, value]) =>
    typeof value === "function" && value.prototype instanceof nn.Module && !tested.has(name)
  );
  assertEquals(untested.map(([name]) => name).sort(), [
    "BatchNormLayer",
    "ConvLayer",
    "ConvTransposeLayer",
    "Dropout",
    "InstanceNormLayer",
    "Sequential",
  ]);
});
