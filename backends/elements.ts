/**
 * Elements that are given to a backend.
 *
 * @module
 */

import { allocate, type DType, dtypeOf, type TypedArray } from "../lib/base/dtype.ts";
import { BackendError } from "../lib/base/errors.ts";

/**
 * Checks that elements come in the array that their dtype has.
 *
 * @throws BackendError, which begins with who asks, where they do not.
 */
export function checkElements(data: TypedArray, dtype: DType, where: string): void {
  if (dtypeOf(data) === dtype) return;
  throw new BackendError(
    `${where}: ${dtype} elements come in a ${
      allocate(dtype, 0).constructor.name
    }, got a ${data.constructor.name}`,
  );
}
