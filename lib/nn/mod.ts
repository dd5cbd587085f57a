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
export { manualSeed, type ParameterOptions } from "./initialization.ts";
export { Linear, type LinearOptions } from "./linear.ts";
export { Conv1d, Conv2d, Conv3d, ConvLayer, type ConvLayerOptions } from "./convolution.ts";
