/**
 * Networks: modules with PyTorch's names, shapes and initial distributions, and `functionalCall`, which makes a function
 * of the parameters of one.
 *
 * @module
 */

export { StateDictError } from "./errors.ts";
export { type LoadStateDictOptions, Module } from "./module.ts";
export { buffer, parameter } from "./parameter.ts";
export { functionalCall } from "./functional_call.ts";
export { manualSeed, nextKey, type ParameterOptions } from "./initialization.ts";
export * from "./activations.ts";
export * from "./activations_more.ts";
export * from "./attention.ts";
export * from "./batch_norm.ts";
export * from "./containers.ts";
export * from "./convolution.ts";
export * from "./convolution_transpose.ts";
export * from "./embedding.ts";
export * from "./linear.ts";
export * from "./normalization.ts";
export * from "./pooling.ts";
