/**
 * Where a node is computed: by kernels or on the host.
 *
 * WebGPU's kernels compute in float32, which is exact for integers up to 2²⁴. So the largest magnitude that integers may have is
 * followed from node to node, and what may be larger is computed on the host if its operands are there, and refused otherwise.
 * Integers and bools that come from the host stay there as long as they meet no floats.
 *
 * @module
 */

import { isFloat, isInteger } from "../../lib/base/dtype.ts";
import { BackendError } from "../../lib/base/errors.ts";
import type { PrimitiveName, PrimitiveParams } from "../../lib/base/primitives.ts";
import { formatShape, sizeOf } from "../../lib/base/shape.ts";
import type { ProgramNode } from "../../lib/compiler/program.ts";
import { isOnHost } from "./host.ts";
import type { Operations } from "./operations.ts";
import type { Value } from "./value.ts";

/** The largest n such that float32 holds all integers from −n to n. */
const mostExact = 2 ** 24;

/** Primitives whose results are what their operand has stored. */
const stays: ReadonlySet<PrimitiveName> = new Set<PrimitiveName>(
  ["broadcast", "alias", "stopGradient", "customDerivative"],
);

/** Where to compute, and a bound on the magnitude of what comes out, if that is integers. */
export interface Placement {
  /** Whether it is the host. */
  readonly host: boolean;
  /** No element's magnitude is larger; infinite where that is not known. */
  readonly bound: number;
}

/**
 * Chooses where a node is computed.
 *
 * @throws BackendError where neither kernels nor the host can.
 */
export function placeNode(node: ProgramNode, inputs: readonly Value[], on: Operations): Placement {
  const floats = [node, ...inputs].every(({ dtype }) => isFloat(dtype));
  if (on.readable || floats) return { host: false, bound: Infinity };
  // What takes no memory where it is.
  if (stays.has(node.primitive)) return { host: false, bound: boundOf(inputs[0]) };
  if (inputs.length === 0) return { host: false, bound: resultBound(node, [], []) };
  const bounds = inputs.map(boundOf);
  const bound = isInteger(node.dtype) ? resultBound(node, inputs, bounds) : 0;
  const exact = bound <= mostExact &&
    inputs.every(({ dtype }, i) => !isInteger(dtype) || bounds[i] <= mostExact);
  const discrete = [node, ...inputs].every(({ dtype }) => !isFloat(dtype));
  if (exact && !discrete) return { host: false, bound };
  if (isOnHost(inputs, on)) return { host: true, bound };
  if (exact) return { host: false, bound };
  const operands = inputs.map((x) => `${x.dtype} ${formatShape(x.shape)}`).join(", ");
  throw new BackendError(
    `tfjs-webgpu: ${node.primitive} of ${operands} to ${node.dtype} may meet integers beyond 2^24, which TensorFlow.js's WebGPU ` +
      'kernels do not compute exactly, and operands were computed there; compute it on the backend "wasm" or "webgpu"',
  );
}

/** A bound on a value's magnitude. */
function boundOf(value: Value): number {
  const { dtype, host, constant } = value;
  if (dtype === "bool") return 1;
  if (!isInteger(dtype)) return Infinity;
  if (constant !== undefined) return Math.abs(constant);
  if (value.bound === undefined && host !== null) {
    let largest = 0;
    for (const x of host) largest = Math.max(largest, Math.abs(x));
    value.bound = largest;
  }
  return value.bound ?? Infinity;
}

/** Primitives whose results are among their operands, or smaller. */
const keeping: ReadonlySet<PrimitiveName> = new Set<PrimitiveName>(
  ["abs", "sign", "maximum", "minimum", "select", "reshape", "permute", "slice", "flip", "concat"],
).union(new Set<PrimitiveName>(["reduceMax", "reduceMin", "gather", "patches"]));

/** A bound on the magnitude of a node's integers, from those of its operands. */
function resultBound(
  node: ProgramNode,
  inputs: readonly Value[],
  bounds: readonly number[],
): number {
  const { primitive, params, dtype, shape } = node;
  const values = bounds.filter((_, i) => isInteger(inputs[i].dtype));
  const largest = Math.max(0, ...values);
  const terms = inputs.length === 0 ? 0 : sizeOf(inputs[0].shape) / Math.max(1, sizeOf(shape));
  // Below zero uint32 begin again from the largest.
  const unsigned = dtype === "uint32";
  if (sizeOf(shape) === 0) return 0;
  if (keeping.has(primitive)) return primitive === "gather" ? bounds[0] : largest;
  switch (primitive) {
    case "full":
      return Math.abs((params as PrimitiveParams["full"]).value);
    case "iota":
      return shape[(params as PrimitiveParams["iota"]).axis];
    case "neg":
      return unsigned ? Infinity : largest;
    case "sub":
      return unsigned ? Infinity : bounds[0] + bounds[1];
    case "add":
      return bounds[0] + bounds[1];
    case "mul":
      return bounds[0] * bounds[1];
    case "pad":
      return Math.max(largest, Math.abs((params as PrimitiveParams["pad"]).value));
    case "reduceSum":
      return terms * largest;
    case "reduceProd":
      return Math.max(1, largest ** terms);
    case "cumsum":
      return shape[(params as PrimitiveParams["cumsum"]).axis] * largest;
    case "patchesTranspose":
      return sizeOf((params as PrimitiveParams["patchesTranspose"]).kernel) * largest;
    case "scatterAdd":
      return inputs[0].shape[inputs[0].shape.length - 1] * bounds[1];
    case "dotGeneral": {
      const { lhsContract } = params as PrimitiveParams["dotGeneral"];
      return sizeOf(lhsContract.map((axis) => inputs[0].shape[axis])) * bounds[0] * bounds[1];
    }
    case "argmax":
    case "argmin":
      return inputs[0].shape[(params as PrimitiveParams["argmax"]).axis];
    case "argsort":
      return shape[shape.length - 1];
    case "cast":
      return unsigned && inputs[0].dtype === "int32" ? Infinity : bounds[0];
    default:
      return Infinity;
  }
}
