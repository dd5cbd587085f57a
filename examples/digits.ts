/**
 * Kernel regression with the neural tangent kernel of a trained network: real digits, real weights.
 *
 * The network has learned handwritten digits. Its kernel says how alike two images are to it: how much a step of training
 * on one would move the answer for the other. With the kernel among known digits, and between these and held-out ones,
 * linear algebra alone predicts what the held-out ones are.
 *
 * Run with: deno run --allow-read examples/digits.ts
 *
 * @module
 */

import { empiricalNtk, type Tensor, tensor } from "@tangents/ntk";
import { functionalCall } from "@tangents/ntk/nn";
import { models } from "@tangents/ntk/models";
import { readNpy } from "@tangents/ntk/npy";
import { solvePositiveDefinite } from "./linear_algebra.ts";

const file = (path: string): URL => new URL(path, import.meta.url);

// The digits: 8 × 8 pixels of 0 to 16.
const images = await readNpy(file("data/digits_images.npy"));
const labels = await readNpy(file("data/digits_labels.npy"));
const [known, heldOut, classes] = [400, 400, 10];

function digits(start: number, count: number): Tensor {
  const pixels = images.data.subarray(64 * start, 64 * (start + count));
  return tensor(Float32Array.from(pixels, (p) => p / 16), { shape: [count, 1, 8, 8] });
}

// The network, with its trained weights.
const net = models["digits-mlp"].create().eval();
const weights: Record<string, Tensor> = {};
for (const [name, { shape }] of Object.entries(net.stateDict())) {
  const { data } = await readNpy(file(`data/digits_mlp/${name}.npy`));
  weights[name] = tensor(Float32Array.from(data), { shape });
}
const f = (params: Record<string, Tensor>, x: Tensor): Tensor =>
  functionalCall(net, params, x.unsqueeze(0)).squeeze(0);

// The kernel among the known digits, and between them and the held-out ones; both summed over the ten outputs.
const [train, test] = [digits(0, known), digits(known, heldOut)];
const start = performance.now();
const among = await empiricalNtk(f, weights, train, train, { compute: "trace" });
const across = await empiricalNtk(f, weights, test, train, { compute: "trace" });
const seconds = (performance.now() - start) / 1000;

// Ridge regression: α = (Θ + λ·I)⁻¹·Y, with λ a thousandth of the mean of the diagonal.
const theta = Float64Array.from(await among.data());
let diagonal = 0;
for (let i = 0; i < known; i++) diagonal += theta[i * known + i] / known;
for (let i = 0; i < known; i++) theta[i * known + i] += 1e-3 * diagonal;
const targets = new Float64Array(known * classes);
for (let i = 0; i < known; i++) targets[i * classes + labels.data[i]] = 1;
const alpha = solvePositiveDefinite(theta, targets, known, classes);

// What each held-out digit looks like most.
const scores = across.matmul(tensor(Float32Array.from(alpha), { shape: [known, classes] }));
const predictions = await scores.argmax(1).data();
let right = 0;
for (let i = 0; i < heldOut; i++) if (predictions[i] === labels.data[known + i]) right++;

console.log(`kernels [${among.shape}] and [${across.shape}] in ${seconds.toFixed(2)} s`);
console.log(
  `kernel regression on ${known} digits: ${right} of ${heldOut} held-out digits right, accuracy ${
    (right / heldOut).toFixed(3)
  }`,
);
