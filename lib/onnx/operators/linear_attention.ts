/**
 * Attention whose state is a matrix that each token changes.
 *
 * @module
 */

import { range } from "../../base/shape.ts";
import { zeros } from "../../core/operations/creation.ts";
import { stack } from "../../core/operations/shapes.ts";
import type { Tensor } from "../../core/tensor.ts";
import { float, integer, required, text } from "../attributes.ts";
import { type Operator, operator, type OperatorContext } from "../operator.ts";
import { splitHeads } from "./heads.ts";
import { checkSteps } from "./steps.ts";

/** Which inputs each rule needs: a decay, a rate. */
const rules: Readonly<Record<string, readonly [decays: boolean, corrects: boolean]>> = {
  linear: [false, false],
  gated: [true, false],
  delta: [false, true],
  gated_delta: [true, true],
};

/** Attributes of a linear attention. */
interface Values {
  readonly kv_num_heads: number;
  readonly q_num_heads: number;
  readonly scale: number;
  readonly update_rule: string;
}

/** Token by token: S = exp(g)·S + k ⊗ (β·(v − Sᵀk)), o = scale · Sᵀq. */
function attend(context: OperatorContext, values: Values): Tensor[] {
  const { kv_num_heads: heads, q_num_heads: queries, update_rule: rule } = values;
  const [decays, corrects] = Object.hasOwn(rules, rule)
    ? rules[rule]
    : context.fail(`update_rule is ${JSON.stringify(rule)}`);
  const [q, k, v] = [0, 1, 2].map((i) =>
    splitHeads(context, context.tensor(i), i === 0 ? queries : heads)
  );
  const [batch, , steps, size] = k.shape;
  const width = v.shape[3];
  checkSteps(context, steps);
  if (queries % heads !== 0 || q.shape[3] !== size) {
    context.fail(`${queries} heads of queries for ${heads} of keys`);
  }
  const each = queries / heads;
  const scale = values.scale === 0 ? 1 / Math.sqrt(size) : values.scale;
  const decay = decays ? splitHeads(context, context.tensor(4), heads).exp() : null;
  const rate = corrects ? context.tensor(5) : null;
  let state = context.optionalTensor(3) ?? zeros([batch, heads, size, width], { dtype: q.dtype });
  const outputs: Tensor[] = [];
  for (const t of range(steps)) {
    // [B, heads, d] of one token.
    const [key, value] = [k.take(t, 2), v.take(t, 2)];
    if (decay !== null) state = state.mul(decay.take(t, 2).unsqueeze(3));
    let update = value;
    if (rate !== null) {
      const recalled = state.mul(key.unsqueeze(3)).sum(2);
      update = value.sub(recalled).mul(rate.take(t, 1).unsqueeze(2));
    }
    state = state.add(key.unsqueeze(3).mul(update.unsqueeze(2)));
    const asked = q.take(t, 2).reshape([batch, heads, each, size, 1]);
    outputs.push(asked.mul(state.unsqueeze(2)).sum(3).mul(scale).reshape([batch, queries * width]));
  }
  return [stack(outputs, 1), state];
}

/** Attention whose state is a matrix. */
export const linearAttention: readonly Operator[] = [
  operator({
    name: "LinearAttention",
    since: [27],
    inputs: [3, 6],
    attributes: {
      chunk_size: integer(64),
      kv_num_heads: required(integer()),
      q_num_heads: required(integer()),
      scale: float(0),
      update_rule: text("gated_delta"),
    },
    run: (c, values) => attend(c, values),
  }),
];
