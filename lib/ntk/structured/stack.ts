/**
 * Uses of one kind as one: the uses of a recurrent weight at every step have the same structure, and their sum is a sum
 * over one more label.
 *
 * @module
 */

import { stack } from "../../core/operations/shapes.ts";
import { scale } from "../../core/primitives/build.ts";
import type { Factor, Label, ParameterAxis, Term } from "./term.ts";

/** A text that two terms share only if their tensors can be stacked. */
function signatureOf(term: Term, shared: readonly Label[]): string {
  const labels: Label[] = [];
  const nameOf = (label: Label): string => {
    const common = shared.indexOf(label);
    if (common >= 0) return `s${common}`;
    let at = labels.indexOf(label);
    if (at < 0) at = labels.push(label) - 1;
    return `${at}:${label.size}`;
  };
  const list = (all: readonly Label[]): string => all.map(nameOf).join(",");
  const axes = term.axes.map((axis) => {
    switch (axis.kind) {
      case "labels":
        return list(axis.labels);
      case "range":
        return `${list(axis.labels)}@${axis.start}+${axis.step}/${axis.size}`;
      case "index":
        return `[${list(axis.index.labels)}]/${axis.size}`;
    }
  });
  const factors = term.factors.map((factor) => `${factor.tensor.dtype} ${list(factor.labels)}`);
  return [...axes, "·", ...factors].join(";");
}

/** A text that two terms of one structure share only if they have the same tensors. */
function tensorsOf({ factors, axes }: Term): string {
  const indices = axes.flatMap((axis) => axis.kind === "index" ? [axis.index] : []);
  return [...factors, ...indices].map(({ tensor }) => tensor.id).join();
}

/** The terms in groups of one structure. */
function groupTerms(terms: readonly Term[], shared: readonly Label[]): Term[][] {
  const groups = new Map<string, Term[]>();
  for (const term of terms) {
    const signature = signatureOf(term, shared);
    const group = groups.get(signature);
    if (group === undefined) groups.set(signature, [term]);
    else group.push(term);
  }
  return [...groups.values()];
}

/** The terms, with those that differ in nothing but their scale as one. */
export function addEqual(terms: readonly Term[], shared: readonly Label[] = []): Term[] {
  if (terms.length < 2) return [...terms];
  return groupTerms(terms, shared).flatMap((group) => {
    const distinct = new Map<string, Term>();
    for (const term of group) {
      const key = tensorsOf(term);
      const known = distinct.get(key);
      distinct.set(key, known === undefined ? term : { ...known, scale: known.scale + term.scale });
    }
    return [...distinct.values()];
  });
}

/** Terms of one structure as one term. */
function stackTerms(terms: readonly Term[]): Term {
  const [first] = terms;
  const place: Label = { size: terms.length };
  // A factor that is the same in all terms stays as it is.
  const join = (factors: readonly Factor[], scales: readonly number[]): Factor => {
    const one = factors.every(({ tensor }, i) =>
      tensor === factors[0].tensor && scales[i] === scales[0] && scales[i] === 1
    );
    return one ? factors[0] : {
      tensor: stack(factors.map(({ tensor }, i) => scale(tensor, scales[i]))),
      labels: [place, ...factors[0].labels],
    };
  };
  const even = terms.every((term) => term.scale === first.scale);
  const ones = terms.map(() => 1);
  const factors = first.factors.map((_, i) =>
    join(terms.map((term) => term.factors[i]), i > 0 || even ? ones : terms.map((t) => t.scale))
  );
  const axes = first.axes.map((axis, i): ParameterAxis =>
    axis.kind !== "index" ? axis : {
      ...axis,
      index: join(terms.map((t) => (t.axes[i] as typeof axis).index), ones),
    }
  );
  return { scale: even ? first.scale : 1, factors, axes };
}

/** The terms, with those of one structure made one. `shared` are the labels of examples and outputs. */
export function stackUses(terms: readonly Term[], shared: readonly Label[]): Term[] {
  return groupTerms(addEqual(terms, shared), shared)
    .map((group) => group.length === 1 ? group[0] : stackTerms(group));
}
