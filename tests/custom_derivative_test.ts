/** customVjp and customJvp: in every mode, nested, batched, with trees and several outputs, and used wrongly. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  customJvp,
  customVjp,
  DTypeError,
  grad,
  hessian,
  jacfwd,
  jacrev,
  jvp,
  linearize,
  ShapeError,
  stack,
  type Tensor,
  tensor,
  TraceError,
  TreeError,
  vjp,
  vmap,
} from "../mod.ts";
import {
  assertNear,
  assertSame,
  checkFirstOrder,
  checkSecondOrder,
  numbers,
  randomLike,
  randomSource,
} from "./helpers/differences.ts";

const f64 = (data: Parameters<typeof tensor>[0]): Tensor => tensor(data, { dtype: "float64" });
const random = randomSource(8);
const like = (x: Tensor): Tensor => randomLike(x, random);

/** x ↦ x with a derivative of 5 instead of 1, so that the rule shows. */
const five = customVjp((x: Tensor) => x.mul(1), (x) => [x, null], (_, v) => [v.mul(5)]);
const fiveForward = customJvp((x: Tensor) => x.mul(1), (_, [t]) => t.mul(5));
/** e^x by rules that use the residual and the primal. */
const exponential = customVjp(
  (x: Tensor) => x.exp(),
  (x) => [x.exp(), x.exp()],
  (y, v) => [v.mul(y)],
);
const exponentialForward = customJvp((x: Tensor) => x.exp(), ([x], [t]) => t.mul(x.exp()));

Deno.test("the given rule is used, in every mode, by both functions", () => {
  const x = f64([1, 2]);
  const v = f64([1, 10]);
  for (const f of [five, fiveForward]) {
    assertEquals(numbers(f(x)), [1, 2]);
    assertEquals(numbers(vjp(f, x)[1](v)[0]), [5, 50]);
    assertEquals(numbers(jvp(f, [x], [v])[1]), [5, 50]);
    assertEquals(numbers(linearize(f, x)[1](v)), [5, 50]);
    assertEquals(numbers(jacrev(f)(x)), [5, 0, 0, 5]);
    assertEquals(numbers(jacfwd(f)(x)), [5, 0, 0, 5]);
    assertEquals(numbers(grad((x: Tensor) => f(f(x)).sum())(x)), [25, 25]);
    assertEquals(numbers(grad((x: Tensor) => f(x).mul(x).sum())(x)), [6, 12]);
  }
});

Deno.test("to second order and further, against differences", () => {
  const x = f64([0.5, -0.25]);
  for (const f of [exponential, exponentialForward]) {
    const g = (x: Tensor): Tensor => f(x.mul(2)).mul(x);
    checkFirstOrder(g, [x], { what: "first" });
    checkSecondOrder(g, [x], { what: "second" });
    const all = [hessian, (f: (x: Tensor) => Tensor) => jacrev(jacrev(f))].map((h) =>
      h((x: Tensor) => f(x).sum())(x)
    );
    for (const h of all) {
      assertNear(numbers(h), [Math.exp(0.5), 0, 0, Math.exp(-0.25)], 1e-15, "Hessian");
    }
    const third = grad((a: Tensor) => grad((b: Tensor) => grad(f)(b))(a))(f64(0.5));
    assertNear(numbers(third), [Math.exp(0.5)], 1e-15, "third");
  }
});

/** [x·y, Σ x²] with right derivatives, over a tree. */
interface Pair {
  x: Tensor;
  y: Tensor;
}
const outputs = ({ x, y }: Pair) => ({ product: x.mul(y), square: x.mul(x).sum() });
const treeVjp = customVjp(
  (p: Pair) => outputs(p),
  (p) => [outputs(p), p],
  ({ x, y }, { product, square }) => [{
    x: product.mul(y).add(square.mul(x).mul(2)),
    y: product.mul(x),
  }],
);
const treeJvp = customJvp(
  (p: Pair) => outputs(p),
  ([{ x, y }], [t]) => ({
    product: t.x.mul(y).add(x.mul(t.y)),
    square: t.x.mul(x).sum().mul(2),
  }),
);

Deno.test("trees, and several outputs, also where only one of them is used", () => {
  const xs = [f64([1, 2, 3]), f64([-1, 0.5, 2])];
  for (const f of [treeVjp, treeJvp]) {
    const both = (x: Tensor, y: Tensor): Tensor => {
      const { product, square } = f({ x, y });
      return product.sin().mul(square);
    };
    const one = (x: Tensor, y: Tensor): Tensor => f({ x, y }).product;
    const scalar = (x: Tensor, y: Tensor): Tensor => f({ x, y }).square;
    for (const g of [both, one, scalar]) {
      checkFirstOrder(g, xs, { what: "first", step: 1e-4, tolerance: 1e-7 });
      checkSecondOrder(g, xs, { what: "second", step: 1e-4, tolerance: 1e-7 });
    }
    const [, pull] = vjp(f, { x: xs[0], y: xs[1] });
    const v = { product: like(xs[0]), square: f64(2) };
    const [expected] = vjp(outputs, { x: xs[0], y: xs[1] })[1](v);
    assertSame(pull(v)[0].x, expected.x, "x");
    assertSame(pull(v)[0].y, expected.y, "y");
  }
});

Deno.test("under vmap, whichever arguments are mapped, with derivatives inside and outside", () => {
  const x = [f64([1, 2, 3]), f64([0.5, -1, 2])];
  const y = [f64([-1, 0.5, 2]), f64([3, 1, -2])];
  const plain = (x: Tensor, y: Tensor): Tensor => {
    const { product, square } = outputs({ x, y });
    return product.sin().mul(square);
  };
  for (const f of [treeVjp, treeJvp]) {
    const custom = (x: Tensor, y: Tensor): Tensor => {
      const { product, square } = f({ x, y });
      return product.sin().mul(square);
    };
    for (const axes of [[0, 0], [0, null], [null, 0], [1, 0], [1, 1], [null, 1]]) {
      const operands = [x, y].map((list, i) => axes[i] === null ? list[0] : stack(list, axes[i]!));
      const [a, b] = operands;
      const check = (g: (h: typeof plain) => (x: Tensor, y: Tensor) => unknown, what: string) => {
        const [actual, expected] = [g(custom)(a, b), g(plain)(a, b)] as Tensor[][];
        [actual].flat().forEach((t, i) =>
          assertSame(t, [expected].flat()[i], `${what}, axes [${axes}]`)
        );
      };
      check((h) => vmap(h, axes), "vmap");
      check((h) => vmap(jacrev(h), axes), "vmap of jacrev by x");
      check((h) => vmap(jacrev(h, 1), axes), "vmap of jacrev by y");
      check((h) => vmap(jacfwd(h), axes), "vmap of jacfwd by x");
      check((h) => vmap(jacfwd(h, 1), axes), "vmap of jacfwd by y");
      check((h) => jacrev(vmap(h, axes), [0, 1]), "jacrev of vmap");
      check((h) => jacfwd(vmap(h, axes), [0, 1]), "jacfwd of vmap");
      check((h) => vmap(hessian((x: Tensor, y: Tensor) => h(x, y).sum()), axes), "vmap of hessian");
    }
  }
});

Deno.test("under nested vmap, each level with other arguments", () => {
  const x = like(f64([[0, 0, 0], [0, 0, 0]]));
  const y = like(f64([[0, 0, 0], [0, 0, 0]]));
  const combine = ({ product, square }: ReturnType<typeof outputs>): Tensor =>
    product.sin().mul(square);
  type Transform = (h: (x: Tensor, y: Tensor) => Tensor) => (x: Tensor, y: Tensor) => Tensor;
  for (const f of [treeVjp, treeJvp]) {
    for (
      const [outer, inner] of [
        [[null, 0], [0, null]],
        [[0, null], [null, 0]],
      ]
    ) {
      const transforms: Transform[] = [
        (h) => vmap(vmap(h, inner), outer),
        (h) => vmap(vmap(jacrev(h, 1), inner), outer),
        (h) => vmap(vmap(jacfwd(h), inner), outer),
        (h) => vmap(jacrev(vmap(h, inner)), outer),
        (h) => vmap(jacfwd(vmap(h, inner), 1), outer),
        (h) => jacrev(vmap(vmap(h, inner), outer)),
        (h) => jacfwd(vmap(vmap(h, inner), outer), 1),
      ];
      transforms.forEach((transform, i) => {
        const actual = transform((x, y) => combine(f({ x, y })))(x, y);
        const expected = transform((x, y) => combine(outputs({ x, y })))(x, y);
        assertSame(actual, expected, `transform ${i}, outer [${outer}]`);
      });
    }
  }
});

Deno.test("a value that is the same for all examples keeps its derivative for each", () => {
  const x = f64([1, 2]);
  const xs = f64([[1, 1], [2, 3]]);
  for (const f of [five, fiveForward]) {
    const g = (a: Tensor, b: Tensor): Tensor => f(a).mul(b);
    assertEquals(numbers(jacrev((a: Tensor) => vmap(g, [null, 0])(a, xs).sum())(x)), [15, 20 * 1]);
    assertEquals(
      numbers(jvp((a: Tensor) => vmap(g, [null, 0])(a, xs), [x], [f64([1, 1])])[1]),
      [5, 5, 10, 15],
    );
  }
});

Deno.test("values captured from an outer vmap", () => {
  const w = f64([1, 2]);
  const xs = f64([[1, 1], [2, 3]]);
  const one = f64([1, 1]);
  // The rule is met inside the same vmap: by reverse mode, and by forward mode.
  const reverse = vmap((x: Tensor) => {
    const f = customVjp((p: Tensor) => p.mul(x), (p) => [p.mul(x), null], (_, v) => [v.mul(x)]);
    return stack([grad((p: Tensor) => f(p).sum())(w), jvp(f, [w], [one])[1]]);
  })(xs);
  const forward = vmap((x: Tensor) => {
    const f = customJvp((p: Tensor) => p.mul(x), (_, [t]) => t.mul(x));
    return stack([grad((p: Tensor) => f(p).sum())(w), jvp(f, [w], [one])[1]]);
  })(xs);
  for (const result of [reverse, forward]) assertSame(result, stack([xs, xs], 1), "captured");
  // Met outside, where the rule itself is the same for all examples.
  const outside = (p: Tensor): Tensor =>
    vmap((x: Tensor) => customVjp((p: Tensor) => p.mul(x), (p) => [p.mul(x), 0], (_, v) => [v])(p))(
      xs,
    );
  assertEquals(numbers(jvp(outside, [w], [w])[1]), [1, 2, 1, 2]);
  assertEquals(numbers(vjp(outside, w)[1](xs)[0]), [3, 4]);
  // A rule that needs an example's own value has none outside.
  const needy = (p: Tensor): Tensor =>
    vmap((x: Tensor) =>
      customVjp((p: Tensor) => p.mul(x), (p) => [p.mul(x), 0], (_, v) => [v.mul(x)])(p)
    )(xs);
  assertThrows(() => numbers(vjp(needy, w)[1](xs)[0]), TraceError, "vmap");
});

Deno.test("arguments that are whole numbers or bool, mapped or not", () => {
  const index = tensor([1, 0], { dtype: "int32" });
  const mask = tensor([true, false]);
  const plain = (x: Tensor, i: Tensor, m: Tensor): Tensor => x.take(i).mul(m.to("float64"));
  const reverse = customVjp(
    plain,
    (x, i, m) => [plain(x, i, m), { x, i, m }],
    ({ x, i, m }, v) => [
      vjp((x: Tensor) => plain(x, i, m), x)[1](v)[0],
      i.mul(0),
      m.logicalAnd(m.logicalNot()),
    ],
  );
  const forward = customJvp(plain, ([, i, m], [t]) => plain(t, i, m));
  const x = f64([[1, 2], [3, 4]]);
  for (const f of [reverse, forward]) {
    assertEquals(numbers(grad((x: Tensor) => f(x, index, mask).sum())(f64([1, 2]))), [0, 1]);
    const perExample = vmap(grad((x: Tensor) => f(x, index, mask).sum()))(x);
    assertEquals(numbers(perExample), [0, 1, 0, 1]);
    const of = (x: Tensor): Tensor => vmap(f, [0, null, null])(x, index, mask).sum();
    assertEquals(numbers(grad(of)(x)), [0, 1, 0, 1]);
    assertEquals(numbers(jvp(of, [x], [x])[1]), [6]);
  }
});

Deno.test("functions, cotangents and tangents that do not fit are refused by name", () => {
  const x = f64([1, 2]);
  const sum = (f: (x: Tensor) => Tensor) => numbers(grad((x: Tensor) => f(x).sum())(x));
  const wrong = (backward: unknown) =>
    customVjp((x: Tensor) => x, (x) => [x, null], backward as () => [Tensor]);
  assertThrows(() => sum(wrong(() => [f64([1])])), ShapeError, "customVjp");
  assertThrows(() => sum(wrong(() => [tensor([1, 2])])), DTypeError, "customVjp");
  assertThrows(() => sum(wrong(() => [x, x])), TreeError, "customVjp");
  assertThrows(() => sum(wrong(() => x)), TreeError, "customVjp");
  const other = customVjp((x: Tensor) => x, (x) => [[x] as never, null], (_, v) => [v]);
  assertThrows(() => sum(other), TreeError, "forward");
  const noPair = customVjp((x: Tensor) => x, ((x: Tensor) => x) as never, (_, v) => [v]);
  assertThrows(() => sum(noPair), TreeError, "forward");
  const push = (rule: unknown) => customJvp((x: Tensor) => x, rule as () => Tensor);
  for (const run of [sum, (f: (x: Tensor) => Tensor) => jvp(f, [x], [x])]) {
    assertThrows(() => run(push(() => f64([1]))), ShapeError, "customJvp");
    assertThrows(() => run(push(() => f64(1))), ShapeError, "customJvp");
    assertThrows(() => run(push(() => tensor([1, 2]))), DTypeError, "customJvp");
    assertThrows(() => run(push(() => [x])), TreeError, "customJvp");
  }
  assertThrows(() => customJvp(x as never, () => x), TreeError, "customJvp");
  assertThrows(() => customVjp((x: Tensor) => x, null as never, () => [x]), TreeError, "customVjp");
});

Deno.test("the rule is asked only where a derivative is", () => {
  let calls = 0;
  const f = customVjp((x: Tensor) => x.mul(2), (x) => (calls++, [x.mul(2), null]), (_, v) => [v]);
  assertEquals(numbers(f(f64(1))), [2]);
  assertEquals(numbers(vmap(f)(f64([1, 2]))), [2, 4]);
  assertEquals(calls, 0);
  assertEquals(numbers(grad(f)(f64(1))), [1]);
  assert(calls > 0);
});
