/** Transforms: known answers, laws, trees, and every order of nesting. */
import { assert, assertEquals } from "@std/assert";
import {
  concat,
  einsum,
  grad,
  hessian,
  jacfwd,
  jacrev,
  jvp,
  linearize,
  ones,
  stack,
  stopGradient,
  type Tensor,
  tensor,
  valueAndGrad,
  vjp,
  vmap,
  zeros,
} from "../mod.ts";
import {
  assertNear,
  assertSame,
  numbers,
  randomLike,
  randomSource,
} from "./helpers/differences.ts";

const f64 = (data: Parameters<typeof tensor>[0]): Tensor => tensor(data, { dtype: "float64" });
const random = randomSource(1);
const uniform = (...shape: number[]): Tensor =>
  randomLike(zeros(shape, { dtype: "float64" }), random);

Deno.test("vjp and jvp multiply with the Jacobian from both sides", () => {
  const a = f64([[1, 2, 3], [4, 5, 6]]);
  const f = (x: Tensor): Tensor => a.matmul(x);
  const [y, pull] = vjp(f, f64([1, 1, 1]));
  assertEquals(numbers(y), [6, 15]);
  assertEquals(numbers(pull(f64([1, 10]))[0]), [41, 52, 63]);
  // The same tape serves again.
  assertEquals(numbers(pull(f64([1, 0]))[0]), [1, 2, 3]);
  const [z, moved] = jvp(f, [f64([1, 1, 1])], [f64([1, 0, 2])]);
  assertEquals([numbers(z), numbers(moved)], [[6, 15], [7, 16]]);
});

Deno.test("perturbations of nested derivatives are not confused", () => {
  const one = f64(1);
  // d/dx (x · d/dy (x + y)) = 1
  for (
    const d of [
      (f: (x: Tensor) => Tensor) => grad(f),
      (f: (x: Tensor) => Tensor) => (x: Tensor) => jvp(f, [x], [one])[1],
    ]
  ) {
    for (
      const e of [
        (f: (x: Tensor) => Tensor) => grad(f),
        (f: (x: Tensor) => Tensor) => (x: Tensor) => jvp(f, [x], [one])[1],
      ]
    ) {
      const inside = (x: Tensor): Tensor => x.mul(e((y) => x.add(y))(one));
      assertEquals(numbers(d(inside)(f64(3))), [1]);
      // d/dx (x · d/dy (x · y)) = 2x
      assertEquals(numbers(d((x) => x.mul(e((y) => x.mul(y))(one)))(f64(3))), [6]);
      // The same tensor inside and outside: d/dx (x · d/dy (y²) at y = x) = 4x
      assertEquals(numbers(d((x) => x.mul(e((y) => y.mul(y))(x)))(f64(3))), [12]);
    }
  }
  // Differentiated at the same captured tensor, by two transforms that know nothing of each other.
  const x = f64(2);
  assertEquals(numbers(grad((y: Tensor) => y.mul(grad((z: Tensor) => z.mul(x).mul(y))(x)))(x)), [
    8,
  ]);
});

Deno.test("higher derivatives of x⁵ by every mix of modes", () => {
  const reverse = (f: (x: Tensor) => Tensor) => (x: Tensor) => grad(f)(x);
  const forward = (f: (x: Tensor) => Tensor) => (x: Tensor) => jvp(f, [x], [f64(1)])[1];
  const expected = [5 * 16, 20 * 8, 60 * 4, 120 * 2, 120, 0];
  for (let mix = 0; mix < 64; mix++) {
    let f = (x: Tensor): Tensor => x.pow(5);
    for (let order = 0; order < 6; order++) {
      f = (mix >> order) & 1 ? reverse(f) : forward(f);
      if (mix === 0 || mix === 63 || order === 5) {
        assertNear(numbers(f(f64(2))), [expected[order]], 1e-12, `order ${order + 1}, mix ${mix}`);
      }
    }
  }
});

Deno.test("jacrev and jacfwd agree, also where the Jacobian is not square", () => {
  const a = uniform(3, 2, 4);
  const f = (x: Tensor): Tensor => einsum("abc,cd->dab", a, x.sin()).exp();
  const x = uniform(4, 2);
  const [reverse, forward] = [jacrev(f)(x), jacfwd(f)(x)];
  assertEquals(reverse.shape, [2, 3, 2, 4, 2]);
  assertSame(forward, reverse, "jacfwd against jacrev");
  const scalar = jacrev((x: Tensor) => x.sum())(x);
  assertEquals([scalar.shape, numbers(scalar)], [[4, 2], new Array(8).fill(1)]);
  assertEquals(jacfwd((x: Tensor) => x.mul(f64([1, 2])))(f64(3)).shape, [2]);
  assertEquals(jacrev((x: Tensor) => x.slice([0, 0]))(f64([1, 2])).shape, [0, 2]);
  assertEquals(jacfwd((x: Tensor) => x.sum())(zeros([0, 3])).shape, [0, 3]);
});

Deno.test("the Hessian is symmetric and right, by all four mixes of modes", () => {
  // f = x₀²·x₁ + sin(x₁·x₂)
  const f = (x: Tensor): Tensor => {
    const [a, b, c] = [0, 1, 2].map((i) => x.slice(i));
    return a.mul(a).mul(b).add(b.mul(c).sin());
  };
  const [a, b, c] = [1.5, -0.5, 0.75];
  const [s, k] = [Math.sin(b * c), Math.cos(b * c)];
  const expected = [
    2 * b,
    2 * a,
    0,
    2 * a,
    -c * c * s,
    k - b * c * s,
    0,
    k - b * c * s,
    -b * b * s,
  ];
  const x = f64([a, b, c]);
  const all = [
    hessian(f),
    jacfwd(jacrev(f)),
    jacrev(jacfwd(f)),
    jacrev(jacrev(f)),
    jacfwd(jacfwd(f)),
  ];
  all.forEach((h, i) => {
    assertEquals(h(x).shape, [3, 3]);
    assertNear(numbers(h(x)), expected, 1e-14, `mix ${i}`);
  });
});

Deno.test("the Hessian of a vector by a tree", () => {
  const f = ({ w, b }: { w: Tensor; b: Tensor }): Tensor => w.mul(w).mul(b);
  const args = { w: f64([2, 3]), b: f64([5, 7]) };
  const h = hessian(f)(args) as unknown as Record<"w" | "b", Record<"w" | "b", Tensor>>;
  assertEquals(Object.keys(h), ["w", "b"]);
  assertEquals(h.w.w.shape, [2, 2, 2]);
  assertEquals(numbers(h.w.w), [10, 0, 0, 0, 0, 0, 0, 14]);
  assertEquals(numbers(h.w.b), [4, 0, 0, 0, 0, 0, 0, 6]);
  assertEquals(numbers(h.b.w), numbers(h.w.b));
  assertEquals(numbers(h.b.b), new Array(8).fill(0));
});

interface Layer {
  w: Tensor;
  b: Tensor;
}
interface Net {
  layers: Layer[];
  scale: Tensor;
}

const net = (): Net => ({
  layers: [{ w: uniform(2, 3), b: uniform(3) }, { w: uniform(3, 2), b: uniform(2) }],
  scale: uniform(),
});
const run = ({ layers, scale }: Net, x: Tensor): Tensor =>
  layers.reduce((h, { w, b }) => h.matmul(w).add(b).tanh(), x).mul(scale);

Deno.test("trees of parameters keep their structure through every transform", () => {
  const params = net();
  const x = uniform(2);
  const loss = (p: Net, x: Tensor): Tensor => run(p, x).sum();
  const gradient = grad(loss)(params, x);
  assertEquals(Object.keys(gradient), ["layers", "scale"]);
  assertEquals(gradient.layers.map(({ w, b }) => [w.shape, b.shape]), [[[2, 3], [3]], [[3, 2], [
    2,
  ]]]);
  const [, pull] = vjp(loss, params, x);
  const [byParams, byX] = pull(f64(1));
  assertSame(byParams.layers[1].w, gradient.layers[1].w, "vjp against grad");
  assertSame(byX, grad(loss, 1)(params, x) as Tensor, "the second argument");
  const jacobian = jacrev(run)(params, x);
  assertEquals(jacobian.layers[0].w.shape, [2, 2, 3]);
  assertEquals(jacobian.scale.shape, [2]);
  const forward = jacfwd(run)(params, x);
  for (const i of [0, 1]) {
    for (const key of ["w", "b"] as const) {
      assertSame(forward.layers[i][key], jacobian.layers[i][key], `layer ${i} ${key}`);
      assertSame(jacobian.layers[i][key].sum(0), gradient.layers[i][key], `summed, ${i} ${key}`);
    }
  }
  const [value, alone] = valueAndGrad(loss)(params, x);
  assertSame(value, loss(params, x), "value");
  assertSame(alone.scale, gradient.scale, "valueAndGrad");
});

Deno.test("the order of keys does not matter in tangents and cotangents", () => {
  const f = ({ a, b }: Record<"a" | "b", Tensor>) => ({ p: a.mul(2), q: b.mul(3) });
  const args = { a: f64([1]), b: f64([10, 20]) };
  const [, moved] = jvp(f, [args], [{ b: f64([1, 1]), a: f64([5]) }]);
  assertEquals([numbers(moved.p), numbers(moved.q)], [[10], [3, 3]]);
  const [, pull] = vjp(f, args);
  const [{ a, b }] = pull({ q: f64([1, 2]), p: f64([4]) });
  assertEquals([numbers(a), numbers(b)], [[8], [3, 6]]);
});

Deno.test("outputs may be trees, constants, inputs as they came, the same twice, or whole numbers", () => {
  const constant = f64([9]);
  const f = (x: Tensor, unused: Tensor) => ({
    sum: x.sum(),
    list: [x, constant, x.mul(2)],
    again: x,
    whole: x.to("int32"),
    size: unused.mul(0).sum(),
  });
  const x = f64([1, 2]);
  const other = f64([3, 3, 3]);
  const [y, moved] = jvp(f, [x, other], [f64([1, 10]), other]);
  assertEquals(numbers(y.list[0]), [1, 2]);
  assertEquals(numbers(moved.sum), [11]);
  assertEquals(moved.list.map(numbers), [[1, 10], [0], [2, 20]]);
  assertEquals(numbers(moved.again), [1, 10]);
  assertEquals([moved.whole.dtype, numbers(moved.whole)], ["int32", [0, 0]]);
  const [, pull] = vjp(f, x, other);
  const [byX, byOther] = pull({
    sum: f64(1),
    list: [f64([10, 0]), f64([7]), f64([0, 100])],
    again: f64([1000, 0]),
    whole: tensor([1, 1], { dtype: "int32" }),
    size: f64(1),
  });
  assertEquals([numbers(byX), numbers(byOther)], [[1011, 201], [0, 0, 0]]);
  const jacobian = jacrev((x: Tensor) => ({ twice: [x.mul(2), x], constant }))(x);
  assertEquals(numbers(jacobian.twice[0]), [2, 0, 0, 2]);
  assertEquals(numbers(jacobian.twice[1]), [1, 0, 0, 1]);
  assertEquals([jacobian.constant.shape, numbers(jacobian.constant)], [[1, 2], [0, 0]]);
  const forward = jacfwd((x: Tensor) => ({ twice: [x.mul(2), x], constant }))(x);
  assertEquals([forward.constant.shape, numbers(forward.constant)], [[1, 2], [0, 0]]);
  assertSame(forward.twice[0], jacobian.twice[0], "jacfwd");
});

Deno.test("whole-number arguments pass through with cotangents of zeros", () => {
  const index = tensor([1, 0, 1], { dtype: "int32" });
  const mask = tensor([true, false, true]);
  const f = (x: Tensor, i: Tensor, m: Tensor): Tensor => x.take(i).mul(m.to("float64")).sum();
  const [, pull] = vjp(f, f64([2, 3]), index, mask);
  const [byX, byIndex, byMask] = pull(f64(1));
  assertEquals(numbers(byX), [0, 2]);
  assertEquals([byIndex.dtype, numbers(byIndex)], ["int32", [0, 0, 0]]);
  assertEquals([byMask.dtype, numbers(byMask)], ["bool", [0, 0, 0]]);
  const [, moved] = jvp(f, [f64([2, 3]), index, mask], [f64([1, 1]), index, mask]);
  assertEquals(numbers(moved), [2]);
});

Deno.test("argnums: one position, several, from the end, and twice the same", () => {
  const f = (a: Tensor, b: Tensor, c: Tensor): Tensor => a.mul(b).mul(b).mul(c).sum();
  const args = [f64([1, 2]), f64([3, 4]), f64([5, 6])] as const;
  assertEquals(numbers(grad(f, 1)(...args)), [30, 96]);
  assertEquals(numbers(grad(f, -1)(...args)), [9, 32]);
  assertEquals((grad(f, [2, 0])(...args) as Tensor[]).map(numbers), [[9, 32], [45, 96]]);
  assertEquals(grad(f, [])(...args), []);
  const [value, list] = valueAndGrad(f, [1])(...args);
  assertEquals([numbers(value), (list as Tensor[]).map(numbers)], [[237], [[30, 96]]]);
  const pairs = jacrev((a: Tensor, b: Tensor) => a.mul(b), [0, 1])(args[0], args[1]);
  assertEquals((pairs as Tensor[]).map(numbers), [[3, 0, 0, 4], [1, 0, 0, 2]]);
  const second = hessian(f, [0, 1])(...args) as Tensor[][];
  assertEquals(second.map((row) => row.map(numbers)), [
    [[0, 0, 0, 0], [30, 0, 0, 48]],
    [[30, 0, 0, 48], [10, 0, 0, 24]],
  ]);
});

Deno.test("vmap: axes for trees, from the end, none, and outputs placed anywhere", () => {
  const f = ({ a, b }: Record<"a" | "b", Tensor>, c: Tensor): Tensor => a.mul(b).add(c);
  const a = uniform(2, 3);
  const b = uniform(3);
  const c = uniform(3, 4, 2);
  const expected = stack([0, 1].map((i) => f({ a: a.slice(i), b }, c.slice(null, 1, i))));
  const part = c.slice(null, 1, null);
  assertSame(vmap(f, [{ a: 0, b: null }, -1])({ a, b }, part), expected, "axes as a tree");
  assertSame(vmap(f, [{ a: -2, b: null }, 1], 1)({ a, b }, part), expected.transpose(), "out 1");
  assertSame(vmap(f, [{ a: 0, b: null }, 1], -1)({ a, b }, part), expected.transpose(), "out −1");
  assertSame(
    vmap((x: Tensor, y: Tensor) => x.add(y), 1)(a, a.mul(2)),
    a.mul(3).transpose(),
    "one axis for all arguments",
  );
  const outputs = vmap((x: Tensor) => ({ p: [x, x.mul(2)], q: b, r: x.sum() }), 0, {
    p: [0, 1],
    q: null,
    r: -1,
  })(a);
  assertSame(outputs.p[0], a, "p0");
  assertSame(outputs.p[1], a.mul(2).transpose(), "p1");
  assertSame(outputs.q, b, "an output that is the same for all");
  assertSame(outputs.r, a.sum(1), "r");
  assertSame(vmap((_: Tensor) => b)(a), stack([b, b]), "repeated where an axis is asked for");
  assertSame(vmap((x: Tensor) => x, 0, 1)(a), a.transpose(), "the input itself");
  assertEquals(vmap((x: Tensor) => x.sum())(zeros([0, 3])).shape, [0]);
  assertEquals(vmap((x: Tensor) => x.sum(), 1)(zeros([0, 3])).shape, [3]);
  // An argument that is not mapped may be anything at all.
  const scaled = vmap((x: Tensor, factor: number) => x.mul(factor), [0, null])(a, 2);
  assertSame(scaled, a.mul(2), "a number");
});

Deno.test("nested vmap gives every pair, in the order of nesting", () => {
  const x = uniform(2, 4);
  const y = uniform(3, 4);
  const dot = (a: Tensor, b: Tensor): Tensor => a.mul(b).sum();
  const all = einsum("nk,mk->nm", x, y);
  const nest = (outer: (number | null)[], inner: (number | null)[], at: number): Tensor =>
    vmap((a: Tensor, b: Tensor) => vmap(dot, inner)(a, b), outer, at)(x, y);
  assertSame(nest([0, null], [null, 0], 0), all, "x outside");
  assertSame(nest([null, 0], [0, null], 0), all.transpose(), "y outside");
  assertSame(nest([null, 0], [0, null], 1), all, "y outside, placed last");
  const third = vmap(
    vmap(vmap((a: Tensor, b: Tensor, c: Tensor) => a.mul(b).sub(c), [0, null, null]), [
      null,
      0,
      null,
    ]),
    [null, null, 0],
  )(f64([1, 2]), f64([3, 5, 7]), f64([0, 10]));
  assertEquals(third.shape, [2, 3, 2]);
  assertEquals(numbers(third), [3, 6, 5, 10, 7, 14, -7, -4, -5, 0, -3, 4]);
});

Deno.test("derivatives inside vmap, and vmap inside derivatives", () => {
  const params = net();
  const xs = uniform(5, 2);
  const perExample = vmap(jacrev(run), [null, 0])(params, xs);
  const looped = Array.from({ length: 5 }, (_, i) => jacrev(run)(params, xs.slice(i)));
  assertSame(
    perExample.layers[0].w,
    stack(looped.map((j) => j.layers[0].w)),
    "vmap of jacrev",
  );
  assertSame(
    vmap(jacfwd(run), [null, 0])(params, xs).layers[1].b,
    perExample.layers[1].b,
    "vmap of jacfwd",
  );
  const whole = jacrev((p: Net) => vmap(run, [null, 0])(p, xs))(params);
  assertSame(whole.layers[0].w, perExample.layers[0].w, "jacrev of vmap");
  assertSame(
    jacfwd((p: Net) => vmap(run, [null, 0])(p, xs))(params).scale,
    perExample.scale,
    "jacfwd of vmap",
  );
  // Gradients of single examples add up to the gradient of the sum.
  const loss = (p: Net, x: Tensor): Tensor => run(p, x).sum();
  const total = grad((p: Net) => vmap(loss, [null, 0])(p, xs).sum())(params);
  assertSame(
    vmap(grad(loss), [null, 0])(params, xs).layers[0].b.sum(0),
    total.layers[0].b,
    "sum of gradients",
  );
  const second = vmap(hessian((x: Tensor) => x.pow(3).sum()))(f64([[1, 2], [3, 4]]));
  assertEquals(numbers(second), [6, 0, 0, 12, 18, 0, 0, 24]);
});

Deno.test("the kernel of both tutorials' methods, by hand", () => {
  const params = net();
  const [x1, x2] = [uniform(3, 2), uniform(2, 2)];
  const [j1, j2] = [x1, x2].map((x) => vmap(jacrev(run), [null, 0])(params, x));
  const flat = (j: Net): Tensor =>
    concat([
      ...j.layers.flatMap(({ w, b }) => [w.flatten(2), b]),
      j.scale.unsqueeze(-1),
    ], 2);
  const contracted = einsum("naf,mbf->nmab", flat(j1), flat(j2));
  const product = (x: Tensor, y: Tensor): Tensor => {
    const [out, pull] = vjp((p: Net) => run(p, x), params);
    const column = (v: Tensor): Tensor => jvp((p: Net) => run(p, y), [params], pull(v))[1];
    return vmap(column, 0, 1)(tensor([[1, 0], [0, 1]], { dtype: out.dtype }));
  };
  const products = vmap((a: Tensor) => vmap((b: Tensor) => product(a, b))(x2))(x1);
  // product(x, y)[b, a] = J(y)·J(x)ᵀ: the output of y comes first.
  assertSame(products.transpose(), contracted, "NTK-vector products");
});

Deno.test("linearize: one call, many tangents, and the tangents may be mapped", () => {
  let calls = 0;
  const f = (x: Tensor): Tensor => {
    calls++;
    return x.exp().mul(x);
  };
  const x = f64([0, 1]);
  const [y, push] = linearize(f, x);
  assertNear(numbers(y), [0, Math.E], 1e-15, "value");
  assertNear(numbers(push(f64([1, 1]))), [1, 2 * Math.E], 1e-15, "first");
  const basis = tensor([[1, 0], [0, 1]], { dtype: "float64" });
  assertSame(vmap(push)(basis), jacfwd(f)(x), "mapped");
  assertEquals(calls, 2);
});

Deno.test("stopGradient cuts every mode, in trees, and under vmap", () => {
  const f = (x: Tensor): Tensor => x.mul(stopGradient({ c: [x] }).c[0]).sum();
  const x = f64([3, 4]);
  assertEquals(numbers(grad(f)(x)), [3, 4]);
  assertEquals(numbers(jvp(f, [x], [f64([1, 1])])[1]), [7]);
  assertEquals(numbers(jacfwd(grad(f))(x)), [0, 0, 0, 0]);
  assertEquals(numbers(vmap(grad((x: Tensor) => x.mul(stopGradient(x))))(x)), [3, 4]);
  assertEquals(numbers(stopGradient(x)), [3, 4]);
});

Deno.test("transforms of functions that mix dtypes keep each dtype", () => {
  const f = (a: Tensor, b: Tensor): Tensor => a.to("float64").mul(b).sum();
  const [byA, byB] = grad(f, [0, 1])(ones([2]), f64([2, 3])) as Tensor[];
  assertEquals([byA.dtype, byB.dtype], ["float32", "float64"]);
  assertEquals([numbers(byA), numbers(byB)], [[2, 3], [1, 1]]);
  assert(jacrev((x: Tensor) => x.to("float64"))(ones([2])).dtype === "float32");
});
