/**
 * Nodes that are computed on the host, by the loops of the reference backend.
 *
 * TensorFlow.js has no kernels for them, or kernels that are not exact. WebAssembly's memory can be read at once, so this is a
 * matter of speed there. A GPU's cannot: there it works for what comes from the host, such as the keys of random numbers.
 *
 * @module
 */

import { BackendError } from "../../lib/base/errors.ts";
import { allocate } from "../../lib/base/dtype.ts";
import { formatShape, sizeOf } from "../../lib/base/shape.ts";
import type { ProgramNode } from "../../lib/compiler/program.ts";
import { execute } from "../reference/execute.ts";
import { denseHost, type Operations } from "./operations.ts";
import type { Value } from "./value.ts";

/** Whether all operands are on the host, or can be read at once. */
export function isOnHost(inputs: readonly Value[], on: Operations): boolean {
  return on.readable ||
    inputs.every(({ host, constant }) => host !== null || constant !== undefined);
}

/**
 * Computes a node on the host.
 *
 * @throws BackendError where an operand is on a device that cannot be read at once.
 */
export function onHost(node: ProgramNode, inputs: readonly Value[], on: Operations): Value {
  const operands = inputs.map((value) => {
    const none = sizeOf(value.shape) === 0 || sizeOf(node.shape) === 0;
    // Of an empty result nothing is read, whatever there is.
    const host = none ? allocate(value.dtype, sizeOf(value.stored)) : on.hostOf(value);
    if (host === null) throw refused(node, value);
    return { data: denseHost(host, value), shape: value.shape, dtype: value.dtype };
  });
  const { shape, dtype } = node;
  return { shape, dtype, stored: shape, tensor: null, host: execute(node, operands) };
}

function refused({ primitive, dtype }: ProgramNode, operand: Value): BackendError {
  return new BackendError(
    `tfjs-webgpu: ${primitive} of ${operand.dtype} ${
      formatShape(operand.shape)
    } to ${dtype} has no exact kernel in TensorFlow.js's ` +
      'WebGPU backend, and the operand was computed there; compute it on the backend "wasm" or "webgpu"',
  );
}
