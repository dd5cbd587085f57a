/** What reports say of a kernel's error and of its spectrum. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  ArgumentError,
  empiricalNtk,
  type ErrorEstimateOptions,
  type KernelSpectrum,
  type NtkOptions,
  type NtkReport,
  slice,
  type Tensor,
  tensor,
  treeMap,
} from "../mod.ts";
import { functionalCall } from "../lib/nn/mod.ts";
import { goldenNames, loadGolden, relativeError } from "./helpers/golden.ts";
import { network, neuralTangents } from "./helpers/neural_tangents.ts";
import { smallNetworks, uniform } from "./helpers/small_networks.ts";

/** The kernel and the report on it. */
async function reported(
  f: (params: never, x: never) => Tensor,
  params: unknown,
  x1: unknown,
  x2: unknown,
  options: NtkOptions,
): Promise<{ kernel: Tensor; report: NtkReport }> {
  let report: NtkReport | undefined;
  const onReport = (given: NtkReport): void => void (report = given);
  const kernel = await empiricalNtk(f as (p: unknown, x: unknown) => Tensor, params, x1, x2, {
    ...options,
    onReport,
  });
  return { kernel, report: report! };
}

for (const name of goldenNames) {
  Deno.test(`the estimate over all pairs is the error against PyTorch: ${name}`, async () => {
    const { net, ...golden } = await loadGolden(name, "float32");
    const [x1, x2] = [slice(golden.x1, [0, 4]), slice(golden.x2, [0, 3])];
    const ntk = slice(golden.ntk, [0, 4], [0, 3]);
    const f = (p: Record<string, Tensor>, x: Tensor): Tensor =>
      functionalCall(net, p, x.unsqueeze(0)).squeeze(0);
    const estimateOf = async (errorEstimate: ErrorEstimateOptions | true) => {
      const { kernel, report } = await reported(f, net.namedParameters(), x1, x2, {
        errorEstimate,
      });
      return { error: await relativeError(kernel, ntk), estimate: report.errorEstimate! };
    };
    const [n, m] = ntk.shape;
    const { error, estimate } = await estimateOf({ pairs: 1000 });
    assertEquals(estimate.pairs, n * m);
    // What the network computes of float32 buffers alone (BatchNorm's scale) stays in float32 and is not seen.
    const unseen = Object.keys(net.namedBuffers()).length > 0 ? 0.5 : 1e-5;
    assert(Math.abs(estimate.relativeError - error) <= unseen * error, `${error}`);
    const few = (await estimateOf(true)).estimate;
    assertEquals(few.pairs, 3);
    assert(few.relativeError <= estimate.relativeError && few.relativeError > 0);
    assert(few.largestError <= estimate.largestError);
  });
}

Deno.test("estimates of parts, by axes, and for float64", async () => {
  const { params, x1, x2 } = neuralTangents;
  const float32 = <T>(tree: T): T => treeMap((x) => x.to("float32"), tree);
  const estimateOf = async (cast: <T>(tree: T) => T, options: NtkOptions): Promise<number> => {
    const all = { ...options, errorEstimate: { pairs: 6 } };
    const { report } = await reported(network, cast(params), cast(x1), cast(x2), all);
    return report.errorEstimate!.relativeError;
  };
  for (
    const options of [{ compute: "trace" }, { traceAxes: 0, diagonalAxes: 2, normalize: "mean" }, {
      parameters: ["w", "b"],
    }, { perParameter: true }] as NtkOptions[]
  ) {
    const single = await estimateOf(float32, options);
    assert(single > 1e-9 && single < 2e-6, `${JSON.stringify(options)}: ${single}`);
    const double = await estimateOf((tree) => tree, options);
    assert(double < 1e-14, `${JSON.stringify(options)}: ${double}`);
  }
});

Deno.test("an estimate sees digits that a network loses, and its seed chooses where", async () => {
  // In float32 the large constant takes the digits; only some examples meet it.
  const f = (w: Tensor, x: Tensor): Tensor => w.mul(x).add(x.mul(1e4)).sub(x.mul(1e4)).square();
  const [w, x] = [uniform(2).to("float32"), uniform(8, 2).to("float32")];
  const errors = new Set<number>();
  for (const seed of [0, 1, 2, 3]) {
    const errorEstimate = { pairs: 2, seed };
    const { report } = await reported(f, w, x, null, { errorEstimate });
    const again = await reported(f, w, x, null, { errorEstimate });
    assertEquals(again.report.errorEstimate, report.errorEstimate);
    errors.add(report.errorEstimate!.relativeError);
  }
  assert(Math.max(...errors) > 1e-5, `${[...errors]}`);
  assert(errors.size > 1);
});

async function spectrumOf(
  f: (params: never, x: never) => Tensor,
  params: unknown,
  x: unknown,
  options: NtkOptions = {},
): Promise<KernelSpectrum> {
  const { report } = await reported(f, params, x, null, { ...options, spectrum: true });
  return report.spectrum!;
}

Deno.test("the spectrum of a kernel whose eigenvalues are known", async () => {
  // Rows along axes: the kernel is diagonal with the squares.
  const x = tensor([[3, 0, 0], [0, 2, 0], [0, 0, 0.5]], { dtype: "float64" });
  const dot = (w: Tensor, x: Tensor): Tensor => w.mul(x).sum();
  const { smallest, largest, bound, positiveSemidefinite, exact } = await spectrumOf(
    dot,
    uniform(3),
    x,
  );
  assert(Math.abs(smallest - 0.25) < 1e-14 && Math.abs(largest - 9) < 1e-14);
  assertEquals([bound, positiveSemidefinite, exact], [16 * 2 ** -53 * 13.25, true, true]);
  // Elementwise: for each output a matrix of rank one, whose eigenvalues are 0 and the sum of squares.
  const each = (w: Tensor, x: Tensor): Tensor => w.mul(x);
  const y = tensor([[1, 2], [2, 2], [4, 2]], { dtype: "float64" });
  for (const options of [{ compute: "diagonal" }, { diagonalAxes: 0 }] as NtkOptions[]) {
    const spectrum = await spectrumOf(each, uniform(2), y, options);
    assert(Math.abs(spectrum.smallest) < 1e-14 && spectrum.positiveSemidefinite);
    assert([12, 21].some((value) => Math.abs(spectrum.largest - value) < 1e-13));
  }
  const full = await spectrumOf(each, uniform(2), y);
  assert(Math.abs(full.largest - 21) < 1e-13 && Math.abs(full.smallest) < 1e-14);
  const trace = await spectrumOf(each, uniform(2), y, { compute: "trace", normalize: "mean" });
  // NumPy's, of half the Gram matrix.
  assert(Math.abs(trace.largest - 15.602720584926367) < 1e-13, `${trace.largest}`);
});

Deno.test("rounding explains what is below zero in the golden kernels", async () => {
  for (const name of goldenNames) {
    const { net, x1 } = await loadGolden(name, "float32");
    const f = (p: Record<string, Tensor>, x: Tensor): Tensor =>
      functionalCall(net, p, x.unsqueeze(0)).squeeze(0);
    const spectrum = await spectrumOf(f, net.namedParameters(), x1);
    assert(spectrum.positiveSemidefinite, `${name}: ${JSON.stringify(spectrum)}`);
    assert(spectrum.bound < 1e-3 * spectrum.largest && spectrum.largest > 0);
  }
});

Deno.test("mixed axes and shares of parameters have spectra", async () => {
  const { params, x1 } = neuralTangents;
  const mixed = await spectrumOf(network, params, x1, { traceAxes: 0, diagonalAxes: 2 });
  // Against the matrices of the full kernel, by their traces: the largest eigenvalue is at most the trace.
  assert(mixed.positiveSemidefinite && mixed.largest > 0);
  const shares = await spectrumOf(network, params, x1, { perParameter: true } as NtkOptions);
  assert(shares.positiveSemidefinite);
});

Deno.test("a kernel that is not positive semidefinite is found", async () => {
  // A network of the other sign at every other call: one for the derivative back, one for that forward.
  let sign = 1;
  const f = (w: Tensor, x: Tensor): Tensor => w.mul(x).mul(sign = -sign);
  const { smallest, bound, positiveSemidefinite } = await spectrumOf(
    f,
    uniform(2),
    uniform(3, 2),
    { method: "ntk-vector-products" },
  );
  assert(!positiveSemidefinite && smallest < -1000 * bound);
});

Deno.test("spectra of kernels that are not symmetric are refused", async () => {
  const { f, params, x1, x2 } = smallNetworks["a perceptron"];
  await assertRejects(
    () => empiricalNtk(f, params, x1, x2, { spectrum: true }),
    ArgumentError,
    "spectrum is that of a kernel of examples with themselves; leave out x2",
  );
  await assertRejects(
    () => empiricalNtk(f, params, x1, null, { spectrum: true, crossOutputs: true }),
    ArgumentError,
    "leave out crossOutputs",
  );
  const refused = (options: unknown, message: string): Promise<unknown> =>
    assertRejects(
      () => empiricalNtk(f, params, x1, null, options as NtkOptions),
      ArgumentError,
      message,
    );
  await refused({ spectrum: 1 }, "spectrum must be true or false, got 1");
  await refused(
    { errorEstimate: 3 },
    "errorEstimate must be true, false or { pairs, seed }, got 3",
  );
  await refused({ errorEstimate: { pairs: 0 } }, "errorEstimate.pairs: expected an integer ≥ 1");
  await refused({ errorEstimate: { entries: 1 } }, "no part of errorEstimate is called entries");
});
