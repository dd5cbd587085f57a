/**
 * What `empiricalNtk` tells about a kernel.
 *
 * @module
 */

import type { NtkCompute, NtkNormalize } from "./compute.ts";
import type { ErrorEstimate } from "./error_estimate.ts";
import type { NtkMethod } from "./methods.ts";
import type { KernelSpectrum } from "./spectrum.ts";
import type { TileReport } from "./tiles.ts";

/** What was done to compute a kernel. */
export interface NtkReport {
  /** The method that computed it; "mixed" where parameters have different ones. */
  readonly method: NtkMethod | "mixed";
  /** What of the kernel was computed; "axes" where output axes were chosen by number. */
  readonly compute: NtkCompute | "axes";
  /** What was computed of each axis of the output. */
  readonly axes: readonly NtkCompute[];
  /** Whether what was traced over was summed or averaged. */
  readonly normalize: NtkNormalize;
  /** Shape of the kernel. */
  readonly shape: readonly number[];
  /** Name of the backend. */
  readonly backend: string;
  /** What it runs on, in words. */
  readonly device: string;
  /** Why this backend: what was asked for, or what "auto" found. */
  readonly backendReason: string;
  /** Seconds from the call to the kernel, building and compiling the program included; without the check. */
  readonly seconds: number;
  /** Most bytes that the backend held at once since it started. */
  readonly peakBytes: number;
  /** How many examples and outputs were computed at a time, in how many blocks, and the bytes that one needed. */
  readonly tiles: TileReport;
  /** Number of parameters that the kernel sums over. */
  readonly parameters: number;
  /** How far some entries are from the same in float64, if asked for. */
  readonly errorEstimate?: ErrorEstimate;
  /** The ends of the spectrum, and whether the kernel is positive semidefinite, if asked for. */
  readonly spectrum?: KernelSpectrum;
  /** The comparison with another method, if one was asked for. */
  readonly check?: { readonly method: NtkMethod; readonly largestDifference: number };
}
