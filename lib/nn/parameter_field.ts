/**
 * Fields of the layers of this package, known as state from the start.
 *
 * @module
 */

import type { Tensor } from "../core/tensor.ts";
import type { Module } from "./module.ts";
import { buffer, parameter } from "./parameter.ts";
import { registerField } from "./state.ts";

/** A parameter for a field of a module: the field stays a parameter whatever tensor is assigned to it. */
export function parameterField(module: Module, key: string, value: Tensor): Tensor {
  registerField(module, key, "parameter");
  return parameter(value);
}

/** A buffer for a field of a module. */
export function bufferField(module: Module, key: string, value: Tensor): Tensor {
  registerField(module, key, "buffer");
  return buffer(value);
}
