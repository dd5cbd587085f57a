import { assert, assertEquals } from "@std/assert";
import { findConvolutionChains, makeRoom } from "../backends/wasm/convolution_chain.ts";
import { createWasmBackend } from "../backends/wasm/mod.ts";
import { referenceBackend } from "../backends/reference/mod.ts";
import { buildProgram } from "../lib/compiler/build.ts";
import { lower } from "../lib/compiler/lower.ts";
import { simplify } from "../lib/compiler/simplify.ts";
import { realizeSync } from "../lib/core/realize.ts";
import { conv2d, random, setBackend, stack, type Tensor, vjp, vmap } from "../mod.ts";

/** Images, channels, size of an image. */
type Sizes = readonly [images: number, channels: number, height: number, width: number];

/** What is computed of images and two filters, of which the first has as many outputs as the second has channels. */
type Layers = (x: Tensor, first: Tensor, second: Tensor) => Tensor;

const layers: Record<string, Layers> = {
  "two convolutions": (x, first, second) => conv2d(conv2d(x, first).relu(), second).relu(),
  "padding, which is kept": (x, first, second) =>
    conv2d(conv2d(x.sin(), first, undefined, { padding: 1 }).relu(), second, undefined, {
      padding: 1,
    }),
  "what is needed again": (x, first, second) => {
    const y = conv2d(x, first).relu();
    return conv2d(y, second).relu().sum([1, 2, 3]).add(y.sum());
  },
  "a sum over images between": (x, first, second) => {
    const y = conv2d(x, first);
    return conv2d(y.sub(y.mean(0, { keepDims: true })).relu(), second).relu();
  },
  "filters that the images make": (x, first, second) => {
    const y = conv2d(x, first).relu();
    return conv2d(y, second.mul(y.mean([0, 2, 3]).reshape([9, 1, 1])).add(second));
  },
  "images backwards": (x, first, second) => conv2d(conv2d(x, first).relu().flip(0), second).relu(),
  "several cotangents of each image": (x, first, second) => {
    const [y, pull] = vjp((x: Tensor) => conv2d(x, first).relu(), x);
    const sum = vmap((cotangent: Tensor) => pull(cotangent)[0])(stack([y.sin(), y.cos(), y])).sum(
      0,
    );
    return conv2d(conv2d(sum.mul(x), first).relu(), second);
  },
};

function draw([images, channels, height, width]: Sizes): [Tensor, Tensor, Tensor] {
  const keys = [0, 1, 2].map((i) => random.randomKey(i));
  const tensors: [Tensor, Tensor, Tensor] = [
    random.normal(keys[0], [images, channels, height, width]),
    random.normal(keys[1], [9, channels, 3, 3]).mul(0.2),
    random.normal(keys[2], [8, 9, 3, 3]).mul(0.1),
  ];
  realizeSync(tensors);
  return tensors;
}

const sizes: readonly Sizes[] = [[32, 3, 20, 20], [25, 8, 15, 13], [40, 17, 12, 10]];

/** Throws unless a tensor has the reference's values, and the same bits on any number of threads. */
async function check(make: () => Tensor, threads: readonly number[], what: string): Promise<void> {
  setBackend(referenceBackend);
  const expected = await make().data();
  const results: ArrayLike<number>[] = [];
  for (const count of threads) {
    const backend = createWasmBackend({ threads: count, shareAbove: 0 });
    setBackend(backend);
    backend.startThreads();
    results.push(await make().data());
    backend.stopThreads();
  }
  for (const result of results) assertEquals(result, results[0]);
  let largest = 0;
  for (const x of expected) largest = Math.max(largest, Math.abs(x));
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(results[0][i] - expected[i]) / largest;
    assert(error <= 2e-6, `${what} at ${i}: ${results[0][i]}, expected ${expected[i]}`);
  }
}

for (const [name, f] of Object.entries(layers)) {
  Deno.test(`image by image: ${name}, against the reference and on more threads`, async () => {
    for (const size of sizes) await check(() => f(...draw(size)), [1, 2, 3], `${size}`);
  });
}

Deno.test("image by image: sums along short rows, with images enough for few threads only", async () => {
  for (const [images, height, width] of [[9, 15, 8], [10, 12, 6], [17, 9, 10]]) {
    const make = () => {
      const [x, first] = draw([images, 2, height, width]);
      const y = conv2d(x, first, undefined, { padding: 1 }).tanh();
      return y.sub(y.mean([2, 3], { keepDims: true })).sum(3);
    };
    await check(make, [1, 2, 3], `${images} images`);
  }
});

Deno.test("image by image: large images, where the arena's plan moves the ends of chains", async () => {
  const [channels, side, depth] = [4, 120, 6];
  await check(
    () => {
      const x = random.normal(random.randomKey(1), [8, channels, side, side]);
      const filter = random.normal(random.randomKey(2), [channels, channels, 3, 3]).mul(0.2);
      realizeSync([x, filter]);
      // A temporary that lives in the arena all the time.
      const first = x.sin();
      let y = first;
      for (let i = 0; i < depth; i++) {
        y = conv2d(y, filter);
        if (i % 3 === 1) y = y.relu();
      }
      const inside = [depth, side - depth] as const;
      return y.add(first.flip(0).slice(null, null, inside, inside));
    },
    [1],
    "six convolutions",
  );
});

/** Members and kept buffers of each chain of a program. */
function chainsOf(f: Layers, size: Sizes, threads = 1): { members: number; kept: number }[] {
  setBackend(createWasmBackend({ threads: 1 }));
  const lowered = lower(simplify(buildProgram([f(...draw(size))]).program));
  return findConvolutionChains(makeRoom(lowered, true, threads), true, threads)
    .map(({ members, kept }) => ({ members: members.length, kept: kept.length }));
}

Deno.test("image by image: a chain has all that keeps to its image, and keeps what nobody else needs", () => {
  const [size] = sizes;
  const [two] = chainsOf(layers["two convolutions"], size);
  assertEquals(two, { members: 4, kept: 2 });
  const [again] = chainsOf(layers["what is needed again"], size);
  assert(again.members >= 3 && again.kept < two.kept);
});

Deno.test("image by image: not where an image needs others, nor with few images for each thread", () => {
  const [size] = sizes;
  for (const name of ["a sum over images between", "filters that the images make"]) {
    for (const { members } of chainsOf(layers[name], size)) assert(members <= 3, name);
  }
  assertEquals(chainsOf(layers["two convolutions"], size, 5), []);
  assertEquals(chainsOf(layers["two convolutions"], [4, 3, 20, 20]), []);
});
