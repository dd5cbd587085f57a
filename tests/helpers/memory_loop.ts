/**
 * A long run, as a script of its own: kernels of fresh examples, dropped without `dispose`. Prints what the backend and the
 * process hold after each.
 *
 * Arguments: the method, how many kernels, how many examples, "read" to read each kernel or "drop" not to, the name
 * of a backend.
 */
import { currentBackend } from "../../backends/registry.ts";
import { Conv2d, functionalCall, Linear, Module } from "../../lib/nn/mod.ts";
import {
  type BackendName,
  empiricalNtk,
  type NtkMethod,
  setBackend,
  type Tensor,
  tensor,
} from "../../mod.ts";

class Network extends Module {
  conv1 = new Conv2d(1, 4, 3);
  conv2 = new Conv2d(4, 8, 3);
  fc = new Linear(128, 10);

  forward(x: Tensor): Tensor {
    x = this.conv2.forward(this.conv1.forward(x).relu()).relu();
    return this.fc.forward(x.flatten(1));
  }
}

const [method, kernels, examples, read, backend = "wasm"] = Deno.args;
await setBackend(backend as BackendName);
const net = new Network();
const params = net.namedParameters();
const f = (p: typeof params, x: Tensor): Tensor =>
  functionalCall(net, p, x.unsqueeze(0)).squeeze(0);

const n = Number(examples);
const samples: { used: number; rss: number }[] = [];
for (let i = 0; i < Number(kernels); i++) {
  const pixels = Float32Array.from({ length: n * 64 }, (_, j) => Math.sin(i + j));
  const x = tensor(pixels, { shape: [n, 1, 8, 8] });
  const kernel = await empiricalNtk(f, params, x, null, { method: method as NtkMethod });
  if (read === "read") await kernel.data();
  samples.push({ used: currentBackend().memory().used, rss: Deno.memoryUsage().rss });
}
console.log(JSON.stringify({ samples, peak: currentBackend().memory().peak }));
