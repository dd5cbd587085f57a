/** What the kernel's programs compute: sizes of what they hold, and the counted operations that "auto" goes by. */
import { assert, assertEquals } from "@std/assert";
import { buildProgram } from "../lib/compiler/build.ts";
import { countOperations } from "../lib/compiler/print.ts";
import type { Program } from "../lib/compiler/program.ts";
import { simplify } from "../lib/compiler/simplify.ts";
import { planKernel } from "../lib/ntk/plan.ts";
import { computes, type NtkCompute } from "../lib/ntk/compute.ts";
import { kernelBy, methodNames, methods, type NtkMethod } from "../lib/ntk/methods.ts";
import { kernelProblem } from "../lib/ntk/problem.ts";
import { conv2d, logSoftmax, relu, type Tensor, tensor } from "../mod.ts";
import { Conv2d, functionalCall, Linear, Module } from "../lib/nn/mod.ts";
import { randomSource } from "./helpers/differences.ts";
import { type KernelCase as Case, kernelProgram, largestResult } from "./helpers/kernel_program.ts";

const random = randomSource(3);

function uniform(...shape: number[]): Tensor {
  const size = shape.reduce((n, s) => n * s, 1);
  return tensor(Float32Array.from({ length: size }, () => 2 * random() - 1), { shape });
}

const programOf = (network: Case, method: NtkMethod, compute: NtkCompute): Program =>
  kernelProgram(network, method, { compute });

class Small extends Module {
  conv = new Conv2d(1, 2, 3);
  fc = new Linear(8, 64);

  forward(x: Tensor): Tensor {
    return this.fc.forward(this.conv.forward(x).relu().flatten(1));
  }
}

const small = new Small();

/** Networks with many outputs (64) and few parameters, so that the full kernel is larger than all else. */
const manyOutputs: Readonly<Record<string, Case>> = {
  "a perceptron": {
    f: ({ w, v }, x) => v.matmul(w.matmul(x).tanh()),
    params: { w: uniform(4, 3), v: uniform(64, 4) },
    x1: uniform(20, 3),
    x2: uniform(20, 3),
  },
  "a perceptron with biases, and an activation at the end": {
    f: ({ w, b, v, c }, x) => v.matmul(w.matmul(x).add(b).tanh()).add(c).tanh(),
    params: { w: uniform(4, 3), b: uniform(4), v: uniform(64, 4), c: uniform(64) },
    x1: uniform(20, 3),
    x2: uniform(20, 3),
  },
  "one weight for all outputs": {
    f: ({ w }, x) => x.matmul(w).sin(),
    params: { w: uniform(3) },
    x1: uniform(20, 64, 3),
    x2: uniform(20, 64, 3),
  },
  "a convolution and a layer, as modules": {
    f: (p, x) => functionalCall(small, p, x.unsqueeze(0)).squeeze(0),
    params: small.namedParameters(),
    x1: uniform(40, 1, 4, 4),
    x2: uniform(40, 1, 4, 4),
  },
};

for (const [name, network] of Object.entries(manyOutputs)) {
  Deno.test(`trace and diagonal never hold the full kernel: ${name}`, () => {
    for (const method of methodNames) {
      const count = (compute: NtkCompute): number =>
        countOperations(programOf(network, method, compute)).contractions;
      const { x1, x2, f, params } = network;
      const { n1, n2, outputSize } = kernelProblem(f, params, x1, x2);
      const full = n1 * n2 * outputSize ** 2;
      assertEquals(outputSize, 64);
      assert(largestResult(programOf(network, method, "full")) >= full);
      for (const compute of ["trace", "diagonal"] as const) {
        const largest = largestResult(programOf(network, method, compute));
        assert(largest < full / 2, `${method}, ${compute}: ${largest} of ${full} elements`);
        assert(count(compute) < count("full") / 2, `${method}, ${compute}: operations`);
      }
    }
  });
}

const image: Case = {
  f: ({ a, b, c }, x) => c.matmul(conv2d(conv2d(x, a).relu(), b).flatten()),
  params: { a: uniform(8, 3, 3, 3), b: uniform(8, 8, 3, 3), c: uniform(10, 8 * 10 * 10) },
  x1: uniform(6, 3, 14, 14),
  x2: uniform(4, 3, 14, 14),
};

const wide: Case = {
  f: ([u, v, w], x) => w.matmul(relu(v.matmul(u.matmul(x).tanh()))),
  params: [uniform(96, 96), uniform(96, 96), uniform(24, 96)],
  x1: uniform(1, 96),
  x2: uniform(1, 96),
};

const spread = uniform(4, 8);

/** A small weight, used at many positions, and still more outputs: products with the kernel beat every contraction. */
const positions: Case = {
  f: ({ w, b }, x) => x.matmul(w).add(b).tanh().matmul(spread).flatten(),
  params: { w: uniform(4, 4), b: uniform(4) },
  x1: uniform(2, 64, 4),
  x2: uniform(2, 64, 4),
};

function costOf(program: Program): number {
  const { contractions, elementwise } = countOperations(program);
  return contractions + 16 * elementwise;
}

Deno.test("auto's program has hardly more operations than the best of one method", () => {
  const networks = { image, wide, positions };
  const chosen: Record<string, string> = {};
  for (const [name, network] of Object.entries(networks)) {
    const { f, params, x1, x2 } = network;
    for (const compute of computes) {
      const problem = kernelProblem(f, params, x1, x2, undefined, { compute });
      const choices = planKernel(problem, "auto").shares.map(({ method }) => method);
      chosen[`${name}, ${compute}`] = [...new Set(choices)].join(" and ");
      const own = costOf(simplify(buildProgram([kernelBy(problem, choices)]).program));
      const single = methodNames.map((method) => costOf(programOf(network, method, compute)));
      assert(
        own <= 1.15 * Math.min(...single),
        `${name}, ${compute}: ${own} by ${chosen[`${name}, ${compute}`]}, ${single}`,
      );
    }
  }
  assertEquals(chosen["image, full"], "structured-derivatives");
  assertEquals(chosen["positions, full"], "ntk-vector-products");
});

Deno.test("parameters may have different methods", () => {
  const { f, params, x1, x2 } = image;
  const problem = kernelProblem(f, params, x1, x2);
  const expected = methods["jacobian-contraction"](problem).dataSync();
  const largest = Math.max(...expected);
  const actual = kernelBy(problem, [...methodNames]).dataSync();
  for (let i = 0; i < actual.length; i++) {
    assert(
      Math.abs(actual[i] - expected[i]) < 1e-5 * largest,
      `${i}: ${actual[i]}, ${expected[i]}`,
    );
  }
});

Deno.test("the counted operations are those of the definition where there is one order", () => {
  // One layer w·x: the Jacobian is x in row a for output a, and the kernel is (x1·x2)·identity: 2·N·M·I operations.
  const layer: Case = {
    f: (w, x) => w.matmul(x),
    params: uniform(5, 7),
    x1: uniform(3, 7),
    x2: uniform(2, 7),
  };
  for (const method of methodNames) {
    const { contractions } = countOperations(programOf(layer, method, "diagonal"));
    assertEquals(contractions, 2 * 3 * 2 * 7, method);
  }
});

Deno.test("Jacobian contraction does not hold the full kernel where outputs mix at the end either", () => {
  const network: Case = {
    ...manyOutputs["a perceptron"],
    f: ({ w, v }, x) => logSoftmax(v.matmul(w.matmul(x).tanh()), 0),
  };
  for (const compute of ["trace", "diagonal"] as const) {
    const largest = largestResult(programOf(network, "jacobian-contraction", compute));
    assert(largest < 20 * 20 * 64 * 64, `${compute}: ${largest}`);
  }
});
