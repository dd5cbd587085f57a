/** Running one operator of ONNX without a file. */
import type { Constant } from "../../lib/onnx/constant.ts";
import { NodeContext } from "../../lib/onnx/context.ts";
import { findOperator } from "../../lib/onnx/operators/table.ts";
import { Value } from "../../lib/onnx/value.ts";
import { Tensor } from "../../mod.ts";

/** What an operator is given. */
export interface OperatorCall {
  /** Its name. */
  readonly operator: string;
  /** Attributes; the others have their defaults. */
  readonly attributes?: Readonly<Record<string, unknown>>;
  /** The version; the newest by default. */
  readonly version?: number;
  /** How many outputs are wanted; 1 by default. */
  readonly outputs?: number;
}

/** All outputs of an operator; an input is null where it is left out. */
export function callOperator(
  call: OperatorCall,
  inputs: readonly (Tensor | Constant | null)[],
): Tensor[] {
  const operator = findOperator("", call.operator);
  if (operator === null) throw new Error(`no operator ${call.operator}`);
  const defaults = Object.entries(operator.attributes).map((
    [name, { initial }],
  ) => [name, initial]);
  const values = inputs.map((x) =>
    x === null ? null : x instanceof Tensor ? Value.ofTensor(x, x.dtype) : Value.ofConstant(x)
  );
  const node = {
    title: call.operator,
    operator,
    version: call.version ?? operator.since.at(-1)!,
    inputs: inputs.map((x, i) => x === null ? "" : `input${i}`),
    outputs: Array.from({ length: call.outputs ?? 1 }, (_, i) => `output${i}`),
    attributes: { ...Object.fromEntries(defaults), ...call.attributes },
    captures: [],
    offset: 0,
  };
  const context = new NodeContext(
    node,
    values,
    false,
    { precision: "float64", batch: null },
    () => {
      throw new Error("no subgraphs");
    },
  );
  const result = operator.run(context, node.attributes);
  const results = Array.isArray(result) ? result : [result];
  return results.slice(0, node.outputs.length).map((x) => x instanceof Tensor ? x : x.tensor);
}
