/**
 * Kernel regression with the neural tangent kernel of a trained network: real digits, real weights.
 *
 * The network learned to tell handwritten digits from others. Its kernel says how alike two images are to it; with the
 * kernel between 400 known digits and 200 held-out ones, linear algebra predicts what the held-out ones are.
 *
 * Run with: deno run --allow-read examples/digits.ts
 *
 * @module
 */

import { empiricalNtk, tensor } from "@tangents/ntk";
import { functionalCall } from "@tangents/ntk/nn";
import { digitsMlp } from "@tangents/ntk/models";
import { readNpy } from "@tangents/ntk/npy";
import type { Tensor } from "@tangents/ntk";
import { solvePositiveDefinite } from "./linear_algebra.ts";

const here = (path: string): URL => new URL(path, import.meta.url);

const images = await readNpy(here("data/digits_images.npy"));
const labels = await readNpy(here("data/digits_labels.npy"));
