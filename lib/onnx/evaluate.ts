/**
 * Computing while loading: small results of constants, by plain loops on the host.
 *
 * Shape arithmetic is done by the operators that compute the network, so that there is one meaning of each. The reference
 * backend runs it: it needs no compiling, does not wait, and leaves the backend that computes the network alone.
 *
 * @module
 */

import type { TypedArray } from "../base/dtype.ts";
import { referenceBackend } from "../../backends/reference/mod.ts";
import { buildProgram } from "../compiler/build.ts";
import type { Tensor } from "../core/tensor.ts";

/** The elements of a tensor that depends on nothing but host data; null where a backend has some of these. */
export function evaluate(tensor: Tensor): TypedArray | null {
  if (tensor.host !== null) return tensor.host;
  const { program, leaves } = buildProgram([tensor]);
  if ((leaves as Tensor[]).some(({ host }) => host === null)) return null;
  const inputs = (leaves as Tensor[]).map(({ host, dtype }) =>
    referenceBackend.upload(host!, dtype)
  );
  const [output] = referenceBackend.compile(program).run(inputs);
  const data = referenceBackend.readSync!(output);
  for (const buffer of [...inputs, output]) buffer.dispose();
  return data;
}
