/**
 * What goes wrong on a device becomes an error that says so, and the next call works.
 *
 * @module
 */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  ArgumentError,
  BackendError,
  DeviceLostError,
  OutOfMemoryError,
  setBackend,
  tensor,
} from "../mod.ts";
import type { WebgpuBackend } from "../backends/webgpu/mod.ts";
import { ProgramBuilder } from "./helpers/conformance_builder.ts";
import { adapterSource, deviceWithoutMemory, realDevice } from "./helpers/fake_gpu.ts";
import { assertLevel, kernelBytes, loop } from "./helpers/memory_level.ts";
import { newWebgpuBackend, webgpuBackend } from "./helpers/webgpu.ts";

const ignore = await webgpuBackend() === null;

/** Runs with a backend, and goes back to the CPU. */
async function computing(backend: WebgpuBackend, body: () => Promise<void>): Promise<void> {
  await setBackend(backend);
  try {
    await body();
  } finally {
    await setBackend("wasm");
  }
}

/** A program of one operation on n floats. */
function unary(primitive: "exp" | "neg", n: number) {
  const builder = new ProgramBuilder();
  const x = builder.input([n], "float32");
  return builder.build(builder.add(primitive, {}, x));
}

Deno.test({ name: "webgpu: a device that is lost in the middle", ignore }, async () => {
  const source = adapterSource((adapter, descriptor) => adapter.requestDevice(descriptor));
  const backend = await newWebgpuBackend({ gpu: source });
  await computing(backend, async () => {
    const data = tensor([1, 2, 3]);
    const before = data.mul(2);
    assertEquals(await before.toArray(), [2, 4, 6]);
    const during = data.exp();
    const reading = during.data();
    source.devices[0].destroy();
    const error = await assertRejects(() => reading, DeviceLostError, "lost while reading 3");
    assert(error instanceof BackendError);
    // Data are uploaded again to a new device; what was computed is gone, and says so.
    assertEquals(await data.add(1).toArray(), [2, 3, 4]);
    assertEquals(source.devices.length, 2);
    await assertRejects(() => before.add(1).data(), BackendError, "compute it again");
    await assertRejects(() => before.data(), DeviceLostError, "lost");
    assertEquals(await data.mul(2).add(1).toArray(), [3, 5, 7]);
  });
});

Deno.test({ name: "webgpu: programs compiled before a loss run after it", ignore }, async () => {
  const source = adapterSource((adapter, descriptor) => adapter.requestDevice(descriptor));
  const backend = await newWebgpuBackend({ gpu: source });
  const executable = backend.compile(unary("neg", 3));
  const old = backend.upload(Float32Array.of(1, 2, 3), "float32");
  source.devices[0].destroy();
  await assertRejects(() => backend.synchronize!(), DeviceLostError, "lost while computing");
  assertThrows(() => executable.run([old]), DeviceLostError, "upload or compute them again");
  assertThrows(() => backend.gpuBufferOf(old), DeviceLostError);
  assertEquals(old.lost, true);
  const x = backend.upload(Float32Array.of(1, 2, 3), "float32");
  const [y] = executable.run([x]);
  assertEquals(await backend.read(y), Float32Array.of(-1, -2, -3));
});

Deno.test({ name: "webgpu: a lost device that has no successor", ignore }, async () => {
  let left = 1;
  const source = adapterSource((adapter, descriptor) =>
    left-- > 0 ? adapter.requestDevice(descriptor) : Promise.reject(new Error("no more devices"))
  );
  const backend = await newWebgpuBackend({ gpu: source });
  source.devices[0].destroy();
  await assertRejects(() => backend.synchronize!(), DeviceLostError, "no more devices");
  assertThrows(() => backend.upload(new Float32Array(1), "float32"), DeviceLostError, "uploading");

  const device = await realDevice();
  const given = await newWebgpuBackend({ device });
  device.destroy();
  await assertRejects(() => given.synchronize!(), DeviceLostError, "given from outside");
});

Deno.test({ name: "webgpu: no memory on the device", ignore }, async () => {
  const backend = await newWebgpuBackend({ device: await deviceWithoutMemory(1 << 20) });
  const x = backend.upload(new Float32Array(1000).fill(2), "float32");
  const big = new ProgramBuilder();
  const row = big.input([1000], "float32");
  const square = big.add(
    "dotGeneral",
    { lhsBatch: [], rhsBatch: [], lhsContract: [], rhsContract: [] },
    row,
    row,
  );
  const [y] = backend.compile(big.build(square)).run([x]);
  const error = await assertRejects(() => backend.read(y), OutOfMemoryError, "no memory for");
  assert(error.message.includes("[1000, 1000]"), error.message);
  y.dispose();
  // What builds on it fails as well, and what does not is right.
  const [z] = backend.compile(unary("neg", 1000)).run([x]);
  assertEquals(await backend.read(z), new Float32Array(1000).fill(-2));
  await backend.synchronize!();
});

Deno.test(
  { name: "webgpu: an error that nobody read is told by synchronize, once", ignore },
  async () => {
    const backend = await newWebgpuBackend({ device: await deviceWithoutMemory(1 << 20) });
    backend.upload(new Float32Array(1 << 20), "float32");
    await assertRejects(() => backend.synchronize!(), OutOfMemoryError, "uploading 1048576");
    await backend.synchronize!();
  },
);

Deno.test({ name: "webgpu: more memory than is allowed", ignore }, async () => {
  const backend = await newWebgpuBackend({ maximumMemory: 1 << 20 });
  const x = backend.upload(new Float32Array(1 << 17), "float32");
  const executable = backend.compile(unary("neg", 1 << 17));
  const [y] = executable.run([x]);
  assertThrows(() => executable.run([y]), OutOfMemoryError, "neg of [131072]");
  // What is not used makes room.
  x.dispose();
  const [z] = executable.run([y]);
  y.dispose();
  z.dispose();
  backend.upload(new Float32Array(1 << 18), "float32").dispose();
  assertEquals(backend.memory().used, 0);
});

Deno.test({ name: "webgpu: an adapter that refuses its limits", ignore }, async () => {
  let refusals = 0;
  const source = adapterSource((adapter, descriptor) => {
    if (descriptor?.requiredLimits === undefined) return adapter.requestDevice();
    refusals++;
    return Promise.reject(new DOMException("limits not supported", "OperationError"));
  });
  const backend = await newWebgpuBackend({ gpu: source });
  assertEquals(refusals, 1);
  assertEquals(backend.device.limits.maxStorageBuffersPerShaderStage, 8);
  await computing(backend, async () => assertEquals(await tensor([1, 2]).sum().item(), 3));

  const never = adapterSource(() => Promise.reject(new Error("not today")));
  await assertRejects(() => newWebgpuBackend({ gpu: never }), BackendError, "not today");
});

Deno.test("webgpu: no adapter, no WebGPU, and options that do not exist", async () => {
  const none = { requestAdapter: () => Promise.resolve(null) };
  await assertRejects(() => newWebgpuBackend({ gpu: none }), BackendError, 'setBackend("wasm")');
  await assertRejects(
    () => newWebgpuBackend({ gpu: none, adapter: "hardware" }),
    BackendError,
    "no hardware adapter",
  );
  await assertRejects(
    () => newWebgpuBackend({ adapter: "best" as "any" }),
    ArgumentError,
    '"best"; expected one of any',
  );
  await assertRejects(
    () => newWebgpuBackend({ powerPreference: "most" as "low-power" }),
    ArgumentError,
    "powerPreference",
  );
  await assertRejects(() => newWebgpuBackend({ maximumMemory: 0 }), ArgumentError, "maximumMemory");
});

Deno.test({ name: "webgpu: software and hardware adapters are told apart", ignore }, async () => {
  const { adapter } = await newWebgpuBackend();
  const [same, other] = adapter.software
    ? ["software", "hardware"] as const
    : ["hardware", "software"] as const;
  const found = await newWebgpuBackend({ adapter: same });
  assertEquals(found.adapter, adapter);
  if (other === "hardware") {
    await assertRejects(() => newWebgpuBackend({ adapter: other }), BackendError, adapter.name);
  }
});

Deno.test({ name: "webgpu: readbacks that are never awaited", ignore }, async () => {
  const backend = await newWebgpuBackend();
  const x = backend.upload(new Float32Array(1 << 16).fill(1), "float32");
  const executable = backend.compile(unary("neg", 1 << 16));
  for (let i = 0; i < 50; i++) {
    const [y] = executable.run([x]);
    void backend.read(y);
    y.dispose();
  }
  const [y] = executable.run([x]);
  assertEquals((await backend.read(y))[77], -1);
  y.dispose();
  x.dispose();
  assertEquals(backend.memory().used, 0);
});

Deno.test(
  { name: "webgpu: 200 kernels, never disposed of, hold their memory", ignore },
  async () => {
    const run = await loop("structured-derivatives", 200, 64, "drop", "webgpu");
    assertLevel(run, 200, kernelBytes(64));
  },
);

Deno.test({ name: "webgpu: buffers of others, and disposed ones", ignore }, async () => {
  const [one, two] = [await newWebgpuBackend(), await newWebgpuBackend()];
  const x = two.upload(Float32Array.of(1, 2), "float32");
  const executable = one.compile(unary("exp", 2));
  assertThrows(() => executable.run([x]), BackendError, "another backend");
  await assertRejects(() => one.read(x), BackendError, "another backend");
  assertThrows(() => executable.run([]), BackendError, "0 inputs; expected 1");
  assertThrows(() => one.upload(Int32Array.of(1), "float32"), BackendError, "Float32Array");
  x.dispose();
  x.dispose();
  await assertRejects(() => two.read(x), BackendError, "after it was disposed");
});
