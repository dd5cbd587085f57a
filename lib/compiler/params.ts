/**
 * Canonical text of a primitive's parameters, for keys and for printing.
 *
 * @module
 */

import type { PrimitiveName } from "../base/primitives.ts";

const windowFields = ["kernel", "strides", "dilation"] as const;
const leafFields = ["shape", "dtype"] as const;

/** The fields of the primitives that have parameters, in the order they are written. */
const fields: { readonly [P in PrimitiveName]?: readonly string[] } = {
  constant: leafFields,
  placeholder: leafFields,
  full: ["shape", "dtype", "value"],
  iota: ["shape", "dtype", "axis"],
  randomBits: ["length"],
  cast: ["dtype"],
  bitcast: ["dtype"],
  reshape: ["shape"],
  permute: ["permutation"],
  broadcast: ["shape"],
  slice: ["start", "limit", "step"],
  pad: ["low", "high", "interior", "value"],
  flip: ["axes"],
  concat: ["axis"],
  reduceSum: ["axes"],
  reduceProd: ["axes"],
  reduceMax: ["axes"],
  reduceMin: ["axes"],
  argmax: ["axis"],
  argmin: ["axis"],
  cumsum: ["axis", "reverse"],
  dotGeneral: ["lhsBatch", "rhsBatch", "lhsContract", "rhsContract"],
  conv: ["strides", "padding", "lhsDilation", "rhsDilation", "groups"],
  patches: windowFields,
  patchesTranspose: [...windowFields, "sizes"],
  gather: ["batchDims"],
  scatterAdd: ["batchDims", "size"],
  argsort: ["descending"],
  customDerivative: ["rule", "output"],
};

/** The parameters as text: equal for equal parameters, different for different ones (−0 and NaN included). */
export function paramsKey(primitive: PrimitiveName, params: object): string {
  const names = fields[primitive];
  if (names === undefined) return "";
  let key = "";
  for (let i = 0; i < names.length; i++) {
    const value = (params as Record<string, unknown>)[names[i]];
    key += (i === 0 ? "" : ";") + (Object.is(value, -0) ? "-0" : String(value));
  }
  return key;
}

/** The parameters as a person reads them: `axes=[0, 1]`. */
export function formatParams(primitive: PrimitiveName, params: object): string {
  const names = fields[primitive] ?? [];
  return names.filter((name) => name !== "shape" && name !== "dtype").map((name) =>
    `${name}=${formatValue((params as Record<string, unknown>)[name])}`
  ).join(" ");
}

function formatValue(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(formatValue).join(",")}]`;
  return Object.is(value, -0) ? "-0" : String(value);
}
