/**
 * Neural tangent kernels of finite networks.
 *
 * @module
 */

export { type CheckTolerances, type KernelDifference, NtkMismatchError } from "./check.ts";
export type { NtkCompute, NtkNormalize, OutputOptions } from "./compute.ts";
export { symmetricEigenvalues } from "./eigenvalues.ts";
export type { ErrorEstimate, ErrorEstimateOptions } from "./error_estimate.ts";
export { empiricalNtk } from "./empirical_ntk.ts";
export {
  type ExplainedParameter,
  explainNtk,
  type ExplainOptions,
  type NtkExplanation,
} from "./explain.ts";
export type { NtkMethod } from "./methods.ts";
export { ntkVectorProduct, type NtkVectorProductOptions } from "./kernel_operator.ts";
export type { NtkOptions } from "./options.ts";
export type { ParameterShare } from "./plan.ts";
export type { NetworkFunction, ParameterChoice } from "./problem.ts";
export type { NtkReport } from "./report.ts";
export type { KernelTree, NoResultOptions, NtkResult, ResultOptions } from "./results.ts";
export type { KernelSpectrum } from "./spectrum.ts";
export { type AnyNetwork, linearizeNetwork, taylorExpand } from "./taylor.ts";
export {
  ExamplesInteractError,
  type IndependenceOptions,
  verifyIndependence,
} from "./verify_independence.ts";
export type { TileReport, TileSizes } from "./tiles.ts";
