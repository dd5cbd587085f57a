/**
 * Kernels on a backend that cannot be read without waiting, and tensors that move between backends.
 *
 * @module
 */

import { assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { setBackend } from "../backends/registry.ts";
import { defaultWasmBackend } from "../backends/wasm/mod.ts";
import {
  allclose,
  ArgumentError,
  BackendError,
  type BackendName,
  empiricalNtk,
  explainNtk,
  type NtkOptions,
  type NtkReport,
  random,
  realize,
  type Tensor,
  tensor,
  treeMap,
} from "../mod.ts";
import { WaitingBackend } from "./helpers/waiting_backend.ts";

interface Params {
  w: Tensor;
  b: Tensor;
  v: Tensor;
}

const f = ({ w, b, v }: Params, x: Tensor): Tensor => v.matmul(w.matmul(x).add(b).tanh());

function network(): { params: Params; x1: Tensor; x2: Tensor } {
  const [k1, k2, k3, k4, k5] = random.splitKey(random.randomKey(3), 5);
  const params = {
    w: random.normal(k1, [16, 8]),
    b: random.normal(k2, [16]),
    v: random.normal(k3, [4, 16]),
  };
  return { params, x1: random.normal(k4, [6, 8]), x2: random.normal(k5, [3, 8]) };
}

const cases: readonly (readonly [string, NtkOptions])[] = [
  ["auto", {}],
  ["Jacobian contraction", { method: "jacobian-contraction" }],
  ["NTK-vector products", { method: "ntk-vector-products" }],
  ["structured derivatives, checked", { method: "structured-derivatives", check: true }],
  ["in blocks", { memoryLimit: 3_000 }],
  ["in blocks, checked and estimated", { memoryLimit: 3_000, check: true, errorEstimate: true }],
  ["in blocks of examples with themselves", { memoryLimit: 4_000, spectrum: true }],
  ["with an estimate of its error", { errorEstimate: true }],
  ["of examples with themselves, with its spectrum", { spectrum: true }],
];

for (const [name, options] of cases) {
  Deno.test(`waiting backend: the kernel ${name} is that of WebAssembly`, async () => {
    const backend = new WaitingBackend();
    const { params, x1, x2 } = network();
    const second = options.spectrum ? null : x2;
    const blocks: number[] = [];
    const compute = async (backend: NtkOptions["backend"]) => {
      const onReport: NtkOptions["onReport"] = (report) => {
        blocks.push(report.tiles.count);
        assertEquals(report.backend, (backend as WaitingBackend).name ?? backend);
      };
      const kernel = await empiricalNtk(f, params, x1, second, { ...options, backend, onReport });
      return await kernel.data();
    };
    const got = await compute(backend);
    assertEquals(got, await compute("wasm"));
    assertEquals(got, await compute(backend));
    assertEquals(blocks[0] > 1, options.memoryLimit !== undefined);
  });
}

Deno.test("waiting backend: an explanation with measured times", async () => {
  const { params, x1, x2 } = network();
  const { measuredSeconds } = await explainNtk(f, params, x1, x2, {
    backend: new WaitingBackend(),
    measure: true,
  });
  assertEquals(measuredSeconds! > 0, true);
});

Deno.test("waiting backend: what it computed is used elsewhere after waiting, and not without", async () => {
  const backend = new WaitingBackend();
  const x = tensor([1, 2, 3]);
  await setBackend(backend);
  const square = await realize(x.mul(x));
  assertThrows(() => square.dataSync(), BackendError, "await data()");
  await setBackend("wasm");
  assertThrows(() => square.add(1).dataSync(), BackendError, "without waiting");
  assertEquals([...await square.add(1).data()], [2, 5, 10]);
  assertEquals([...square.add(2).dataSync()], [3, 6, 11]);
  // What was given by the user stays on the host, and needs no waiting.
  assertEquals([...x.add(1).dataSync()], [2, 3, 4]);
});

Deno.test("waiting backend: what was given outlives a lost device, what was computed does not", async () => {
  const backend = new WaitingBackend();
  const x = tensor([1, 2, 3]);
  await setBackend(backend);
  try {
    const square = await realize(x.mul(x));
    backend.lose();
    const error = await assertRejects(() => square.add(1).data(), BackendError);
    assertEquals(error.message.includes("compute it again"), true);
    assertEquals([...await x.mul(x).data()], [1, 4, 9]);
  } finally {
    await setBackend("wasm");
  }
});

Deno.test("waiting backend: two kernels at once, each on its own", async () => {
  const { params, x1, x2 } = network();
  const waiting = new WaitingBackend();
  const [a, b] = await Promise.all([
    empiricalNtk(f, params, x1, x2, { backend: waiting }),
    empiricalNtk(f, params, x1, x2, { backend: "wasm" }),
  ]);
  assertEquals([a.buffer!.backend, b.buffer!.backend], [waiting, defaultWasmBackend()]);
  assertEquals(await allclose(a, b), true);
});

Deno.test("backends: what is no backend is refused", async () => {
  assertThrows(() => setBackend("cuda" as BackendName), ArgumentError, "wasm, webgpu");
  const { params, x1 } = network();
  for (const backend of ["cuda", 3, {}]) {
    await assertRejects(
      () => empiricalNtk(f, params, x1, null, { backend: backend as BackendName }),
      ArgumentError,
      "backend",
    );
  }
});

Deno.test("backends: nothing is computed while one is loaded, and what cannot be loaded changes nothing", async () => {
  const loading = setBackend("webgpu").catch(() => {});
  assertThrows(() => tensor([1]).add(1).dataSync(), BackendError, 'await setBackend("webgpu")');
  await loading;
  await setBackend("wasm");
  assertEquals([...tensor([1]).add(1).dataSync()], [2]);
});

Deno.test("backends: auto is a graphics processor or WebAssembly, and says why; float64 is WebAssembly's", async () => {
  const { params, x1 } = network();
  const reports: NtkReport[] = [];
  const onReport = (report: NtkReport): void => void reports.push(report);
  await empiricalNtk(f, params, x1, null, { backend: "auto", onReport });
  const double = treeMap((x) => x.to("float64"), params);
  await empiricalNtk(f, double, x1.to("float64"), null, { backend: "auto", onReport });
  await empiricalNtk(f, params, x1, null, { onReport });
  const [single, exact, ordinary] = reports;
  if (single.backend === "wasm") assertMatch(single.backendReason, /adapter|navigator\.gpu/);
  else {
    assertEquals(single.backend, "webgpu");
    assertEquals(/software/.test(single.device), false);
    assertMatch(exact.backendReason, /^float64/);
  }
  assertEquals([exact.backend, ordinary.backend], ["wasm", "wasm"]);
  assertEquals(ordinary.backendReason, "asked for");
});
