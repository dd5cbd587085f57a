/**
 * Real networks as ONNX files: `deno task onnx:networks [NAME…]`.
 *
 * Networks of torchvision as both of PyTorch's exporters write them, and the light models of the `onnx` package, as they are and
 * with random weights: outputs are compared with onnxruntime's, and for some the kernel of two examples and four outputs with
 * PyTorch's. Needs a Python with torch, torchvision, onnx, onnxscript and onnxruntime (TANGENTS_PYTHON). Files are made
 * one at a time and removed.
 */

import { empiricalNtk, slice, type Tensor, tensor, vmap } from "../mod.ts";
import { type NpyArray, readNpy } from "../lib/npy/mod.ts";
import { loadOnnx } from "../lib/onnx/mod.ts";
import { findPython } from "../bench/processes.ts";

const networks: Readonly<Record<string, readonly string[]>> = Object.fromEntries([
  ...[
    "resnet18",
    "mobilenet_v3_small",
    "shufflenet_v2_x0_5",
    "squeezenet1_1",
    "efficientnet_b0",
    "densenet121",
    "convnext_tiny",
    "vit_b_16",
    "swin_t",
  ].map((name) => [name, ["classic", "current"]]),
  ...[
    "bvlc_alexnet",
    "densenet121",
    "inception_v1",
    "inception_v2",
    "resnet50",
    "shufflenet",
    "squeezenet",
    "vgg19",
    "zfnet512",
  ].map((name) => [`light_${name}`, ["plain", "filled"]]),
]);

/** The largest difference, relative to the largest number. */
async function errorOf(x: Tensor, { data }: NpyArray): Promise<number> {
  const [mine, theirs] = [await x.data(), Array.from(data, Number)];
  if (mine.length !== theirs.length) return Infinity;
  const largest = theirs.reduce((most, n) => Math.max(most, Math.abs(n)), 0);
  const worst = theirs.reduce((most, n, i) => Math.max(most, Math.abs(mine[i] - n)), 0);
  return worst / largest;
}

const npy = async (path: string): Promise<NpyArray | null> => {
  const there = await Deno.stat(path).then(() => true, () => false);
  return there ? await readNpy(path) : null;
};

/** Compares one file; returns what there is to say, and whether all is near. */
async function compare(folder: string): Promise<[text: string, good: boolean]> {
  const start = performance.now();
  const { fn, params } = await loadOnnx(`${folder}/model.onnx`);
  const loading = performance.now() - start;
  const [x, y, kernel] = [
    (await npy(`${folder}/x.npy`))!,
    (await npy(`${folder}/y.npy`))!,
    await npy(`${folder}/kernel.npy`),
  ];
  const images = tensor(x.data as Float32Array, { shape: x.shape });
  const outputs = await errorOf(vmap(fn, [null, 0])(params, images), y);
  const count = Object.keys(params).length;
  let text = `${count} parameters, loaded in ${loading.toFixed(0)} ms, outputs ${
    outputs.toExponential(1)
  }`;
  let good = outputs < 1e-5;
  if (kernel !== null) {
    // In float32 a unit near its kink may fall on the other side.
    for (const [dtype, most] of [["float32", 1e-5], ["float64", 1e-6]] as const) {
      const net = await loadOnnx(`${folder}/model.onnx`, dtype === "float64" ? { dtype } : {});
      const four = (p: typeof params, image: Tensor): Tensor => slice(net.fn(p, image), [0, 4]);
      const computed = await empiricalNtk(four, net.params, images.to(dtype));
      const error = await errorOf(computed, kernel);
      text += `, kernel in ${dtype} ${error.toExponential(1)}`;
      good &&= error < most;
    }
  }
  return [text, good];
}

const python = await findPython("torch, torchvision, onnx, onnxscript, onnxruntime");
if (python === null) {
  console.error(
    "no Python with torch, torchvision, onnx, onnxscript and onnxruntime (TANGENTS_PYTHON)",
  );
  Deno.exit(1);
}
const script = new URL("../tests/data/onnx/networks.py", import.meta.url).pathname;
const chosen = Deno.args.length === 0 ? Object.keys(networks) : Deno.args;
let failures = 0;
for (const name of chosen) {
  for (const exporter of networks[name] ?? []) {
    const folder = await Deno.makeTempDir();
    try {
      const { success, stderr } = await new Deno.Command(python, {
        args: ["-W", "ignore", script, name, exporter, folder],
        stdout: "null",
        stderr: "piped",
      }).output();
      if (!success) throw new Error(new TextDecoder().decode(stderr).trim().split("\n").at(-1));
      const [text, good] = await compare(folder);
      console.log(`${good ? "ok" : "--"} ${name} (${exporter}): ${text}`);
      if (!good) failures++;
    } catch (error) {
      failures++;
      console.log(`-- ${name} (${exporter}): ${error instanceof Error ? error.message : error}`);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }
}
Deno.exit(failures === 0 ? 0 : 1);
