/**
 * How many elements windows count.
 *
 * @module
 */

import { allocate, type DType } from "../../base/dtype.ts";
import type { Tensor } from "../tensor.ts";
import { fromHost } from "./creation.ts";

/**
 * The product of what windows count along each axis, as a tensor over all windows, or one number if all agree.
 *
 * @param along for each windowed axis, what each window counts along it
 * @param dtype of the tensor
 */
export function windowCounts(
  along: readonly (readonly number[])[],
  dtype: DType,
): Tensor | number {
  const table = along.reduce<number[]>(
    (products, list) => products.flatMap((product) => list.map((n) => product * n)),
    [1],
  );
  if (table.every((n) => n === table[0])) return table[0];
  const data = allocate(dtype, table.length);
  data.set(table);
  return fromHost(data, along.map(({ length }) => length), dtype);
}
