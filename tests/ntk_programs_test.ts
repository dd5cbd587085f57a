/**
 * The optimized programs of all methods on a small CNN, as text, so that a change in what is computed shows in review.
 *
 * After a change that is meant: `deno test -A tests/ntk_programs_test.ts -- --update`, and read the difference.
 */
import { assertEquals } from "@std/assert";
import { conv2d, type Tensor, tensor } from "../mod.ts";
import { countOperations, printProgram } from "../lib/compiler/print.ts";
import { methodNames } from "../lib/ntk/methods.ts";
import { kernelProgram } from "./helpers/kernel_program.ts";

const folder = new URL("data/programs/", import.meta.url);
const update = Deno.args.includes("--update");

/** Data, whatever it holds: zeros by construction would be folded. */
const data = (...shape: number[]): Tensor =>
  tensor(new Float32Array(shape.reduce((n, size) => n * size, 1)), { shape });

const network = {
  f: (p: Record<string, Tensor>, x: Tensor): Tensor => {
    x = conv2d(x.unsqueeze(0), p.conv1, p.bias1, { padding: 1 }).relu();
    x = conv2d(x, p.conv2, p.bias2).relu();
    return p.fc.matmul(x.flatten()).add(p.bias);
  },
  params: {
    conv1: data(4, 2, 3, 3),
    bias1: data(4),
    conv2: data(5, 4, 3, 3),
    bias2: data(5),
    fc: data(3, 5 * 4 * 4),
    bias: data(3),
  },
  x1: data(7, 2, 6, 6),
  x2: data(6, 2, 6, 6),
};

for (const method of methodNames) {
  Deno.test(`the program of ${method} on a small CNN is the one that was reviewed`, async () => {
    const program = kernelProgram(network, method);
    const { contractions, elementwise } = countOperations(program);
    const text = [
      `${method}, full, 7 x 6 examples, 3 outputs: ${contractions} operations of contractions, ${elementwise} elements of others`,
      printProgram(program),
      "",
    ].join("\n");
    const file = new URL(`${method}.txt`, folder);
    if (update) await Deno.writeTextFile(file, text);
    assertEquals(text, await Deno.readTextFile(file));
  });
}
