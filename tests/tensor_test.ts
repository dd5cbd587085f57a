/** Tensors as people meet them: printed, and by their methods. */
import { assert, assertEquals } from "@std/assert";
import * as t from "../lib/core/mod.ts";
import { Tensor, tensor, zeros } from "../lib/core/mod.ts";
import { vmap } from "../lib/transforms/mod.ts";

Deno.test("printing shows the dtype, the shape and the values", () => {
  const printed = (x: Tensor): string => Deno.inspect(x);
  const ints = tensor([4294967295, 12], { dtype: "uint32" });
  assertEquals(printed(ints), "Tensor uint32 [2] [4294967295,         12]");
  const lowest = tensor([-2147483648], { dtype: "int32" });
  assertEquals(printed(lowest), "Tensor int32 [1] [-2147483648]");
  // Five digits of a float32 are shown: more digits before the point than that need an exponent.
  assertEquals(printed(tensor(123456.789)), "Tensor float32 [] 1.2346e+5");
  assertEquals(printed(tensor(12345.678)), "Tensor float32 [] 12346");
  assertEquals(
    printed(tensor([NaN, -Infinity, -0])),
    "Tensor float32 [3] [      NaN, -Infinity,       -0.]",
  );
  assertEquals(printed(tensor(123456.789, { dtype: "float64" })), "Tensor float64 [] 123456.79");
  assertEquals(printed(tensor([[true], [false]])), "Tensor bool [2, 1]\n[[ true],\n [false]]");
  assertEquals(printed(zeros([2, 0])), "Tensor float32 [2, 0]\n[[],\n []]");
  vmap((x) => {
    assertEquals(printed(x.add(1)), "Tensor float32 [2] (no value inside vmap)");
    return x;
  })(zeros([3, 2]));
});

/** Methods of another name than the function's. */
const renamed: Readonly<Record<string, string>> = { var: "variance", to: "cast" };
/** Methods that are no operations. */
const own = [
  "constructor",
  "rank",
  "size",
  "isFloat",
  "data",
  "dataSync",
  "item",
  "itemSync",
  "toArray",
  "dispose",
  "toString",
];

Deno.test("every method is a function as well", () => {
  const functions = new Set(Object.keys(t));
  const names = Object.getOwnPropertyNames(Tensor.prototype).filter((name) => !own.includes(name));
  assert(names.length > 80);
  assertEquals(names.filter((name) => !functions.has(renamed[name] ?? name)), []);
});

Deno.test("methods that take more than one tensor have the tensor first", async () => {
  const x = tensor([[1, 2], [3, 4]]);
  const index = tensor([[1, 0]], { dtype: "int32" });
  const list = tensor([1], { dtype: "int32" });
  assertEquals(await x.gather(0, index).toArray(), [[3, 2]]);
  assertEquals(await x.scatterAdd(0, index, tensor([[10, 20]])).toArray(), [[1, 22], [13, 4]]);
  assertEquals(await x.indexAdd(1, list, tensor([[5], [6]])).toArray(), [[1, 7], [3, 10]]);
  assertEquals(await x.where(x.greater(2), 0).toArray(), [[0, 0], [3, 4]]);
  assertEquals(await x.isclose(x.add(1e-3), { rtol: 0, atol: 1e-2 }).all().toArray(), true);
  assertEquals(await x.allclose(x.add(1e-3)), false);
  assertEquals(await tensor([1, 2]).outer(tensor([3, 4])).toArray(), [[3, 4], [6, 8]]);
  assertEquals(await tensor([0]).asin().toArray(), [0]);
  assertEquals(await tensor([1]).acos().toArray(), [0]);
});
