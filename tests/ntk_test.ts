/** The kernel against its definition: Jacobians of central differences in float64, multiplied in plain loops. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { createWasmBackend } from "../backends/wasm/mod.ts";
import {
  type Backend,
  BackendError,
  customVjp,
  empiricalNtk,
  explainNtk,
  NtkMismatchError,
  type NtkOptions,
  type NtkReport,
  setBackend,
  type Tensor,
  tensor,
  treeMap,
  zeros,
} from "../mod.ts";
import { explicitKernels } from "./helpers/explicit_kernel.ts";
import { loadGolden, single } from "./helpers/golden.ts";
import { smallNetworks, uniform } from "./helpers/small_networks.ts";

const methods = [
  "jacobian-contraction",
  "ntk-vector-products",
  "structured-derivatives",
] as const;
const computes = ["full", "trace", "diagonal"] as const;

/** Throws unless a kernel has the shape and, relative to the largest entry, the values expected. */
function assertKernel(
  kernel: Tensor,
  expected: { shape: readonly number[]; data: ArrayLike<number> },
  tolerance: number,
  what: string,
): void {
  assertEquals([...kernel.shape], [...expected.shape], what);
  const data = kernel.dataSync();
  const largest = Array.from(expected.data).reduce((m, v) => Math.max(m, Math.abs(v)), 0);
  for (let i = 0; i < data.length; i++) {
    const difference = Math.abs(data[i] - expected.data[i]);
    assert(
      difference <= tolerance * largest,
      `${what}: element ${i} is ${data[i]}, expected ${expected.data[i]}`,
    );
  }
}

const asDType = <T>(tree: T, dtype: "float32" | "float64"): T =>
  treeMap((x) => x.isFloat ? x.to(dtype) : x, tree);

/** A kernel's values with its shape. */
const valuesOf = (kernel: Tensor): { shape: readonly number[]; data: ArrayLike<number> } => ({
  shape: kernel.shape,
  data: kernel.dataSync(),
});

for (const [name, { f, params, x1, x2 }] of Object.entries(smallNetworks)) {
  Deno.test(`kernel of a network: ${name}`, async () => {
    const cross = explicitKernels(f, params, x1, x2);
    const own = explicitKernels(f, params, x1, x1);
    for (const method of methods) {
      for (const compute of computes) {
        const what = `${method}, ${compute}`;
        const options = { method, compute };
        const kernel = await empiricalNtk(f, params, x1, x2, options);
        assertEquals(kernel.dtype, "float64", what);
        assertKernel(kernel, cross[compute], 1e-9, what);
        for (const missing of [undefined, null]) {
          const symmetric = await empiricalNtk(f, params, x1, missing, options);
          assertKernel(symmetric, own[compute], 1e-9, `${what}, x2 ${missing}`);
        }
      }
    }
  });
}

Deno.test("kernels in float32 agree with those in float64", async () => {
  for (const [name, { f: network, params, x1, x2 }] of Object.entries(smallNetworks)) {
    // Constants inside a network may be float64: the result is what its parameters are.
    const f = (p: unknown, x: unknown): Tensor => network(p, x).to("float32");
    const [p, a, b] = [params, x1, x2].map((tree) => asDType(tree, "float32"));
    for (const compute of computes) {
      const exact = valuesOf(await empiricalNtk(network, params, x1, x2, { compute }));
      for (const method of methods) {
        const kernel = await empiricalNtk(f, p, a, b, { method, compute });
        assertEquals(kernel.dtype, "float32");
        assertKernel(kernel, exact, 2e-6, `${name}, ${method}, ${compute}`);
      }
    }
  }
});

Deno.test("trace and diagonal are those of the full kernel", async () => {
  const { f, params, x1, x2 } = smallNetworks["a matrix as output"];
  for (const method of methods) {
    const [full, trace, diagonal] = await Promise.all(
      computes.map((compute) => empiricalNtk(f, params, x1, x2, { method, compute })),
    );
    const [n, m, o] = [3, 2, 6];
    const entries = full.reshape([n, m, o, o]).dataSync();
    const equal = Array.from({ length: n * m * o }, (_, i) => {
      const [pair, a] = [Math.floor(i / o), i % o];
      return entries[(pair * o + a) * o + a];
    });
    assertKernel(diagonal.reshape([n, m, o]), { shape: [n, m, o], data: equal }, 1e-14, method);
    const sums = Array.from(
      { length: n * m },
      (_, pair) => equal.slice(pair * o, pair * o + o).reduce((a, b) => a + b),
    );
    assertKernel(trace, { shape: [n, m], data: sums }, 1e-14, method);
  }
});

Deno.test("a kernel of examples with themselves is symmetric", async () => {
  const { f, params, x1 } = smallNetworks["convolutions with pooling"];
  for (const method of methods) {
    const kernel = await empiricalNtk(f, params, x1, null, { method });
    const swapped = valuesOf(kernel.permute([1, 0, 3, 2]));
    assertKernel(kernel, swapped, 1e-14, method);
  }
});

Deno.test("results may depend on the values of parameters by control flow", async () => {
  const f = ({ w, v }: { w: Tensor; v: Tensor }, x: Tensor): Tensor =>
    w.sum().itemSync() > 0 ? w.mul(x).tanh() : v.mul(x);
  const params = { w: uniform(3).abs(), v: uniform(3) };
  const x = uniform(2, 3);
  const expected = explicitKernels(f as never, params, x, x);
  for (const method of methods) {
    const kernel = await empiricalNtk(f, params, x, null, { method });
    assertKernel(kernel, expected.full, 1e-9, method);
  }
});

Deno.test("a kernel has the dtype of the network's output", async () => {
  const params = { w: uniform(2, 3).to("float32"), b: uniform(2) };
  const x = uniform(2, 3).to("float32");
  const mixed = ({ w, b }: typeof params, x: Tensor): Tensor => w.matmul(x).add(b).tanh();
  const exact = valuesOf(
    await empiricalNtk(mixed, asDType(params, "float64"), asDType(x, "float64")),
  );
  for (const dtype of ["float32", "float64"] as const) {
    const f: typeof mixed = (p, x) => mixed(p, x).to(dtype);
    for (const method of methods) {
      // With a check in either dtype: rounding is that of float32 in both.
      const kernel = await empiricalNtk(f, params, x, null, { method, check: true });
      assertEquals(kernel.dtype, dtype);
      assertKernel(kernel, exact, 1e-6, `${dtype}, ${method}`);
    }
  }
});

Deno.test("kernels between no examples are empty", async () => {
  const { f, params, x1 } = smallNetworks["a matrix as output"];
  const none = zeros([0, 4], { dtype: "float64" });
  const outputs = { full: [2, 3, 2, 3], trace: [], diagonal: [2, 3] };
  for (const method of methods) {
    for (const compute of computes) {
      const options = { method, compute, check: true };
      const shapeOf = async (a: Tensor, b: Tensor | null): Promise<number[]> => [
        ...(await empiricalNtk(f, params, a, b, options)).shape,
      ];
      assertEquals(await shapeOf(none, x1 as Tensor), [0, 3, ...outputs[compute]]);
      assertEquals(await shapeOf(x1 as Tensor, none), [3, 0, ...outputs[compute]]);
      assertEquals(await shapeOf(none, null), [0, 0, ...outputs[compute]]);
    }
  }
});

Deno.test("kernels of an output without elements are empty, with a trace of zeros", async () => {
  const f = (w: Tensor, x: Tensor): Tensor => w.mul(x).slice([0, 0]);
  const [w, x] = [uniform(3), uniform(2, 3)];
  for (const method of methods) {
    assertEquals((await empiricalNtk(f, w, x, null, { method })).shape, [2, 2, 0, 0]);
    const trace = await empiricalNtk(f, w, x, null, { method, compute: "trace" });
    assertEquals(await trace.toArray(), [[0, 0], [0, 0]]);
  }
});

Deno.test("x2 may name its tensors in another order than x1", async () => {
  const f = ({ w }: { w: Tensor }, { a, b }: { a: Tensor; b: Tensor }): Tensor =>
    w.mul(a).add(b.sum()).tanh();
  const params = { w: uniform(3) };
  const [a, b] = [uniform(2, 3), uniform(2, 5)];
  const expected = explicitKernels(f as never, params, { a, b }, { a, b }).full;
  for (const method of methods) {
    assertKernel(await empiricalNtk(f, params, { a, b }, { b, a }, { method }), expected, 1e-9, "");
  }
});

Deno.test("a subset of the parameters by names, a regular expression or a function", async () => {
  const { f, params, x1, x2 } = smallNetworks["parameters in nested trees and arrays"];
  // layers.0.w, layers.0.b, layers.1.w, layers.1.b, head.0, head.1.shift
  const chosen = [true, false, true, false, false, true];
  const expected = explicitKernels(f, params, x1, x2, chosen).full;
  const names = ["head.1.shift", "layers.0.w", "layers.1.w"];
  const seen: string[] = [];
  const choices = [
    names,
    /(w|shift)$/,
    /(w|shift)$/g,
    (name: string): boolean => {
      seen.push(name);
      return names.includes(name);
    },
  ];
  for (const parameters of choices) {
    for (const method of methods) {
      const kernel = await empiricalNtk(f, params, x1, x2, { method, parameters });
      assertKernel(kernel, expected, 1e-9, `${method}, ${parameters}`);
    }
  }
  assertEquals(new Set(seen), new Set([...names, "layers.0.b", "layers.1.b", "head.0"]));
  // The parts of a kernel over disjoint sets of parameters add up to the whole.
  const weights = await empiricalNtk(f, params, x1, x2, { parameters: /w$/ });
  const others = await empiricalNtk(f, params, x1, x2, { parameters: (name) => !/w$/.test(name) });
  const whole = await empiricalNtk(f, params, x1, x2);
  assertKernel(weights.add(others), valuesOf(whole), 1e-14, "parts");
});

/** A convolutional network that is large enough to be shared among threads. */
const wide = {
  f: smallNetworks["convolutions with pooling"].f,
  params: asDType({
    conv1: { weight: uniform(16, 3, 3, 3), bias: uniform(16) },
    conv2: { weight: uniform(24, 16, 2, 2) },
    fc: uniform(5, 216),
  }, "float32"),
  x1: uniform(4, 3, 14, 14).to("float32"),
  x2: uniform(3, 3, 14, 14).to("float32"),
};

async function onBackend<T>(backend: Backend | "reference", work: () => Promise<T>): Promise<T> {
  setBackend(backend);
  try {
    return await work();
  } finally {
    setBackend("wasm");
  }
}

Deno.test("kernels are the same to the last bit with one thread and with two", async () => {
  const one = createWasmBackend({ threads: 1 });
  const two = createWasmBackend({ threads: 2, shareAbove: 0 });
  two.startThreads();
  // Threads that are not up yet are not waited for.
  await new Promise((resolve) => setTimeout(resolve, 300));
  const { f, params, x1, x2 } = wide;
  try {
    for (const method of methods) {
      for (const compute of computes) {
        const kernelOn = (backend: Backend) =>
          onBackend(
            backend,
            async () => (await empiricalNtk(f, params, x1, x2, { method, compute })).data(),
          );
        const [first, second] = [await kernelOn(one), await kernelOn(two)];
        assertEquals(first, second, `${method}, ${compute}`);
        assert(first.some((value) => value !== 0));
      }
    }
  } finally {
    two.stopThreads();
  }
});

Deno.test("kernels on the reference backend are close", async () => {
  for (const name of ["convolutions with pooling", "attention", "an embedding of tokens"]) {
    const { f, params, x1, x2 } = smallNetworks[name];
    for (const method of methods) {
      for (const compute of computes) {
        const options = { method, compute };
        const kernel = await empiricalNtk(f, params, x1, x2, options);
        const expected = await onBackend("reference", async () => {
          let backend: string | undefined;
          const onReport = (report: NtkReport): void => void (backend = report.backend);
          const kernel = await empiricalNtk(f, params, x1, x2, { ...options, onReport });
          assertEquals(backend, "reference");
          return { shape: kernel.shape, data: await kernel.data() };
        });
        assertKernel(kernel, expected, 1e-13, `${name}, ${method}, ${compute}`);
      }
    }
  }
});

Deno.test("a check passes, and is reported with everything else", async () => {
  const { f, params, x1, x2 } = smallNetworks["a perceptron"];
  for (const method of methods) {
    for (const compute of computes) {
      const reports: NtkReport[] = [];
      const onReport = (report: NtkReport): void => void reports.push(report);
      const kernel = await empiricalNtk(f, params, x1, x2, {
        method,
        compute,
        check: true,
        onReport,
      });
      assertEquals(reports.length, 1);
      const {
        seconds,
        peakBytes,
        tiles,
        check,
        errorEstimate,
        spectrum,
        device,
        backendReason,
        ...rest
      } = reports[0];
      assertEquals([errorEstimate, spectrum], [undefined, undefined]);
      assertEquals(rest, {
        method,
        compute,
        axes: [compute],
        normalize: "sum",
        shape: kernel.shape,
        backend: "wasm",
        parameters: 12 + 4 + 8,
      });
      assert(["the default", "asked for"].includes(backendReason));
      assert(/^WebAssembly, \d+ threads?$/.test(device), device);
      assert(seconds > 0 && peakBytes > 0 && tiles.bytes > 0);
      assertEquals([tiles.count, tiles.n1, tiles.n2], [1, 3, 2]);
      assertEquals(check!.method, methods.find((other) => other !== method));
      const { largestDifference } = check!;
      assert(largestDifference >= 0 && largestDifference < 1e-14, `${largestDifference}`);
    }
  }
  const onReport = (report: NtkReport): void => assertEquals(report.check, undefined);
  await empiricalNtk(f, params, x1, x2, { onReport });
});

/** f(w, x) = w·x with a backward pass that is not linear: cotangents are clipped at 1. */
const clipped = customVjp(
  (y: Tensor): Tensor => y,
  (y: Tensor): [Tensor, null] => [y, null],
  (_: null, cotangent: Tensor): readonly [Tensor] => [cotangent.clip(-1, 1)],
);

Deno.test("a check fails with both values where the methods differ", async () => {
  const f = (w: Tensor, x: Tensor): Tensor => clipped(w.mul(x)).mul(tensor([1, 3], asDouble));
  const asDouble = { dtype: "float64" } as const;
  const w = tensor([1, 1], asDouble);
  const x = tensor([[1, 1], [2, 5]], asDouble);
  // The second output's cotangent is 3, clipped to 1 on the way back; forward it stays 3.
  const error = await assertRejects(
    () => empiricalNtk(f, w, x, null, { method: "jacobian-contraction", check: true }),
    NtkMismatchError,
    "[1, 1, 1, 1]",
  ) as NtkMismatchError;
  assertEquals(error.method, "jacobian-contraction");
  assertEquals(error.otherMethod, "ntk-vector-products");
  assertEquals(error.difference, {
    largestDifference: 50,
    index: [1, 1, 1, 1],
    value: 25,
    otherValue: 75,
    largestEntry: 75,
  });
  // Tolerances of one's own are those that count.
  const method = "jacobian-contraction";
  await empiricalNtk(f, w, x, null, { method, check: { rtol: 2 } });
  await empiricalNtk(f, w, x, null, { method, check: { rtol: 0, atol: 51 } });
  await assertRejects(
    () => empiricalNtk(f, w, x, null, { method, check: { rtol: 0, atol: 49 } }),
    NtkMismatchError,
  );
});

Deno.test("a check fails for a network that is another function at each call", async () => {
  let calls = 0;
  const f = (w: Tensor, x: Tensor): Tensor => w.mul(x).mul(++calls);
  for (const compute of computes) {
    await assertRejects(
      () => empiricalNtk(f, uniform(2), uniform(2, 2), null, { compute, check: true }),
      NtkMismatchError,
    );
  }
});

Deno.test("a check fails where a kernel is not a number, and infinities hide nothing", async () => {
  const f = (w: Tensor, x: Tensor): Tensor => w.mul(x);
  const x = tensor([[1, NaN]]);
  await assertRejects(
    () => empiricalNtk(f, tensor([1, 1]), x, null, { compute: "diagonal", check: true }),
    NtkMismatchError,
    "both NaN at [0, 0, 1]",
  );
  // One entry of the diagonal overflows, another is wrong.
  const wrong = (w: Tensor, x: Tensor): Tensor => clipped(w.mul(x)).mul(tensor([1, 3]));
  const error = await assertRejects(
    () =>
      empiricalNtk(wrong, tensor([1, 1]), tensor([[1e30, 1]]), null, {
        compute: "diagonal",
        check: true,
      }),
    NtkMismatchError,
  ) as NtkMismatchError;
  assertEquals(error.difference.index, [0, 0, 1]);
});

Deno.test("auto takes structured derivatives where a layer is wide", async () => {
  let method: string | undefined;
  const onReport = (report: NtkReport): void => void (method = report.method);
  await empiricalNtk(wide.f, wide.params, wide.x1, wide.x2, { onReport });
  assertEquals(method, "structured-derivatives");
});

Deno.test("the choice is remembered for a network and shapes", async () => {
  let calls = 0;
  const { params, x1, x2 } = wide;
  const f: typeof wide.f = (p, x) => {
    calls++;
    return wide.f(p, x);
  };
  const callsFor = async (
    first: Tensor,
    options: { method?: typeof methods[number] },
  ): Promise<number> => {
    const before = calls;
    (await empiricalNtk(f, params, first, x2, options)).dispose();
    return calls - before;
  };
  const alone = await callsFor(x1, { method: "structured-derivatives" });
  // Planning calls the network too, to count what other methods would do.
  assert(await callsFor(x1, {}) > alone);
  assertEquals(await callsFor(x1, {}), alone);
  // Fewer examples are planned by themselves.
  assert(await callsFor(x1.slice([0, 3]), {}) > alone);
});

Deno.test("a memory limit gives the same kernel in blocks", async () => {
  const f = ({ w, b, v }: Record<string, Tensor>, x: Tensor): Tensor =>
    v.matmul(w.matmul(x).add(b).tanh()).reshape([2, 3]).sin();
  const params = { w: uniform(192, 64), b: uniform(192), v: uniform(6, 192) };
  const [x1, x2] = [uniform(11, 64), uniform(7, 64)];
  const forms = [...computes.map((compute) => ({ compute })), { traceAxes: 0, diagonalAxes: 1 }];
  for (const second of [x2, null]) {
    for (const form of forms) {
      for (const method of [...methods, "auto"] as const) {
        let bytes = 0;
        const onReport = ({ tiles }: NtkReport): void => void (bytes = tiles.bytes);
        const whole = await empiricalNtk(f, params, x1, second, { ...form, method, onReport });
        for (const share of [0.7, 0.3]) {
          let report: NtkReport | undefined;
          const parts = await empiricalNtk(f, params, x1, second, {
            ...form,
            method,
            memoryLimit: share * bytes,
            onReport: (given) => report = given,
          });
          const what = `${method}, ${JSON.stringify(form)}, ${share}, ${second === null}`;
          assert(report!.tiles.count > 1 && report!.tiles.bytes <= share * bytes, what);
          assertKernel(parts, valuesOf(whole), 1e-14, what);
        }
      }
    }
  }
});

Deno.test("a memory limit that nothing fits is an error that says how much is needed", async () => {
  const { f, params, x1, x2 } = smallNetworks["a perceptron"];
  await assertRejects(
    () => empiricalNtk(f, params, x1, x2, { memoryLimit: 10 }),
    BackendError,
    " bytes, more than memoryLimit, 10 bytes; raise it",
  );
});

Deno.test("blocks are found where no dimension alone saves memory", async () => {
  const { net, x1 } = await loadGolden("digits-mlp", "float32");
  const compute = async (options: NtkOptions): Promise<Tensor> =>
    await empiricalNtk(single(net), net.namedParameters(), x1, null, {
      method: "ntk-vector-products",
      ...options,
    });
  let report: NtkReport | undefined;
  const memoryLimit = 100e3;
  const parts = await compute({ memoryLimit, onReport: (given) => report = given });
  assert(report!.tiles.count > 1 && report!.tiles.bytes <= memoryLimit);
  assertKernel(parts, valuesOf(await compute({})), 1e-6, "in blocks");
});

Deno.test("a kernel that does not fit in one piece is compiled whole once", async () => {
  const wasm = createWasmBackend({ threads: 1 });
  const sizes: number[] = [];
  const counting: Backend = {
    name: "counting",
    dtypes: wasm.dtypes,
    compile(program) {
      const [shape] = program.outputs.map((id) => program.nodes[id].shape);
      sizes.push(shape.reduce((n, size) => n * size, 1));
      return wasm.compile(program);
    },
    upload: (data, dtype) => wasm.upload(data, dtype),
    read: (buffer) => wasm.read(buffer),
    readSync: (buffer) => wasm.readSync!(buffer),
    memory: () => wasm.memory(),
  };
  const { f, params, x1, x2 } = wide;
  let report: NtkReport | undefined;
  const compute = async (memoryLimit?: number): Promise<Tensor> =>
    await empiricalNtk(f, params, x1, x2, {
      memoryLimit,
      backend: counting,
      method: "structured-derivatives",
      onReport: (given) => report = given,
    });
  const whole = await compute();
  sizes.length = 0;
  const parts = await compute(report!.tiles.bytes / 2);
  assert(report!.tiles.count > 1);
  assertEquals(sizes.filter((size) => size === whole.size).length, 1);
  assertKernel(parts, valuesOf(whole), 1e-6, "in blocks");
});

Deno.test("an explanation has a row for each parameter, and what it chose is what is done", async () => {
  const { f, params, x1, x2 } = smallNetworks["convolutions with pooling"];
  for (const method of [...methods, "auto"] as const) {
    const explanation = await explainNtk(f, params, x1, x2, { method, measure: true });
    const { parameters, bytes, rate } = explanation;
    let report: NtkReport | undefined;
    await empiricalNtk(f, params, x1, x2, { method, onReport: (given) => report = given });
    assertEquals(explanation.method, report!.method);
    assertEquals(bytes, report!.tiles.bytes);
    assertEquals(parameters.length, 4);
    for (const { name, method, operations, uses, bytes, measuredSeconds } of parameters) {
      await empiricalNtk(f, params, x1, x2, {
        method,
        parameters: [name],
        onReport: (given) => report = given,
      });
      assertEquals(bytes, report!.tiles.bytes);
      assertEquals(uses, 1);
      assert(methods.every((name) => Number.isFinite(operations[name])));
      assert(measuredSeconds! > 0);
    }
    assert(rate > 1e6 && explanation.measuredSeconds! > 0);
    assertEquals(String(explanation).split("\n").length, parameters.length + 3);
  }
});

Deno.test("an explanation names what has no structure", async () => {
  const f = ({ u, v }: Record<string, Tensor>, x: Tensor): Tensor =>
    u.prod(0, { keepDims: true }).mul(x).add(v.mul(x));
  const explanation = await explainNtk(f, { u: uniform(3), v: uniform(3) }, uniform(2, 3));
  const [u, v] = explanation.parameters;
  assertEquals(v.unstructured, null);
  assert(u.unstructured !== null && String(explanation).includes(`* u: no structure is known for`));
});
