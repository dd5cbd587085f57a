/** Real numbers of 4 and 8 bits: against ml_dtypes, all bits and roundings (tests/data/onnx/make_small_floats.py). */
import { assertEquals } from "@std/assert";
import { type SmallFloat, smallFormat, smallToNumber } from "../lib/onnx/small_floats.ts";
import { roundToSmall } from "../lib/onnx/operators/types.ts";
import { tensor, vjp } from "../mod.ts";

interface Data {
  given: number[];
  types: Record<SmallFloat, { meaning: (number | string)[]; rounded?: (number | string)[] }>;
}

const data: Data = JSON.parse(
  await Deno.readTextFile(new URL("data/onnx/small_floats.json", import.meta.url)),
);
/** −0 counts as 0. */
const numbers = (list: Iterable<number | string>): number[] =>
  Array.from(list, (v) => Number(v) + 0);

for (const [name, { meaning, rounded }] of Object.entries(data.types)) {
  Deno.test(`${name}: what all bits mean`, () => {
    const given = meaning.map((_, bits) => smallToNumber(name as SmallFloat, bits));
    assertEquals(numbers(given), numbers(meaning));
  });
  const format = smallFormat(name);
  if (rounded === undefined || format === null) continue;
  for (const dtype of ["float32", "float64"] as const) {
    Deno.test(`${name}: ${dtype} rounded`, async () => {
      const x = tensor(data.given, { dtype });
      // Four bits have no place for what lies outside.
      const saturates = name === "float4e2m1";
      const expected = numbers(rounded);
      assertEquals(numbers(await roundToSmall(x, format, saturates).data()), expected);
      const largest = data.given.map((v, i) =>
        Number.isFinite(expected[i]) ? expected[i] : Math.sign(v) * format.largest
      );
      assertEquals(numbers(await roundToSmall(x, format, true).data()), largest);
    });
  }
  Deno.test(`${name}: derivatives go through, and stop where numbers stay at the largest`, async () => {
    const x = tensor([1.03, -0.3, 1e6], { dtype: "float64" });
    const [, pull] = vjp((y) => roundToSmall(y, format, true), x);
    const [cotangent] = pull(tensor([2, 3, 4], { dtype: "float64" }));
    assertEquals(await cotangent.toArray(), [2, 3, 0]);
  });
}
