/** Transforms and the graph under them: values read in between, memory, depth, and captured tensors. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  grad,
  jacfwd,
  jacrev,
  jvp,
  linearize,
  realize,
  type Tensor,
  tensor,
  TraceError,
  vjp,
  vmap,
} from "../mod.ts";
import { assertNear, numbers } from "./helpers/differences.ts";

const f64 = (data: Parameters<typeof tensor>[0]): Tensor => tensor(data, { dtype: "float64" });

/** Tensors reachable from one through what computes it. */
function history(x: Tensor): number {
  const seen = new Set<Tensor>([x]);
  const stack = [x];
  while (stack.length > 0) {
    for (const input of stack.pop()!.operation?.inputs ?? []) {
      if (!seen.has(input)) {
        seen.add(input);
        stack.push(input);
      }
    }
  }
  return seen.size;
}

/** x² above 1, else 3x, decided by reading a value; the parts of x² are computed on their own on the way. */
function branching(x: Tensor): Tensor {
  const square = x.mul(x);
  return square.itemSync() > 1 ? square : x.mul(3);
}

Deno.test("functions may decide by values that they read", () => {
  for (const [at, slope, curve] of [[2, 4, 2], [0.5, 3, 0]]) {
    const x = f64(at);
    const one = f64(1);
    assertEquals(numbers(grad(branching)(x)), [slope], `grad at ${at}`);
    assertEquals(numbers(jvp(branching, [x], [one])[1]), [slope], `jvp at ${at}`);
    assertEquals(numbers(jacrev(branching)(x)), [slope], `jacrev at ${at}`);
    assertEquals(numbers(jacfwd(branching)(x)), [slope], `jacfwd at ${at}`);
    assertEquals(numbers(linearize(branching, x)[1](one)), [slope], `linearize at ${at}`);
    assertEquals(numbers(grad((y: Tensor) => grad(branching)(y))(x)), [curve], `twice at ${at}`);
    assertEquals(numbers(jvp((y: Tensor) => grad(branching)(y), [x], [one])[1]), [curve]);
    assertEquals(numbers(grad((y: Tensor) => jvp(branching, [y], [one])[1])(x)), [curve]);
  }
});

Deno.test("the derivative itself may be read inside an outer derivative", () => {
  const f = (x: Tensor): Tensor => {
    const slope = grad((y: Tensor) => y.pow(3))(x);
    return slope.itemSync() > 0 ? slope.mul(x) : x;
  };
  // 3x²·x = 3x³, whose derivative is 9x².
  assertEquals(numbers(grad(f)(f64(2))), [36]);
});

Deno.test("reading results, arguments and everything between them does not break the tape", async () => {
  const x = f64([1, 2]).mul(1);
  const w = f64([3, 4]).add(0);
  const kept: Tensor[] = [];
  const f = (y: Tensor): Tensor => {
    const h = y.mul(w).exp();
    kept.push(h);
    h.dataSync();
    return h.mul(y).sum();
  };
  const [y, pull] = vjp(f, x);
  const before = numbers(pull(f64(1))[0]);
  await realize([y, kept, x, w]);
  assertEquals(numbers(pull(f64(1))[0]), before);
  const expected = [1, 2].map((v, i) => Math.exp(v * [3, 4][i]) * (1 + v * [3, 4][i]));
  assertNear(before, expected, 1e-14, "gradient");
  const [z, push] = linearize(f, x);
  const moved = numbers(push(f64([1, 1])));
  await realize([z, kept]);
  assertEquals(numbers(push(f64([1, 1]))), moved);
  assertNear(moved, [expected[0] + expected[1]], 1e-14, "jvp");
});

Deno.test("the derivative of a derivative that was computed on the way", async () => {
  const [, pull] = vjp((x: Tensor) => x.pow(3), f64([1, 2]));
  const one = f64([1, 1]);
  await pull(one)[0].data();
  // v ↦ vᵀJ is linear, and may be transformed after its tape was read.
  assertEquals(numbers(jacrev((v: Tensor) => pull(v)[0])(one)), [3, 0, 0, 12]);
  assertEquals(numbers(jvp((v: Tensor) => pull(v)[0], [one], [f64([0, 1])])[1]), [0, 12]);
});

Deno.test("captured tensors are shared, lazy or not, and carry no derivative", async () => {
  const lazy = f64([2, 3]).exp();
  const known = f64([5, 7]);
  const f = (x: Tensor): Tensor => x.mul(lazy).mul(known).sum();
  const expected = [5 * Math.exp(2), 7 * Math.exp(3)];
  assertNear(numbers(grad(f)(f64([1, 1]))), expected, 1e-15, "lazy");
  await lazy.data();
  assertNear(numbers(grad(f)(f64([1, 1]))), expected, 1e-15, "known");
  assertNear(numbers(grad((x: Tensor) => lazy.mul(x).sum())(known)), numbers(lazy), 1e-15, "only");
  assertEquals(numbers(grad((_: Tensor) => lazy.sum())(known)), [0, 0]);
  // A tensor made from the argument outside is another tensor.
  const x = f64(3);
  const outside = x.mul(x);
  assertEquals(numbers(grad((y: Tensor) => y.mul(outside))(x)), [9]);
});

Deno.test("values cannot be read inside vmap, and the error says so", async () => {
  const x = f64([[1, 2], [3, 4]]);
  const reads: [string, (x: Tensor) => unknown][] = [
    ["dataSync", (x) => x.dataSync()],
    ["itemSync", (x) => x.sum().itemSync()],
    ["realize, derived", (x) => x.mul(2).sin().dataSync()],
    ["through grad", (x) => grad((y: Tensor) => (y.dataSync(), y.sum()))(x)],
  ];
  for (const [name, read] of reads) {
    const f = (y: Tensor): Tensor => (read(y), y);
    const error = assertThrows(() => vmap(f)(x), TraceError, "inside vmap", name);
    assert(/where\(/.test(error.message), error.message);
  }
  let promise: Promise<unknown> = Promise.resolve();
  let text = "";
  vmap((y: Tensor) => {
    promise = y.data();
    text = `${y}`;
    return y;
  })(x);
  const message = await promise.then(() => "", (error: Error) => error.message);
  assert(message.includes("inside vmap"), message);
  assertEquals(text, "Tensor float64 [2] (no value inside vmap)");
  // What does not depend on a mapped argument has a value.
  const w = f64([1, 2]);
  const f = (y: Tensor, v: Tensor): Tensor => v.sum().itemSync() > 2 ? y.mul(v) : y;
  assertEquals(numbers(vmap(f, [0, null])(x, w)), [1, 4, 3, 8]);
});

Deno.test("a placeholder that leaves its vmap has no value either", () => {
  let leaked: Tensor | undefined;
  vmap((x: Tensor) => leaked = x.mul(2))(f64([1, 2]));
  assertThrows(() => leaked!.dataSync(), TraceError, "inside vmap");
});

Deno.test("a graph 20,000 operations deep is differentiated, batched, compiled and run", () => {
  const depth = 20_000;
  const f = (x: Tensor): Tensor => {
    let y = x;
    for (let i = 0; i < depth; i++) y = i % 2 === 0 ? y.sin() : y.add(x);
    return y;
  };
  // The same in plain numbers, with its derivative.
  const plain = (x: number): [number, number] => {
    let [y, d] = [x, 1];
    for (let i = 0; i < depth; i++) {
      [y, d] = i % 2 === 0 ? [Math.sin(y), Math.cos(y) * d] : [y + x, d + 1];
    }
    return [y, d];
  };
  const x = f64(0.3);
  const [value, slope] = plain(0.3);
  assertNear(numbers(f(x)), [value], 1e-12, "value");
  assertNear(numbers(grad(f)(x)), [slope], 1e-12, "reverse");
  assertNear(numbers(jvp(f, [x], [f64(1)])[1]), [slope], 1e-12, "forward");
  const all = vmap(f)(f64([0.3, 0.7]));
  assertNear(numbers(all), [value, plain(0.7)[0]], 1e-12, "vmap");
});

Deno.test("what was computed drops its history", async () => {
  const x = f64([1, 2]);
  const y = x.mul(2).add(1);
  assert(history(y) > 1);
  await y.data();
  assertEquals(history(y), 1);
  // A state that only ever is read inside transforms must not drag all of its past along.
  let state = f64([0.5, 0.25]);
  let sizes: number[] = [];
  for (let i = 0; i < 20; i++) {
    const gradient = grad((s: Tensor) => {
      state.dataSync();
      return s.mul(s).mul(state).sum();
    })(x);
    state = state.add(gradient.mul(0.01));
    sizes = [...sizes, history(state)];
  }
  assert(sizes[19] <= sizes[1] + 2, `history grows: ${sizes}`);
});

Deno.test("results of a loop of transforms keep no graph", async () => {
  let w = f64([1, 1]);
  const x = f64([2, 3]);
  const loss = (w: Tensor): Tensor => w.mul(x).sum().sub(1).pow(2);
  for (let i = 0; i < 50; i++) {
    w = w.sub(grad(loss)(w).mul(0.02));
    await w.data();
    assertEquals(history(w), 1);
  }
  assertNear([await loss(w).item()], [0], 1e-12, "loss");
});

Deno.test("disposing inside a function that is differentiated returns memory and breaks nothing", () => {
  const f = (x: Tensor): Tensor => {
    using h = x.exp();
    const y = h.mul(x);
    y.dataSync();
    return y.sum();
  };
  const x = f64([1, 2]);
  const expected = [2 * Math.E, 3 * Math.E ** 2];
  assertNear(numbers(grad(f)(x)), expected, 1e-14, "grad");
  assertNear(numbers(jvp(f, [x], [f64([1, 0])])[1]), [expected[0]], 1e-14, "jvp");
});

Deno.test("a disposed tensor is not a tensor of zeros", () => {
  const x = f64([1, 2]);
  const c = f64([3, 4]);
  c.dispose();
  assertThrows(() => numbers(grad((x: Tensor) => x.mul(c).sum())(x)), TraceError, "disposed");
});

Deno.test("an input returned as output is a tensor of its own", async () => {
  const x = f64([1, 2]);
  const [y] = vjp((x: Tensor) => x, x);
  await y.data();
  y.dispose();
  assertEquals(numbers(x), [1, 2]);
});

Deno.test("after an error inside a transform, tensors drop their history again", async () => {
  assertThrows(() => grad((_: Tensor) => tensor([1, 2]))(f64(1)));
  assertThrows(() =>
    vmap((_: Tensor): Tensor => {
      throw new RangeError("mine");
    })(f64([1])), RangeError);
  const y = f64([1]).add(1);
  await y.data();
  assertEquals(history(y), 1);
});
