/** What transforms refuse, by class and by words. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  ArgumentError,
  AxisError,
  DTypeError,
  grad,
  hessian,
  jacfwd,
  jacrev,
  jvp,
  linearize,
  ones,
  ShapeError,
  stopGradient,
  type Tensor,
  tensor,
  TreeError,
  valueAndGrad,
  vjp,
  vmap,
} from "../mod.ts";

const x = ones([3]);
const whole = tensor([1, 2, 3], { dtype: "int32" });
// deno-lint-ignore no-explicit-any -- calls that do not fit the types on purpose
const loose = (value: unknown): any => value;

type ErrorClass = new (message?: string) => Error;

/** Each throws the error, whose message holds all of the words. */
function refuses(title: string, cases: [() => unknown, ErrorClass, ...string[]][]): void {
  Deno.test(title, () => {
    for (const [run, type, ...words] of cases) {
      const error = assertThrows(run, type, words[0], `${run}`);
      for (const word of words) assert(error.message.includes(word), `${word} in ${error.message}`);
    }
  });
}

const transforms: Record<string, (f: unknown, ...args: unknown[]) => unknown> = {
  grad: (f, ...args) => grad(loose(f))(...loose(args)),
  valueAndGrad: (f, ...args) => valueAndGrad(loose(f))(...loose(args)),
  jacrev: (f, ...args) => jacrev(loose(f))(...loose(args)),
  jacfwd: (f, ...args) => jacfwd(loose(f))(...loose(args)),
  hessian: (f, ...args) => hessian(loose(f))(...loose(args)),
  vjp: (f, ...args) => vjp(loose(f), ...args),
  jvp: (f, ...args) => jvp(loose(f), args, args),
  linearize: (f, ...args) => linearize(loose(f), ...args),
  vmap: (f, ...args) => vmap(loose(f))(...loose(args)),
};

Deno.test("every transform refuses what is no function, by name", () => {
  for (const [name, apply] of Object.entries(transforms)) {
    for (const f of [undefined, null, 3, x, "f", {}]) {
      const error = assertThrows(() => apply(f, x), TreeError, "expected a function");
      const names = name === "hessian" ? ["jacrev"] : [name];
      assert(names.some((n) => error.message.startsWith(n)), `${name}: ${error.message}`);
    }
  }
});

Deno.test("every transform refuses functions that return promises or no tensors, and says what to do", () => {
  for (const [name, apply] of Object.entries(transforms)) {
    const promise = assertThrows(() => apply((y: Tensor) => Promise.resolve(y), x), TreeError);
    assert(/Promise.*dataSync/.test(promise.message), `${name}: ${promise.message}`);
    const async_ = assertThrows(
      () => apply(async (y: Tensor) => (await y.data(), y), x),
      TreeError,
    );
    assert(async_.message.includes("Promise"), `${name}: ${async_.message}`);
    for (const result of [undefined, 3, null, "y", new Map(), [1]]) {
      const error = assertThrows(() => apply(() => result, x), Error);
      assert(error instanceof TreeError || error instanceof ShapeError, `${name}: ${error}`);
      assert(error.message.includes("result") || error.message.includes("returns"), error.message);
    }
  }
});

Deno.test("every transform refuses arguments that are no trees of tensors", () => {
  for (const [name, apply] of Object.entries(transforms)) {
    for (const bad of [3, undefined, null, new Float32Array(2), { a: [x, "b"] }, new Date()]) {
      const error = assertThrows(() => apply(() => x.sum(), bad), TreeError, "expected a Tensor");
      const owner = name === "hessian" ? "jac" : name;
      assert(error.message.startsWith(owner), `${name}: ${error.message}`);
    }
  }
  assertThrows(() => stopGradient(loose(3)), TreeError, "stopGradient: expected a Tensor");
});

Deno.test("errors of the user's own function come out as they are", () => {
  class Mine extends Error {}
  for (const apply of Object.values(transforms)) {
    assertThrows(() =>
      apply(() => {
        throw new Mine("mine");
      }, x), Mine);
  }
});

refuses("cotangents unlike the result", [
  [() => vjp((y: Tensor) => y.mul(2), x)[1](ones([2])), ShapeError, "vjp", "[3]", "[2]"],
  [() => vjp((y: Tensor) => y.sum(), x)[1](x), ShapeError, "cotangent", "[]", "[3]"],
  [
    () => vjp((y: Tensor) => y, x)[1](ones([3], { dtype: "float64" })),
    DTypeError,
    "vjp",
    "float32",
    "float64",
  ],
  [() => vjp((y: Tensor) => [y, y], x)[1]([x]), TreeError, "vjp", "[*, *]", "[*]"],
  [() => vjp((y: Tensor) => ({ a: y }), x)[1](loose({ b: x })), TreeError, "{a: *}", "{b: *}"],
  [() => vjp((y: Tensor) => y, x)[1](loose([x])), TreeError, "*", "[*]"],
  [() => vjp((y: Tensor) => y, x)[1](loose(1)), TreeError, "cotangent", "number 1"],
  [() => vjp((y: Tensor) => y, x)[1](loose(undefined)), TreeError, "cotangent", "undefined"],
]);

refuses("tangents unlike the arguments", [
  [() => jvp((y: Tensor) => y, [x], [ones([1])]), ShapeError, "jvp", "tangents", "[3]", "[1]"],
  [() => jvp((y: Tensor) => y, [x], [whole]), DTypeError, "jvp", "tangents", "int32"],
  [() => jvp((y: Tensor) => y, [x], loose([])), TreeError, "jvp", "tangents"],
  [() => jvp((y: Tensor) => y, loose(x), loose(x)), TreeError, "jvp", "primals", "array"],
  [() => jvp((y: Tensor) => y, [x], loose(x)), TreeError, "jvp", "tangents"],
  [() => jvp((y: Tensor) => y, loose(undefined), [x]), TreeError, "jvp", "primals"],
  [() => linearize((y: Tensor) => y, x)[1](ones([2])), ShapeError, "linearize", "tangents"],
  [() => loose(linearize((y: Tensor) => y, x)[1])(), TreeError, "linearize", "tangents"],
]);

refuses("derivatives of what has none", [
  [() => grad((y: Tensor) => y.mul(2))(x), ShapeError, "grad", "one element", "[3]", "jacrev"],
  [() => grad(loose((y: Tensor) => [y.sum()]))(x), ShapeError, "grad", "a tree"],
  [() => valueAndGrad((y: Tensor) => y)(x), ShapeError, "valueAndGrad"],
  [() => grad((y: Tensor) => y.sum().to("int32"))(x), DTypeError, "grad", "int32"],
  [() => grad((y: Tensor) => y.sum())(whole), DTypeError, "grad", "int32", "float32"],
  [() => jacrev((y: Tensor) => y.argmax(0))(x), DTypeError, "jacrev", "int32"],
  [() => jacfwd((y: Tensor) => y.argmax(0))(x), DTypeError, "jacfwd", "int32"],
  [() => jacfwd((y: Tensor) => [y, y.greater(0)])(x), DTypeError, "jacfwd", "bool"],
  [() => jacrev((y: Tensor) => y)(whole), DTypeError, "jacrev", "int32"],
  [() => jacfwd((y: Tensor) => y)(whole), DTypeError, "jacfwd", "int32"],
  [() => jacrev((p: Record<string, Tensor>) => p.a)({ a: x, b: whole }), DTypeError, "jacrev"],
  [() => hessian((y: Tensor) => y.sum())(whole), DTypeError],
]);

const add = (a: Tensor, b: Tensor): Tensor => a.add(b);
refuses("positions without an argument", [
  [() => grad((y: Tensor) => y.sum(), 1)(x), ArgumentError, "grad", "argument 1", "1 were given"],
  [() => grad((y: Tensor) => y.sum(), [0, -2])(x), ArgumentError, "argument -2"],
  [() => grad((y: Tensor) => y.sum(), 0.5)(x), ArgumentError, "0.5"],
  [() => grad((y: Tensor) => y.sum(), loose("0"))(x), ArgumentError, "grad"],
  [() => jacrev((y: Tensor) => y, 2)(x), ArgumentError, "jacrev"],
  [() => jacfwd((y: Tensor) => y, [3])(x), ArgumentError, "jacfwd"],
  [() => hessian((y: Tensor) => y, NaN)(x), ArgumentError],
  [() => grad(add, [0, -2])(x, x), ArgumentError, "grad: argnums [0, -2]", "twice"],
  [() => loose(jacrev((y: Tensor) => y))(), ArgumentError, "0 were given"],
]);

const matrix = ones([2, 3]);
refuses("axes of vmap that do not fit", [
  [() => vmap(add)(matrix, ones([3, 3])), ShapeError, "vmap", "one size", "[2, 3]", "[3, 3]"],
  [() => vmap(add, [0, 1])(matrix, matrix), ShapeError, "vmap", "2", "3"],
  [() => vmap((y: Tensor) => y, 2)(matrix), AxisError, "vmap", "axis 2", "rank 2"],
  [() => vmap((y: Tensor) => y, -3)(matrix), AxisError, "vmap", "inAxes", "-3"],
  [() => vmap((y: Tensor) => y, 0.5)(matrix), AxisError, "0.5"],
  [() => vmap((y: Tensor) => y)(ones([])), AxisError, "vmap", "scalar"],
  [() => vmap((y: Tensor) => y, null)(matrix), AxisError, "vmap", "maps no tensor"],
  [() => vmap(add, [null, null])(matrix, matrix), AxisError, "maps no tensor"],
  [() => vmap(() => x)(), AxisError, "maps no tensor"],
  [() => vmap(add, [0])(matrix, matrix), TreeError, "inAxes", "1 entries", "2 arguments"],
  [() => vmap(add, [0, 0, 0])(matrix, matrix), TreeError, "3 entries"],
  [() => vmap((y: Tensor) => y, [[0]])(matrix), TreeError, "argument 0", "a tree of axes"],
  [() => vmap((y: Tensor) => y, loose("0"))(matrix), TreeError, "vmap"],
  [() => vmap((y: Tensor) => y, loose([undefined]))(matrix), TreeError, "vmap"],
  [() => vmap((y: Tensor[]) => y[0], [[0, 0]])([matrix]), TreeError, "expected 1 axes"],
  [() => vmap((p: { a: Tensor }) => p.a, [loose({ b: 0 })])({ a: matrix }), TreeError, '"a"'],
  [
    () => vmap((p: { a: Tensor }) => p.a, [loose({ a: 0, typo: 1 })])({ a: matrix }),
    TreeError,
    "inAxes",
    '"typo"',
  ],
  [() => vmap((p: { a: Tensor }) => p.a, [[0]])({ a: matrix }), TreeError, '"a"'],
  [() => vmap((y: Tensor) => y, 0, 2)(matrix), AxisError, "outAxes", "axis 2"],
  [() => vmap((y: Tensor) => y, 0, null)(matrix), AxisError, "outAxes", "depends"],
  [() => vmap((y: Tensor) => [y, y], 0, [0])(matrix), TreeError, "outAxes", "2 axes"],
  [() => vmap((y: Tensor) => ({ y }), 0, { z: 0 })(matrix), TreeError, "outAxes", '"y"'],
  [() => vmap((y: Tensor) => y, 0, [0])(matrix), TreeError, "outAxes"],
]);

Deno.test("errors inside the batched function speak of one example's shapes", () => {
  const error = assertThrows(() => vmap((y: Tensor) => y.matmul(ones([4])))(matrix), ShapeError);
  assert(error.message.includes("[3]") && !error.message.includes("[2, 3]"), error.message);
});

Deno.test("nothing is left behind by an error: the next transform works", () => {
  for (const apply of Object.values(transforms)) {
    assertThrows(() => apply(() => Promise.resolve(x), x));
  }
  assertEquals([...grad((y: Tensor) => y.sum())(x).dataSync()], [1, 1, 1]);
});
