/**
 * Padding of convolutions as a node of its own.
 *
 * @module
 */

import type { PrimitiveParams } from "../base/primitives.ts";
import { paramsKey } from "./params.ts";
import type { Program, ProgramNode } from "./program.ts";

/** The pad that a convolution's padding and input dilation stand for, or null if it has neither. */
export function convPadding(
  params: PrimitiveParams["conv"],
  inputShape: readonly number[],
): { pad: PrimitiveParams["pad"]; shape: number[]; conv: PrimitiveParams["conv"] } | null {
  const { padding, lhsDilation } = params;
  if (
    padding.every(([low, high]) => low === 0 && high === 0) && lhsDilation.every((d) => d === 1)
  ) {
    return null;
  }
  const pad = {
    low: [0, 0, ...padding.map(([low]) => low)],
    high: [0, 0, ...padding.map(([, high]) => high)],
    interior: [0, 0, ...lhsDilation.map((d) => d - 1)],
    value: 0,
  };
  return {
    pad,
    shape: inputShape.map((n, a) =>
      n + Math.max(0, n - 1) * pad.interior[a] + pad.low[a] + pad.high[a]
    ),
    conv: {
      ...params,
      padding: padding.map(() => [0, 0] as const),
      lhsDilation: lhsDilation.map(() => 1),
    },
  };
}

/** The same program, with the padding of convolutions as pad nodes. */
export function explicitPadding(program: Program): Program {
  const padded = program.nodes.some((node) =>
    node.primitive === "conv" &&
    convPadding(node.params as PrimitiveParams["conv"], program.nodes[node.inputs[0]].shape) !==
      null
  );
  if (!padded) return program;
  const nodes: ProgramNode[] = [];
  const pads = new Map<string, number>();
  const ids: number[] = [];
  const add = (node: ProgramNode): number => nodes.push(node) - 1;
  const convert = (node: ProgramNode): number => {
    const inputs = node.inputs.map((input) => ids[input]);
    if (node.primitive === "conv") {
      const input = nodes[inputs[0]];
      const split = convPadding(node.params as PrimitiveParams["conv"], input.shape);
      if (split !== null) {
        const key = `${inputs[0]} ${paramsKey("pad", split.pad)}`;
        let pad = pads.get(key);
        if (pad === undefined) {
          pad = add({
            primitive: "pad",
            params: split.pad,
            inputs: [inputs[0]],
            shape: split.shape,
            dtype: input.dtype,
          });
          pads.set(key, pad);
        }
        return add({ ...node, params: split.conv, inputs: [pad, inputs[1]] });
      }
    }
    return add({ ...node, inputs });
  };
  for (const node of program.nodes) ids.push(convert(node));
  return {
    nodes,
    inputs: program.inputs.map((id) => ids[id]),
    outputs: program.outputs.map((id) => ids[id]),
    key: program.key,
  };
}
