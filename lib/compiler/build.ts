/**
 * From a graph of tensors to a program.
 *
 * @module
 */

import type { DType } from "../base/dtype.ts";
import type { PrimitiveName, PrimitiveParams } from "../base/primitives.ts";
import type { Shape } from "../base/shape.ts";
import { paramsKey } from "./params.ts";
import type { Program, ProgramNode } from "./program.ts";

/** A node of the graph that operations on tensors build. */
export interface GraphNode {
  /** Shape of the result. */
  readonly shape: Shape;
  /** Dtype of the result. */
  readonly dtype: DType;
  /** What computes it; null for a leaf. */
  readonly operation: {
    /** The primitive. */
    readonly primitive: PrimitiveName;
    /** Its static parameters. */
    readonly params: object;
    /** Its operands. */
    readonly inputs: readonly GraphNode[];
  } | null;
  /** Not null where the value is known: the node is an input of the program then, whatever its operation. */
  readonly buffer: object | null;
}

/** A program, and the graph nodes whose buffers are its inputs, in order. */
export interface BuiltProgram {
  /** What computes the outputs. */
  readonly program: Program;
  /** The nodes whose buffers the program is run on. */
  readonly leaves: readonly GraphNode[];
}

const nothing: ReadonlySet<GraphNode> = new Set();

/**
 * The program that computes the outputs. Equal nodes are merged, what no output needs is left out, and identities that
 * only matter to transforms vanish. Nodes that are given have values from outside, whatever their operation.
 */
export function buildProgram(
  outputs: readonly GraphNode[],
  given: ReadonlySet<GraphNode> = nothing,
): BuiltProgram {
  const nodes: ProgramNode[] = [];
  const inputs: number[] = [];
  const leaves: GraphNode[] = [];
  const ids = new Map<GraphNode, number>();
  const byKey = new Map<string, number>();
  const keys: string[] = [];

  const add = (node: ProgramNode, key: string): number => {
    const known = byKey.get(key);
    if (known !== undefined) return known;
    const id = nodes.push(node) - 1;
    byKey.set(key, id);
    keys.push(key);
    return id;
  };

  const stack: GraphNode[] = [];
  for (const output of outputs) {
    stack.push(output);
    while (stack.length > 0) {
      const node = stack[stack.length - 1];
      if (ids.has(node)) {
        stack.pop();
        continue;
      }
      const operation = node.operation;
      if (
        node.buffer !== null || operation === null || operation.primitive === "constant" ||
        given.has(node)
      ) {
        stack.pop();
        const params: PrimitiveParams["constant"] = { shape: node.shape, dtype: node.dtype };
        ids.set(
          node,
          add(
            { primitive: "constant", params, inputs: [], shape: node.shape, dtype: node.dtype },
            `constant#${leaves.length}(${node.shape};${node.dtype})`,
          ),
        );
        inputs.push(nodes.length - 1);
        leaves.push(node);
        continue;
      }
      const identity = isIdentity(operation.primitive);
      const operands = operation.inputs;
      // Of an identity only the value matters, not the operands that its derivative rule holds on to.
      const count = identity ? 1 : operands.length;
      let ready = true;
      for (let i = count - 1; i >= 0; i--) {
        if (!ids.has(operands[i])) {
          stack.push(operands[i]);
          ready = false;
        }
      }
      if (!ready) continue;
      stack.pop();
      if (identity) {
        ids.set(node, ids.get(operands[0])!);
        continue;
      }
      const operandIds = new Array<number>(count);
      for (let i = 0; i < count; i++) operandIds[i] = ids.get(operands[i])!;
      const { primitive, params } = operation;
      ids.set(
        node,
        add(
          {
            primitive,
            params: params as ProgramNode["params"],
            inputs: operandIds,
            shape: node.shape,
            dtype: node.dtype,
          },
          `${primitive}(${paramsKey(primitive, params)})${operandIds}`,
        ),
      );
    }
  }
  const results = outputs.map((output) => ids.get(output)!);
  const key = `${keys.join("\n")}\n→${results}`;
  return { program: { nodes, inputs, outputs: results, key }, leaves };
}

function isIdentity(primitive: PrimitiveName): boolean {
  return primitive === "alias" || primitive === "stopGradient" || primitive === "customDerivative";
}
