/**
 * The rules of every primitive: jvp and vjp against central differences in float64 and against each other, to second
 * order; batching against a loop, alone and under other transforms. The cases are in helpers/rule_cases.ts.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { PrimitiveName, PrimitiveParams } from "../lib/base/primitives.ts";
import { apply, ruleOf } from "../lib/core/apply.ts";
import { table } from "../lib/core/primitives/table.ts";
import { MissingRuleError, type Tensor, tensor, vjp, vmap } from "../mod.ts";
import {
  assertNear,
  assertSame,
  axisChoices,
  batchOperands,
  checkBatched,
  checkFirstOrder,
  checkSecondOrder,
  differentiable,
  numbers,
  pullbacks,
  pushforwardOf,
  randomLike,
  randomSource,
} from "./helpers/differences.ts";
import { functionOf, operandsOf, type RuleCase, ruleCases } from "./helpers/rule_cases.ts";

const leaves: readonly PrimitiveName[] = ["constant", "placeholder", "full", "iota"];
type Case = RuleCase<PrimitiveParams[PrimitiveName]>;
const names = Object.keys(table()) as PrimitiveName[];

function casesOf(primitive: PrimitiveName): readonly Case[] {
  return ruleCases[primitive];
}

/** Runs a check on every case of a primitive, in one test. */
function eachCase(
  title: string,
  check: (
    primitive: PrimitiveName,
    given: Case,
    what: string,
  ) => void | Promise<void>,
): void {
  for (const primitive of names) {
    if (leaves.includes(primitive)) continue;
    Deno.test(`${primitive}: ${title}`, async () => {
      for (const given of casesOf(primitive)) {
        const what = `${primitive}, ${given.name}`;
        try {
          await check(primitive, given, what);
        } catch (error) {
          const text = error instanceof Error ? error.message : String(error);
          throw text.startsWith(what) ? error : new Error(`${what}: ${text}`, { cause: error });
        }
      }
    });
  }
}

Deno.test("every primitive of the table has cases, and every case a primitive", () => {
  for (const name of names) assert(casesOf(name)?.length > 0, `no case for ${name}`);
  assertEquals(Object.keys(ruleCases).sort(), [...names].sort());
});

Deno.test("leaves carry neither derivatives nor examples", () => {
  for (const name of leaves) {
    const rule = ruleOf(name);
    for (const { params } of casesOf(name)) {
      const output = apply(name, params as never);
      assertEquals([output.shape, output.dtype], [[2], "float64"]);
      const application = { params, inputs: [], output };
      assertEquals(rule.jvp(application as never, []), null);
      assertEquals(rule.vjp(application as never, output, []), []);
      assertThrows(() => rule.batch([], [], params as never, 2), MissingRuleError);
    }
  }
});

eachCase("first derivatives", (primitive, given, what) => {
  const { by, step, tolerance, zero } = given;
  const f = functionOf(primitive, given);
  const xs = operandsOf(given, 3);
  if (zero === true) {
    const [y, pull] = vjp(f, ...xs);
    for (const cotangent of pull(y) as Tensor[]) assert(numbers(cotangent).every((n) => n === 0));
    return;
  }
  checkFirstOrder(f, xs, { what, by, step, tolerance });
});

eachCase("second derivatives", (primitive, given, what) => {
  const { by, step, zero } = given;
  const f = functionOf(primitive, given);
  if (zero === true) return;
  const tolerance = given.tolerance ?? 1e-7;
  checkSecondOrder(f, operandsOf(given, 5), { what, by, step, tolerance });
});

eachCase("null tangents and unwanted cotangents", (primitive, given, what) => {
  if (given.call !== undefined) return;
  const rule = ruleOf(primitive);
  const inputs = operandsOf(given, 7);
  const output = apply(primitive, given.params, ...inputs);
  const application = { params: given.params, inputs, output };
  const chosen = differentiable(inputs);
  const random = randomSource(9);
  if (!output.isFloat || !chosen.includes(true)) {
    // No derivative comes from or goes to a dtype that has none.
    if (!chosen.includes(true)) return;
    const tangents = inputs.map((x, i) => chosen[i] ? randomLike(x, random) : null);
    assertEquals(rule.jvp(application, tangents), null, what);
    return;
  }
  const cotangent = randomLike(output, random);
  const all = rule.vjp(application, cotangent, chosen);
  assertEquals(all.length, inputs.length, `${what}: one cotangent an operand`);
  const tangents = inputs.map((x, i) => chosen[i] ? randomLike(x, random) : null);
  const together = rule.jvp(application, tangents);
  let total: number[] | null = null;
  inputs.forEach((x, i) => {
    const label = `${what}: operand ${i}`;
    if (!chosen[i]) {
      assertEquals(all[i], null, `${label} has a dtype without derivatives`);
      return;
    }
    const wanted = inputs.map((_, j) => j === i);
    const only = rule.vjp(application, cotangent, wanted);
    only.forEach((c, j) => {
      if (j !== i) assertEquals(c, null, `${label} alone is wanted, but ${j} has a cotangent`);
    });
    assertEquals(only[i] === null, all[i] === null, label);
    if (only[i] !== null) {
      assertSame(only[i]!, all[i]!, label);
      assertEquals(only[i]!.shape, x.shape, label);
    }
    const alone = rule.jvp(application, tangents.map((t, j) => j === i ? t : null));
    if (alone === null) return;
    assertEquals([alone.shape, alone.dtype], [output.shape, output.dtype], label);
    const part = numbers(alone);
    total = total === null ? part : total.map((n, j) => n + part[j]);
  });
  assertEquals(together === null, total === null, what);
  if (together !== null) {
    assertNear(numbers(together), total!, 1e-6, `${what}: tangents add up`);
  }
});

/** Examples of a case: values of several seeds. */
function examplesOf(given: Case, count: number): Tensor[][] {
  return Array.from({ length: count }, (_, i) => operandsOf(given, 11 + i));
}

eachCase("vmap of each operand along each axis", async (primitive, given, what) => {
  const f = functionOf(primitive, given);
  const examples = examplesOf(given, 2);
  const axes = axisChoices(given.operands.map(({ shape }) => shape.length));
  for (const choice of axes) {
    await checkBatched(f, batchOperands(examples, choice), choice, what);
  }
});

/** Few choices for costly checks: every set of mapped operands, along the first axes and along the last. */
function fewChoices(ranks: readonly number[]): (number | null)[][] {
  const seen = new Map<string, (number | null)[]>();
  for (const choice of axisChoices(ranks)) {
    const last = choice.map((axis, i) => axis === null ? null : axis === 0 ? 0 : ranks[i]);
    const all = last.every((axis, i) => axis === null || axis === (i % 2 === 0 ? ranks[i] : 0)) ||
      last.every((axis) => axis === null || axis === 0);
    if (all) seen.set(`${last}`, last);
  }
  return [...seen.values()];
}

eachCase("vmap of vjp and of jvp", async (primitive, given, what) => {
  const f = functionOf(primitive, given);
  const examples = examplesOf(given, 2);
  const output = f(...examples[0]);
  const chosen = differentiable(examples[0]);
  if (!output.isFloat || !chosen.includes(true)) return;
  const random = randomSource(21);
  const cotangents = examples.map(() => randomLike(output, random));
  const tolerance = given.tolerance ?? 1e-11;
  for (const { f: pull, which } of pullbacks(f, examples[0])) {
    const withCotangent = examples.map((xs, i) => [...xs, cotangents[i]]);
    for (const choice of fewChoices(withCotangent[0].map((x) => x.rank))) {
      const operands = batchOperands(withCotangent, choice);
      await checkBatched(pull, operands, choice, `${what}: vjp by operand ${which}`, tolerance);
    }
  }
  const push = pushforwardOf(f, examples[0]);
  const withTangents = examples.map((xs) => [
    ...xs,
    ...xs.filter((_, i) => chosen[i]).map((x) => randomLike(x, random)),
  ]);
  for (const choice of fewChoices(withTangents[0].map((x) => x.rank))) {
    const operands = batchOperands(withTangents, choice);
    await checkBatched(push, operands, choice, `${what}: jvp`, tolerance);
  }
});

eachCase("vjp and jvp of vmap", (primitive, given, what) => {
  const { by, step, tolerance, zero } = given;
  if (zero === true) return;
  const f = functionOf(primitive, given);
  const examples = examplesOf(given, 2);
  for (const choice of fewChoices(given.operands.map(({ shape }) => shape.length))) {
    const mapped = vmap(f, choice);
    checkFirstOrder((...xs) => mapped(...xs), batchOperands(examples, choice), {
      what: `${what}: of vmap over axes [${choice}]`,
      by,
      step,
      tolerance,
      probes: 1,
    });
  }
});

eachCase("vmap of vmap", async (primitive, given, what) => {
  const f = functionOf(primitive, given);
  const groups = [0, 1, 2].map((n) => [0, 1].map((i) => operandsOf(given, 31 + 2 * n + i)));
  for (const choice of fewChoices(given.operands.map(({ shape }) => shape.length))) {
    const operands = groups.map((examples) => batchOperands(examples, choice));
    const inner = (...xs: Tensor[]): Tensor => vmap(f, choice)(...xs);
    for (const outer of fewChoices(operands[0].map((x) => x.rank))) {
      await checkBatched(
        inner,
        batchOperands(operands, outer),
        outer,
        `${what}: inside vmap over [${choice}]`,
      );
    }
  }
});

Deno.test("ties share the derivative of an extremum equally", () => {
  const x = tensor([1, 3, 3, 3], { dtype: "float64" });
  const one = tensor(1, { dtype: "float64" });
  const gradient = (f: (x: Tensor) => Tensor, at: Tensor) => numbers(vjp(f, at)[1](one)[0]);
  assertNear(gradient((x) => x.max(), x), [0, 1 / 3, 1 / 3, 1 / 3], 1e-15, "max");
  assertNear(gradient((x) => x.neg().min(), x), [0, -1 / 3, -1 / 3, -1 / 3], 1e-15, "min");
  for (const name of ["maximum", "minimum"] as const) {
    const [a, b] = vjp((a: Tensor, b: Tensor) => a[name](b), one, one)[1](one);
    assertEquals([numbers(a), numbers(b)], [[0.5], [0.5]], name);
  }
});
