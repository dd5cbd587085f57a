/**
 * Function transforms: from a function of tensors to its derivatives and its batched form.
 *
 * @module
 */

export { customJvp, customVjp } from "./custom.ts";
export { grad, valueAndGrad } from "./grad.ts";
export { hessian } from "./hessian.ts";
export { jacfwd } from "./jacfwd.ts";
export { jacrev } from "./jacrev.ts";
export type { ArgumentNumbers, ChosenArguments, Jacobian } from "./jacobian.ts";
export { jvp } from "./jvp.ts";
export { linearize } from "./linearize.ts";
export { stopGradient } from "./stop_gradient.ts";
export { vjp } from "./vjp.ts";
export { type AxisTree, vmap } from "./vmap.ts";
