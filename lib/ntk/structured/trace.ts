/**
 * The ways from a network's outputs back to its parameters: the reverse pass to where parameters enter, then the rules of
 * structure through what is computed from parameters alone.
 *
 * @module
 */

import { isFloat } from "../../base/dtype.ts";
import { ruleOf } from "../../core/apply.ts";
import { add } from "../../core/primitives/build.ts";
import type { Application } from "../../core/primitives/rule.ts";
import type { Tensor } from "../../core/tensor.ts";
import type { Step } from "../../transforms/walk.ts";
import { tensorOf } from "./parts.ts";
import { structureOf, termOf } from "./rules.ts";
import { addEqual, stackUses } from "./stack.ts";
import { type Term, Unstructured } from "./term.ts";

/** Terms that meet at a tensor on the way to a parameter are stacked, and then added up as they are, above this number. */
const mostTerms = 16;

/** Terms over one parameter, before examples and outputs have axes. */
export interface Traced {
  /** The terms; none where the output does not depend on the parameter. */
  readonly terms: readonly Term[];
  /** Why part of the way has no structure and passes whole cotangents on, or null. */
  readonly opaque: string | null;
}

function applicationOf({ output, operation: { params, inputs } }: Step): Application {
  return { params, inputs, output };
}

/** What reaches a tensor: terms, and why whole cotangents are among them. */
class Arrivals {
  private readonly terms = new Map<Tensor, Term[]>();
  private readonly reasons = new Map<Tensor, string>();

  add(x: Tensor, term: Term, reason: string | undefined): void {
    const known = this.terms.get(x);
    if (known === undefined) this.terms.set(x, [term]);
    else known.push(term);
    if (reason !== undefined) this.note(x, reason);
  }

  note(x: Tensor, reason: string): void {
    if (!this.reasons.has(x)) this.reasons.set(x, reason);
  }

  at(x: Tensor): readonly Term[] {
    return this.terms.get(x) ?? [];
  }

  reasonAt(x: Tensor): string | undefined {
    return this.reasons.get(x);
  }
}

/** Takes the terms over a step's result to one of its operands; those that no rule takes, as whole cotangents. */
function follow(step: Step, slot: number, terms: readonly Term[], arrivals: Arrivals): void {
  const { output, operation: { primitive, inputs } } = step;
  const application = applicationOf(step);
  let reason = arrivals.reasonAt(output);
  let whole: Tensor | null = null;
  for (const term of terms) {
    try {
      const inner = structureOf(application, slot, term);
      // A recurrence that starts from zeros has a first use without effect.
      if (inner !== null && inner.scale !== 0) arrivals.add(inputs[slot], inner, reason);
    } catch (error) {
      if (!(error instanceof Unstructured)) throw error;
      reason ??= error.message;
      const cotangent = tensorOf(term, output);
      whole = whole === null ? cotangent : add(whole, cotangent);
    }
  }
  if (whole === null) return;
  const wanted = inputs.map((_, i) => i === slot);
  const cotangent = ruleOf(primitive).vjp(application, whole, wanted)[slot];
  if (cotangent !== null) arrivals.add(inputs[slot], termOf(cotangent), reason);
}

/** Few terms that are the same sum. */
function gather(terms: readonly Term[], x: Tensor, arrivals: Arrivals): readonly Term[] {
  const distinct = addEqual(terms);
  if (distinct.length <= mostTerms) return distinct;
  const stacked = stackUses(distinct, []);
  if (stacked.length <= mostTerms) return stacked;
  arrivals.note(x, `more than ${mostTerms} uses of what is computed from parameters`);
  return [termOf(stacked.map((term) => tensorOf(term, x)).reduce(add))];
}

/**
 * Terms for every alias of a parameter. `steps` lead from the aliases to the output, `fixed` are the aliases and what is
 * computed from them alone; at the output the cotangent is given.
 */
export function traceParameters(
  aliases: readonly Tensor[],
  steps: readonly Step[],
  fixed: ReadonlySet<Tensor>,
  output: Tensor,
  cotangent: Tensor,
): Traced[] {
  const arrivals = new Arrivals();
  const cotangents = new Map<Tensor, Tensor>([[output, cotangent]]);
  for (const step of [...steps].reverse()) {
    const { output, operation: { primitive, inputs }, depends } = step;
    if (!isFloat(output.dtype)) continue;
    if (fixed.has(output)) {
      const terms = gather(arrivals.at(output), output, arrivals);
      if (terms.length === 0) continue;
      depends.forEach((used, slot) => used && follow(step, slot, terms, arrivals));
      continue;
    }
    const own = cotangents.get(output);
    if (own === undefined) continue;
    cotangents.delete(output);
    inputs.forEach((input, slot) => {
      if (depends[slot] && fixed.has(input)) follow(step, slot, [termOf(own)], arrivals);
    });
    const wanted = inputs.map((input, slot) => depends[slot] && !fixed.has(input));
    if (!wanted.includes(true)) continue;
    const results = ruleOf(primitive).vjp(applicationOf(step), own, wanted);
    inputs.forEach((input, slot) => {
      const result = results[slot];
      if (!wanted[slot] || result === null) return;
      const known = cotangents.get(input);
      cotangents.set(input, known === undefined ? result : add(known, result));
    });
  }
  return aliases.map((alias) => ({
    terms: addEqual(arrivals.at(alias)),
    opaque: arrivals.reasonAt(alias) ?? null,
  }));
}
