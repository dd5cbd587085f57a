/** GPU buffers as tensors and back, without copies; and a device of the caller's. */

import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import {
  BackendError,
  fromDeviceBuffer,
  setBackend,
  ShapeError,
  tensor,
  toDeviceBuffer,
} from "../mod.ts";
import { realDevice } from "./helpers/fake_gpu.ts";
import { newWebgpuBackend, webgpuBackend } from "./helpers/webgpu.ts";

const ignore = await webgpuBackend() === null;

Deno.test(
  { name: "webgpu: a GPU buffer of the caller's becomes a tensor, and back", ignore },
  async () => {
    const device = await realDevice();
    const backend = await newWebgpuBackend({ device });
    assertStrictEquals(backend.device, device);
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const gpuBuffer = device.createBuffer({ size: 32, usage });
    device.queue.writeBuffer(gpuBuffer, 0, Float32Array.of(1, 2, 3, 4, 5, 6));
    await setBackend(backend);
    try {
      const buffer = backend.fromGPUBuffer(gpuBuffer, "float32", 6);
      assertStrictEquals(backend.gpuBufferOf(buffer), gpuBuffer);
      const x = fromDeviceBuffer(buffer, [2, 3]);
      assertEquals(await x.toArray(), [[1, 2, 3], [4, 5, 6]]);
      const y = x.mul(2).sum(1);
      const result = backend.gpuBufferOf(await toDeviceBuffer(y));
      // What is computed can be used by the caller's own commands.
      const copy = device.createBuffer({
        size: 8,
        usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
      });
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(result, 0, copy, 0, 8);
      device.queue.submit([encoder.finish()]);
      await copy.mapAsync(GPUMapMode.READ);
      assertEquals(new Float32Array(copy.getMappedRange()), Float32Array.of(12, 30));
      copy.unmap();
      // The buffer stays the caller's.
      x.dispose();
      const again = fromDeviceBuffer(backend.fromGPUBuffer(gpuBuffer, "int32", 2));
      assertEquals(await again.toArray(), [0x3f800000, 0x40000000]);
      assertEquals(backend.gpuBufferOf(await toDeviceBuffer(again)), gpuBuffer);

      assertThrows(() => fromDeviceBuffer(buffer, [4]), ShapeError, "has 4 elements");
      assertThrows(() => backend.fromGPUBuffer(gpuBuffer, "float32", 9), BackendError, "32 bytes");
      assertThrows(() => backend.fromGPUBuffer(gpuBuffer, "float64", 1), BackendError, "float64");
      const bare = device.createBuffer({ size: 16, usage: GPUBufferUsage.COPY_DST });
      assertThrows(() => backend.fromGPUBuffer(bare, "float32", 1), BackendError, "STORAGE");
    } finally {
      await setBackend("wasm");
    }
  },
);

Deno.test({ name: "webgpu: tensors move between backends, buffers included", ignore }, async () => {
  const backend = await newWebgpuBackend();
  const x = tensor([1, 2, 3]).add(1);
  const onWasm = await toDeviceBuffer(x);
  assertEquals(onWasm.backend.name, "wasm");
  const buffer = await toDeviceBuffer(x, backend);
  assertEquals(buffer.backend.name, "webgpu");
  assertEquals(await backend.read(buffer), Float32Array.of(2, 3, 4));
  assertEquals((await toDeviceBuffer(x)).backend.name, "wasm");
  assertEquals(await x.toArray(), [2, 3, 4]);
});

Deno.test(
  { name: "webgpu: a buffer that the caller destroyed is an error when read", ignore },
  async () => {
    const device = await realDevice();
    const backend = await newWebgpuBackend({ device });
    const gpuBuffer = device.createBuffer({
      size: 16,
      usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC,
    });
    const buffer = backend.fromGPUBuffer(gpuBuffer, "float32", 4);
    gpuBuffer.destroy();
    await assertRejects(() => backend.read(buffer), BackendError, "reading 4 float32 elements");
    const x = backend.upload(Float32Array.of(5), "float32");
    assertEquals(await backend.read(x), Float32Array.of(5));
    assert(backend.memory().used > 0);
  },
);
