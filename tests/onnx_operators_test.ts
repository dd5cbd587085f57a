/** The table of operators. */
import { assert, assertEquals } from "@std/assert";
import { whyRefused } from "../lib/onnx/operators/refused.ts";
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

/** What the onnx package says of all versions of an operator (tests/data/onnx/make_schemas.py). */
type Schemas = Record<string, {
  version: number;
  inputs: [number, number];
  attributes: Record<string, [kind: string, initial: number | string | null]>;
}[]>;

const schemas: Schemas = JSON.parse(
  await Deno.readTextFile(new URL("data/onnx/schemas.json", import.meta.url)),
);

Deno.test("every operator of ONNX is computed, or refused with a reason", () => {
  const missing = Object.keys(schemas).filter((name) =>
    findOperator("", name) === null && whyRefused("", name) === null
  );
  assertEquals(missing, []);
});

Deno.test("versions, numbers of inputs and attributes are those of the onnx package", () => {
  // What has another default here by version, where the operator looks at the version.
  const byVersion = ["Softmax", "LogSoftmax", "Hardmax", "GridSample", "Clip"];
  for (const { name, since, inputs, attributes } of all.filter((o) => o.domain === "")) {
    const known = schemas[name].filter(({ version }) => version >= since[0]);
    assertEquals(since, known.map(({ version }) => version), name);
    for (const { version, inputs: [least, most], attributes: given } of known) {
      const where = `${name} of version ${version}`;
      // An optional value without an input is a value that is absent while the network runs.
      assert(inputs[0] <= least || name === "Optional", where);
      assert(inputs[1] >= most || inputs[1] === Infinity, where);
      for (const [key, [kind, initial]] of Object.entries(given)) {
        if (kind === "other") continue;
        assert(Object.hasOwn(attributes, key), `${where} has ${key}`);
        assertEquals(attributes[key].kind, kind, `${where}: ${key}`);
        const own = attributes[key].initial;
        if (initial === null || byVersion.includes(name)) continue;
        const same = typeof initial === "number" ? Math.fround(own as number) : own;
        assertEquals(same, initial, `${where}: default of ${key}`);
      }
    }
  }
});
