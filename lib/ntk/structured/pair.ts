/**
 * The product of two terms of the Jacobians of two sets of examples: one small tensor network, contracted in the cheapest
 * order.
 *
 * @module
 */

import { invertPermutation, range } from "../../base/shape.ts";
import { bestOrder, type Order } from "../../compiler/contraction_order.ts";
import {
  contractPair,
  type Labeled,
  orderLabels,
  sumLabels,
  takeDiagonals,
} from "../../core/operations/labeled.ts";
import { cast } from "../../core/operations/arithmetic.ts";
import { eye } from "../../core/operations/creation.ts";
import { apply } from "../../core/apply.ts";
import { broadcast, permute, reshape, scale } from "../../core/primitives/build.ts";
import type { Tensor } from "../../core/tensor.ts";
import type { OutputForm } from "../compute.ts";
import { sumInPairs } from "../sum_in_pairs.ts";
import { joinAxis, type Joint, type Side } from "./join.ts";
import { axisLabels } from "./parts.ts";
import { type Factor, type Label, Unstructured } from "./term.ts";

/** A product of two terms, planned. */
export interface PairPlan {
  /** Its cost, in the unit of `bestOrder`: two operations of a matrix product are one multiply-add. */
  readonly cost: number;
  /** Its share of the kernel; nothing is computed. */
  build(): Share;
}

/** A share of the kernel that is zero where outputs differ which the network makes the same. */
export interface Share {
  /** Its values, with an axis for each example, output axis and second output axis in turn, of size 1 where repeated. */
  readonly tensor: Tensor;
  /** For each axis the axis that it repeats, or its own number. */
  readonly repeats: readonly number[];
  /** The sizes with the repeated axes put in. */
  readonly shape: readonly number[];
}

/** The sum of shares, as a tensor of the shape; what they repeat is put in once for all that repeat the same. */
export function sumShares(
  shares: readonly Share[],
  shape: readonly number[],
  dtype: Tensor["dtype"],
): Tensor | null {
  const groups = Map.groupBy(shares, ({ repeats }) => repeats.join());
  const whole = [...groups.values()].map((group) => {
    const tensor = sumInPairs(group.map((share) => share.tensor));
    return reshape(withRepeats({ ...group[0], tensor }, dtype), shape);
  });
  return whole.length === 0 ? null : sumInPairs(whole);
}

/** Sets of labels that are the same. */
class Labels {
  private readonly parent = new Map<Label, Label>();
  private readonly names = new Map<Label, string>();

  /** The label that stands for all that are the same. */
  find(label: Label): Label {
    const parent = this.parent.get(label);
    return parent === undefined ? label : this.find(parent);
  }

  unite(a: Label, b: Label): void {
    const [p, q] = [this.find(a), this.find(b)];
    if (p !== q) this.parent.set(q, p);
  }

  /** A name for `contractPair`. */
  name(label: Label): string {
    const known = this.find(label);
    let name = this.names.get(known);
    if (name === undefined) this.names.set(known, name = `l${this.names.size}`);
    return name;
  }
}

/** A factor with names, each once; of labels that became the same, the diagonal is taken. */
function nameFactor(labels: Labels, factor: Factor, dtype: Tensor["dtype"]): Labeled {
  return takeDiagonals(
    cast(factor.tensor, dtype),
    factor.labels.map((label) => labels.name(label)),
  );
}

function contractInOrder(
  order: Order,
  operands: readonly Labeled[],
  namesOf: (labels: number) => string[],
): Labeled {
  if ("operand" in order) {
    const operand = operands[order.operand];
    const kept = namesOf(order.labels);
    return sumLabels(operand, operand.labels.filter((name) => !kept.includes(name)));
  }
  return contractPair(
    contractInOrder(order.left, operands, namesOf),
    contractInOrder(order.right, operands, namesOf),
    namesOf(order.labels),
  );
}

/** Two terms as one network of factors whose axes have names. */
interface PairNetwork {
  readonly labels: Labels;
  readonly operands: readonly Labeled[];
  /** The labels of the parameter's axes, which are summed over. */
  readonly summed: readonly Label[];
  readonly scale: number;
}

/** Joins two terms at the parameter. Returns null where they never meet. */
function networkOf(
  left: Side,
  right: Side,
  dtype: Tensor["dtype"],
  labels: Labels,
): PairNetwork | null {
  const outer = new Set([left, right].flatMap(({ example, outputs }) => [example, ...outputs]));
  const joint: Joint = { a: left.term, b: right.term, equal: [], factors: [], outer, dtype };
  for (const axis of range(joint.a.axes.length)) if (!joinAxis(joint, axis)) return null;
  joint.equal.forEach(([a, b]) => labels.unite(a, b));
  return {
    labels,
    operands: [...joint.a.factors, ...joint.b.factors, ...joint.factors]
      .map((factor) => nameFactor(labels, factor, dtype)),
    summed: [...axisLabels(joint.a), ...axisLabels(joint.b)],
    scale: joint.a.scale * joint.b.scale,
  };
}

/** The cheapest order of a network with the result's labels. */
class Contraction {
  private readonly names: readonly string[];
  private readonly found: { order: Order; cost: number } | null;

  constructor(
    private readonly operands: readonly Labeled[],
    private readonly output: readonly string[],
    private readonly sizes: ReadonlyMap<string, number>,
    limit: number,
  ) {
    this.names = [...sizes.keys()];
    if (this.names.length > 30) throw new Unstructured("more than 30 labels");
    const problem = {
      sizes: this.names.map((name) => sizes.get(name)!),
      operands: operands.map(({ labels }) => this.set(labels)),
      output: this.set(output),
    };
    this.found = operands.length === 0
      ? null
      : bestOrder({ ...problem, limit }) ?? bestOrder({ ...problem, limit: Infinity });
  }

  get cost(): number {
    return this.found?.cost ?? 0;
  }

  /** The product with the output's labels that any operand has, in the output's order; nothing is computed. */
  build(dtype: Tensor["dtype"]): Labeled {
    if (this.found === null) {
      return { tensor: apply("full", { shape: [], dtype, value: 1 }), labels: [] };
    }
    const product = contractInOrder(this.found.order, this.operands, (set) => {
      const names = this.names.filter((_, i) => (set & 1 << i) !== 0);
      // The result's own axes first, in its order.
      return [
        ...this.output.filter((name) => names.includes(name)),
        ...names.filter((name) => !this.output.includes(name)),
      ];
    });
    const kept = this.output.filter((name) => product.labels.includes(name));
    return { tensor: orderLabels(product, kept), labels: kept };
  }

  private set(names: readonly string[]): number {
    return names.reduce((bits, name) => bits | 1 << this.names.indexOf(name), 0);
  }
}

/** Sizes of all labels that take part. */
function sizesOf(network: PairNetwork, others: readonly Label[]): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const { tensor, labels } of network.operands) {
    labels.forEach((name, i) => sizes.set(name, tensor.shape[i]));
  }
  for (const label of others) sizes.set(network.labels.name(label), label.size);
  return sizes;
}

/**
 * Plans the product of two terms: for every pair of examples and the wanted pairs of outputs, the sum over the parameter.
 * Returns null where it is zero. Throws `Unstructured` where the terms' axes cannot be made the same.
 *
 * @param left a term of the first examples' Jacobian
 * @param right one of the second examples', with labels of its own
 * @param form which pairs of outputs are wanted
 * @param dtype the kernel's dtype
 * @param limit no intermediate result may have more elements, where there is an order for which that holds
 */
export function planPair(
  left: Side,
  right: Side,
  form: OutputForm,
  dtype: Tensor["dtype"],
  limit: number,
): PairPlan | null {
  const labels = new Labels();
  form.order.forEach((axis, i) => {
    if (form.axes[axis] !== "full") labels.unite(left.outputs[i], right.outputs[i]);
  });
  const network = networkOf(left, right, dtype, labels);
  if (network === null) return null;
  const wanted = (side: Side, kind: string): Label[] =>
    side.outputs.filter((_, i) => form.axes[form.order[i]] === kind);
  // Axes of the result; one of the second outputs that is the same as one of the first is put in at the end.
  const result = [
    left.example,
    right.example,
    ...wanted(left, "diagonal"),
    ...wanted(left, "full"),
    ...wanted(right, "full"),
  ].map((label) => labels.name(label));
  const output = [...new Set(result)];
  const outer = [left.example, right.example, ...left.outputs, ...right.outputs];
  const sizes = sizesOf(network, [...outer, ...network.summed]);
  // A label that is summed over and that no factor has counts as often as it is long.
  const present = new Set([...network.operands.flatMap((operand) => operand.labels), ...output]);
  const absent = [...network.summed, ...left.outputs].map((label) => labels.name(label))
    .filter((name) => !present.has(name));
  const factor = [...new Set(absent)].reduce((n, name) => n * sizes.get(name)!, network.scale);
  const contraction = new Contraction(network.operands, output, sizes, limit);
  return {
    cost: contraction.cost,
    build() {
      const product = contraction.build(dtype);
      const shape = output.map((name) => sizes.get(name)!);
      const spread = output.map((name, i) => product.labels.includes(name) ? shape[i] : 1);
      const x = scale(broadcast(reshape(product.tensor, spread), shape), factor);
      const repeats = result.map((name) => result.indexOf(name));
      return {
        tensor: reshape(
          x,
          result.map((name, i) => repeats[i] === i ? shape[output.indexOf(name)] : 1),
        ),
        repeats,
        shape: result.map((name) => shape[output.indexOf(name)]),
      };
    },
  };
}

/**
 * Operations of what NTK-vector products do at a pair of uses: the cotangent of the first, a product over the parameter
 * with what the second use multiplies, and the tangent there for every pair of examples and every output.
 */
export function productsWork(left: Side, right: Side, dtype: Tensor["dtype"]): number {
  const { term, outputs } = right;
  // The first factor is the cotangent, unless that was an identity or the same number everywhere.
  const [cotangent, ...rest] = term.factors;
  const isCotangent = cotangent?.labels.some((label) => outputs.includes(label));
  const labels = new Labels();
  const tangent: Side = isCotangent ? { ...right, term: { ...term, factors: rest } } : right;
  const network = networkOf(left, tangent, dtype, labels);
  if (network === null) return 0;
  const there = isCotangent ? cotangent.labels.filter((label) => !outputs.includes(label)) : [];
  const result = [left.example, right.example, ...left.outputs, ...there];
  const sizes = sizesOf(network, [...result, ...network.summed]);
  const output = [...new Set(result.map((label) => labels.name(label)))];
  return new Contraction(network.operands, output, sizes, Infinity).cost;
}

/** Puts in the axes that repeat earlier ones: zero where the two differ. */
function withRepeats({ tensor, repeats, shape }: Share, dtype: Tensor["dtype"]): Tensor {
  return repeats.reduce((x, first, i) => {
    if (first === i) return x;
    const size = shape[i];
    const kept = range(x.rank).filter((axis) => axis !== i);
    const params = {
      lhsBatch: [kept.indexOf(first)],
      rhsBatch: [0],
      lhsContract: [],
      rhsContract: [],
    };
    const product = apply(
      "dotGeneral",
      params,
      reshape(x, kept.map((axis) => x.shape[axis])),
      eye(size, size, { dtype }),
    );
    // The shared axis, the others, and the axis that repeats it.
    const order = [first, ...kept.filter((axis) => axis !== first), i];
    return permute(product, invertPermutation(order));
  }, tensor);
}
