/**
 * All operators: the families, and the way to find one.
 *
 * A family is a file beside this one that exports a list of operators; a new one is added here in two lines.
 *
 * @module
 */

import type { Operator } from "../operator.ts";
import { activations } from "./activations.ts";
import { algebra } from "./algebra.ts";
import { attention } from "./attention.ts";
import { comparison } from "./comparison.ts";
import { constants } from "./constants.ts";
import { contractions } from "./contractions.ts";
import { control } from "./control.ts";
import { convolution } from "./convolution.ts";
import { cumulative } from "./cumulative.ts";
import { deformable } from "./deformable.ts";
import { dropout } from "./dropout.ts";
import { elementwise } from "./elementwise.ts";
import { gathering } from "./gathering.ts";
import { grids } from "./grids.ts";
import { integers } from "./integers.ts";
import { linearAttention } from "./linear_attention.ts";
import { loops } from "./loops.ts";
import { losses } from "./losses.ts";
import { movement } from "./movement.ts";
import { normalization } from "./normalization.ts";
import { padding } from "./padding.ts";
import { parts } from "./parts.ts";
import { pooling } from "./pooling.ts";
import { quantization } from "./quantization.ts";
import { recurrent } from "./recurrent.ts";
import { reductions } from "./reductions.ts";
import { regions } from "./regions.ts";
import { resizing } from "./resize.ts";
import { scattering } from "./scattering.ts";
import { selection } from "./selection.ts";
import { sequences } from "./sequences.ts";
import { shapes } from "./shapes.ts";
import { signals } from "./signals.ts";
import { trigonometry } from "./trigonometry.ts";
import { types } from "./types.ts";
import { variadic } from "./variadic.ts";

/** The families. */
export const families: Readonly<Record<string, readonly Operator[]>> = {
  activations,
  algebra,
  attention,
  comparison,
  constants,
  contractions,
  control,
  convolution,
  cumulative,
  deformable,
  dropout,
  elementwise,
  gathering,
  grids,
  integers,
  linearAttention,
  loops,
  losses,
  movement,
  normalization,
  padding,
  parts,
  pooling,
  quantization,
  recurrent,
  reductions,
  regions,
  resizing,
  scattering,
  selection,
  sequences,
  shapes,
  signals,
  trigonometry,
  types,
  variadic,
};

/** The newest version of ONNX's own operators that is read: what changes after it is not known. */
export const newestVersion = 28;

const keyOf = (domain: string, name: string): string => `${domain} ${name}`;

const byName = new Map(
  Object.values(families).flat().map((entry) => [keyOf(entry.domain, entry.name), entry]),
);

/** The operator of a name; null where there is none. */
export function findOperator(domain: string, name: string): Operator | null {
  return byName.get(keyOf(domain, name)) ?? null;
}

/** The first version of an operator that is understood. */
export function supportedFrom(operator: Operator): number {
  return operator.since[0];
}
