/**
 * Sums of products in Einstein's notation.
 *
 * @module
 */

import { ArgumentError, ShapeError } from "../../base/errors.ts";
import { formatShape } from "../../base/shape.ts";
import { reshape } from "../primitives/build.ts";
import type { Tensor } from "../tensor.ts";
import { checkTensor } from "./arithmetic.ts";
import { promoteAll } from "./checks.ts";
import {
  contractPair,
  dropLabels,
  type Labeled,
  orderLabels,
  sumLabels,
  takeDiagonals,
} from "./labeled.ts";
import { contractionPath } from "./contraction_path.ts";

/** One side of an equation's commas: letters, and where an ellipsis stands among them (−1 for none). */
interface Term {
  /** As written, for messages. */
  readonly text: string;
  /** The letters before the ellipsis, or all. */
  readonly head: readonly string[];
  /** The letters after the ellipsis. */
  readonly tail: readonly string[];
  /** Whether there is an ellipsis. */
  readonly ellipsis: boolean;
}

/** A sum of products: the names of every operand's axes, those of the result, and all sizes. */
interface Equation {
  readonly inputs: readonly (readonly string[])[];
  readonly output: readonly string[];
  readonly sizes: ReadonlyMap<string, number>;
}

function parseTerm(text: string, equation: string): Term {
  const parts = text.split("...");
  const letters = parts.join("");
  if (parts.length > 2 || !/^[a-zA-Z]*$/.test(letters)) {
    throw new ArgumentError(
      `einsum: term "${text}" of "${equation}" is not made of letters and at most one "..."`,
    );
  }
  return {
    text,
    head: [...parts[0]],
    tail: [...(parts[1] ?? "")],
    ellipsis: parts.length === 2,
  };
}

/** Names of the axes that an ellipsis stands for, by their distance from its end, so that shapes align there. */
function ellipsisLabels(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `...${count - i}`);
}

/** The names of an operand's axes. */
function nameAxes(term: Term, x: Tensor, position: number, equation: string): string[] {
  const letters = term.head.length + term.tail.length;
  const rest = x.shape.length - letters;
  if (rest < 0 || (rest > 0 && !term.ellipsis)) {
    throw new ShapeError(
      `einsum: term "${term.text}" of "${equation}" names ${letters} axes, operand ${position} has shape ${
        formatShape(x.shape)
      }${rest > 0 ? '; use "..." for axes without a name' : ""}`,
    );
  }
  return [...term.head, ...ellipsisLabels(rest), ...term.tail];
}

/** The names of the result's axes where the equation does not say: the ellipsis, then letters that stand once. */
function implicitOutput(inputs: readonly (readonly string[])[], broad: number): string[] {
  const counts = new Map<string, number>();
  for (const label of inputs.flat()) counts.set(label, (counts.get(label) ?? 0) + 1);
  const once = [...counts].filter(([l, n]) => n === 1 && !l.startsWith("...")).map(([l]) => l);
  return [...ellipsisLabels(broad), ...once.sort((a, b) => a < b ? -1 : 1)];
}

function explicitOutput(
  term: Term,
  inputs: readonly (readonly string[])[],
  broad: number,
  equation: string,
): string[] {
  const letters = [...term.head, ...term.tail];
  const known = new Set(inputs.flat());
  for (const [i, letter] of letters.entries()) {
    if (!known.has(letter)) {
      throw new ArgumentError(
        `einsum: the result of "${equation}" has "${letter}", which no operand has`,
      );
    }
    if (letters.indexOf(letter) !== i) {
      throw new ArgumentError(
        `einsum: the result of "${equation}" has "${letter}" twice; name each axis once`,
      );
    }
  }
  return [...term.head, ...(term.ellipsis ? ellipsisLabels(broad) : []), ...term.tail];
}

function parse(equation: string, operands: readonly Tensor[]): Equation {
  if (typeof equation !== "string") {
    throw new ArgumentError(`einsum: expected an equation such as "ij,jk->ik", got ${equation}`);
  }
  const sides = equation.replace(/\s/g, "").split("->");
  if (sides.length > 2) {
    throw new ArgumentError(`einsum: "${equation}" has more than one "->"`);
  }
  const texts = sides[0].split(",");
  if (texts.length !== operands.length) {
    throw new ArgumentError(
      `einsum: "${equation}" has ${texts.length} terms, but ${operands.length} operands were given`,
    );
  }
  const terms = texts.map((text) => parseTerm(text, equation));
  const inputs = terms.map((term, i) => nameAxes(term, operands[i], i, equation));
  const sizes = new Map<string, number>();
  for (const [i, labels] of inputs.entries()) {
    for (const [axis, label] of labels.entries()) {
      const size = operands[i].shape[axis];
      const known = sizes.get(label) ?? 1;
      const repeated = labels.indexOf(label);
      if (known !== 1 && size !== 1 && known !== size || operands[i].shape[repeated] !== size) {
        const name = label.startsWith("...") ? "an axis of the ellipsis" : `"${label}"`;
        throw new ShapeError(
          `einsum: term "${
            terms[i].text
          }" of "${equation}": ${name} has size ${size} at axis ${axis} of operand ${i}, ${
            formatShape(operands[i].shape)
          }, but ${repeated !== axis ? operands[i].shape[repeated] : known} elsewhere`,
        );
      }
      sizes.set(label, known === 1 ? size : known);
    }
  }
  const broad = Math.max(
    0,
    ...inputs.map((labels) => labels.filter((l) => l.startsWith("...")).length),
  );
  const output = sides.length === 1
    ? implicitOutput(inputs, broad)
    : explicitOutput(parseTerm(sides[1], equation), inputs, broad, equation);
  return { inputs, output, sizes };
}

/**
 * A sum of products in Einstein's notation, with the syntax of `torch.einsum`: one term of letters for each operand,
 * separated by commas, then optionally `->` and the letters of the result. A letter that stands in several terms pairs
 * their axes; one that the result lacks is summed over; one that stands twice in a term takes the diagonal. `...`
 * stands for any number of further axes, which broadcast. Without `->` the result has the ellipsis and then, in
 * alphabetical order (capitals first), the letters that stand once. Axes of size 1 meet axes of any size. Spaces mean
 * nothing. More than two operands are multiplied pair by pair, in the order that takes the fewest multiplications.
 *
 * Throws an `ArgumentError` where the equation cannot be read and a `ShapeError` where an operand does not fit its term.
 *
 * @example
 * ```ts
 * import { einsum, ones } from "@tangents/ntk";
 * const jacobians = ones([2, 3, 4]);
 * console.log(einsum("Naf,Mbf->NMab", jacobians, jacobians).shape); // [2, 2, 3, 3]
 * console.log(einsum("NMKK->NM", ones([2, 2, 3, 3])).shape); // [2, 2]
 * ```
 */
export function einsum(equation: string, ...operands: readonly Tensor[]): Tensor {
  operands.forEach((x, i) => checkTensor(x, `einsum: operand ${i}`));
  if (operands.length === 0) {
    throw new ArgumentError(`einsum: no operand was given for "${equation}"`);
  }
  const { inputs, output, sizes } = parse(equation, operands);
  const parts: Labeled[] = promoteAll(operands).map((tensor, i) => {
    const single = takeDiagonals(tensor, inputs[i]);
    // An axis of size 1 that meets a larger one says nothing.
    return dropLabels(
      single,
      single.labels.filter((l, axis) => single.tensor.shape[axis] !== sizes.get(l)),
    );
  });
  const path = contractionPath(parts.map((part) => part.labels), output, sizes);
  for (const [i, j] of path) {
    const [b, a] = [parts.splice(j, 1)[0], parts.splice(i, 1)[0]];
    const needed = new Set([...output, ...parts.flatMap((part) => part.labels)]);
    // The last product lays its result out as the equation asks.
    const own = [...new Set([...a.labels, ...b.labels])].filter((l) => needed.has(l));
    parts.push(contractPair(a, b, parts.length === 0 ? output : own));
  }
  const [result] = parts;
  const summed = sumLabels(result, result.labels.filter((l) => !output.includes(l)));
  // A result's axis that all operands have with size 1 was kept; nothing else can be missing.
  return reshape(orderLabels(summed, output), output.map((l) => sizes.get(l)!));
}
