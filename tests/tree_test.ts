/** Trees of tensors. */
import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import {
  flattenTree,
  formatStructure,
  leavesLike,
  sameStructure,
  unflattenTree,
} from "../lib/core/tree.ts";
import { realize, tensor, TreeError, treeLeaves, treeMap } from "../mod.ts";

const [a, b, c] = [1, 2, 3].map((n) => tensor([n]));

Deno.test("trees are taken apart depth first and put together as they were", () => {
  const trees: [unknown, string][] = [
    [a, "*"],
    [[], "[]"],
    [{}, "{}"],
    [[a, [b, [c]]], "[*, [*, [*]]]"],
    [{ z: a, y: { x: b }, w: [c] }, "{z: *, y: {x: *}, w: [*]}"],
    [{ "layers.0.weight": a, 1: b }, "{1: *, layers.0.weight: *}"],
  ];
  for (const [tree, text] of trees) {
    const { leaves, structure } = flattenTree(tree, "test");
    assertEquals(formatStructure(structure), text);
    assertEquals(unflattenTree(structure, leaves), tree);
  }
  assertEquals(treeLeaves([a, { p: b, q: a }]), [a, b, a]);
});

Deno.test("an object without a prototype is a tree, and __proto__ is only a key", () => {
  const bare = Object.create(null);
  bare.x = a;
  assertEquals(treeLeaves(bare), [a]);
  const tricky = JSON.parse('{"__proto__": 0}');
  tricky["constructor"] = a;
  Object.defineProperty(tricky, "__proto__", { value: b, enumerable: true });
  const result = treeMap((x) => x.mul(1), tricky);
  assertEquals(Object.getPrototypeOf(result), Object.prototype);
  assertEquals(Object.keys(result), Object.keys(tricky));
});

Deno.test("structures are compared without regard to the order of keys", () => {
  const structureOf = (tree: unknown) => flattenTree(tree, "test").structure;
  const same = (p: unknown, q: unknown) => sameStructure(structureOf(p), structureOf(q));
  assertEquals(same({ p: a, q: [b] }, { q: [a], p: c }), true);
  assertEquals(same([a, b], [a]), false);
  assertEquals(same([a], { 0: a }), false);
  assertEquals(same(a, [a]), false);
  assertEquals(same({ p: a }, { q: a }), false);
  assertEquals(same({ p: a, q: b }, { p: a }), false);
  assertEquals(same({ p: [a] }, { p: a }), false);
  assertEquals(same([], {}), false);
  const { structure } = flattenTree({ p: a, q: [b, c] }, "test");
  assertEquals(leavesLike({ q: [a, b], p: c }, structure, "test"), [c, a, b]);
});

Deno.test("treeMap keeps the structure, also over several trees", async () => {
  const sum = treeMap((x, y) => x.add(y), { p: a, q: [b] }, { q: [c], p: b });
  assertEquals([await sum.p.toArray(), await sum.q[0].toArray()], [[3], [5]]);
  assertThrows(() => treeMap((x) => x, { p: a }, loose({ q: a })), TreeError, "treeMap: tree 2");
});

// deno-lint-ignore no-explicit-any -- trees that do not fit the types on purpose
const loose = (value: unknown): any => value;

Deno.test("the place of what is no tensor is named", () => {
  const wrong: [unknown, string][] = [
    [{ layers: [a, { w: 3 }] }, "treeLeaves.layers[1].w: expected a Tensor"],
    [[null], "treeLeaves[0]"],
    [undefined, "got undefined"],
    [{ p: new Float32Array(2) }, "got Float32Array"],
    [new Map([["p", a]]), "got Map"],
    [[a, () => a], "treeLeaves[1]"],
    [Symbol("s"), "got symbol"],
  ];
  for (const [tree, words] of wrong) {
    const error = assertThrows(() => treeLeaves(tree), TreeError);
    if (!error.message.includes(words)) throw new Error(`${words} is not in ${error.message}`);
  }
});

Deno.test("a tree that holds itself is refused", () => {
  const cycle: unknown[] = [a];
  cycle.push({ again: cycle });
  assertThrows(() => treeLeaves(cycle), TreeError, "itself");
});

Deno.test("realize computes a tree and returns it", async () => {
  const tree = { p: a.add(1), q: [b.mul(2), a] };
  const result = await realize(tree);
  assertStrictEquals(result, tree);
  assertEquals(tree.q.map((x) => x.operation), [null, null]);
  assertEquals([...tree.p.dataSync()], [2]);
});
