/** The table of operators. */
import { assert, assertEquals } from "@std/assert";
import { families, findOperator, newestVersion } from "../lib/onnx/operators/table.ts";

const all = Object.values(families).flat();

Deno.test("each operator stands in the table once", () => {
  const names = all.map(({ domain, name }) => `${domain} ${name}`);
  assertEquals(names.length, new Set(names).size);
  for (const entry of all) assertEquals(findOperator(entry.domain, entry.name), entry);
});

Deno.test("versions are in order and known, and places are inputs that there are", () => {
  for (const { name, domain, since, inputs: [least, most], trainable, passes } of all) {
    assert(since.length > 0 && since.every((v, i) => i === 0 || v > since[i - 1]), name);
    if (domain === "") assert(since[since.length - 1] <= newestVersion, name);
    assert(least <= most, name);
    for (const places of [trainable, passes]) {
      assert(places === "all" || places.every((i) => i >= 0 && i < most), name);
    }
  }
});
