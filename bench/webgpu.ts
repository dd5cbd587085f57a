/**
 * WebGPU on this machine: matrix products as a fraction of what the adapter's arithmetic can do, the tutorial's kernel, and
 * the share of a call that is waiting rather than computing.
 *
 * `deno run -A bench/webgpu.ts [adapter] [size …]`: the adapter is "any", "hardware" (the default) or "software".
 *
 * @module
 */

import { createWebgpuBackend, type WebgpuBackend } from "../backends/webgpu/mod.ts";
import { functionalCall } from "../lib/nn/mod.ts";
import { models } from "../models/mod.ts";
import { empiricalNtk, matmul, random, setBackend, type Tensor, toDeviceBuffer } from "../mod.ts";
import { digits, duration, percent, table } from "./markdown.ts";
import { median } from "./timing.ts";

const rounds = 5;

/** Median seconds of a call, after one that is not counted. */
async function seconds(call: () => Promise<unknown>): Promise<number> {
  await call();
  const times: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const start = performance.now();
    await call();
    times.push((performance.now() - start) / 1000);
  }
  return median(times);
}

/** Multiply-adds that do not wait for each other, held in registers. */
const ceilingShader = `
@group(0) @binding(0) var<storage, read_write> out: array<vec4<f32>>;
@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let x = vec4<f32>(f32(id.x % 3u)) * 0.5;
  var a = x;
  var b = x + 1.0;
  var c = x + 2.0;
  var d = x + 3.0;
  for (var i = 0u; i < 256u; i = i + 1u) {
    ${
  Array.from({ length: 4 }, () => ["a", "b", "c", "d"].map((v) => `${v} = fma(${v}, x, x);`))
    .flat().join("\n    ")
}
  }
  out[id.x] = a + b + c + d;
}`;

/** Operations a second that the adapter's arithmetic reaches, a multiply and an add being two. */
async function ceiling(device: GPUDevice, groups: number): Promise<number> {
  const buffer = device.createBuffer({ size: groups * 256 * 16, usage: GPUBufferUsage.STORAGE });
  const module = device.createShaderModule({ code: ceilingShader });
  const pipeline = device.createComputePipeline({
    layout: "auto",
    compute: { module, entryPoint: "main" },
  });
  const group = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [{ binding: 0, resource: { buffer } }],
  });
  const time = await seconds(async () => {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(groups);
    pass.end();
    device.queue.submit([encoder.finish()]);
    await device.queue.onSubmittedWorkDone();
  });
  buffer.destroy();
  return 2 * 4 * 16 * 256 * 256 * groups / time;
}

/** Seconds of a call that is read, and seconds of one among several that wait for the device together. */
async function alone(
  backend: WebgpuBackend,
  make: () => Promise<Tensor> | Tensor,
): Promise<{ call: number; busy: number }> {
  const call = await seconds(async () => {
    const x = await make();
    await x.data();
    x.dispose();
  });
  const several = Math.max(2, Math.min(32, Math.ceil(1 / call)));
  const all = await seconds(async () => {
    const buffers = await Promise.all(
      Array.from({ length: several }, async () => await toDeviceBuffer(await make(), backend)),
    );
    await backend.synchronize!();
    for (const buffer of buffers) buffer.dispose();
  });
  return { call, busy: Math.min(call, all / several) };
}

const [adapter = "hardware", ...sizes] = Deno.args;
const backend = await createWebgpuBackend({
  adapter: adapter as "any" | "hardware" | "software",
  powerPreference: "high-performance",
});
await setBackend(backend);
console.log(`${backend.description}\n`);
const most = await ceiling(backend.device, backend.adapter.software ? 64 : 8192);
console.log(`Multiply-adds in registers: ${digits(most / 1e9)} GFLOP/s\n`);

const rows: string[][] = [];
for (const size of sizes.length > 0 ? sizes.map(Number) : [512, 1024, 2048, 4096]) {
  const a = random.uniform(random.randomKey(0), [size, size]);
  const b = random.uniform(random.randomKey(1), [size, size]);
  await a.data();
  await b.data();
  const { call, busy } = await alone(backend, () => matmul(a, b));
  const rate = 2 * size ** 3 / busy;
  rows.push([
    `product of ${size}³`,
    duration(call),
    duration(busy),
    `${digits(rate / 1e9)} GFLOP/s, ${percent(rate / most)}`,
    percent(1 - busy / call),
  ]);
}
const net = models["tutorial-cnn"].create();
const params = net.namedParameters();
const f = (p: typeof params, x: Tensor): Tensor =>
  functionalCall(net, p, x.unsqueeze(0)).squeeze(0);
const [n, m] = backend.adapter.software ? [2, 1] : [20, 5];
const x1 = random.normal(random.randomKey(2), [n, 3, 32, 32]);
const x2 = random.normal(random.randomKey(3), [m, 3, 32, 32]);
for (const method of ["jacobian-contraction", "ntk-vector-products"] as const) {
  const { call, busy } = await alone(
    backend,
    () => empiricalNtk(f, params, x1, x2, { method }),
  );
  rows.push([
    `tutorial ${n} × ${m}, ${method}`,
    duration(call),
    duration(busy),
    "",
    percent(1 - busy / call),
  ]);
}
console.log(table(["", "call", "device busy", "rate, of the limit", "waiting"], rows));
