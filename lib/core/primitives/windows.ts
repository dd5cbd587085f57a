/**
 * Sliding windows over trailing axes, and their transpose.
 *
 * @module
 */

import { ArgumentError, ShapeError } from "../../base/errors.ts";
import type { WindowParams } from "../../base/primitives.ts";
import { formatShape, type Shape } from "../../base/shape.ts";
import { apply } from "../apply.ts";
import { moveAxis } from "./build.ts";
import type { RuleTable } from "./rule.ts";

/** How many windows fit along each windowed axis. */
function windowCounts(sizes: Shape, { kernel, strides, dilation }: WindowParams): number[] {
  return sizes.map((size, i) => {
    const room = size - (kernel[i] === 0 ? 0 : (kernel[i] - 1) * dilation[i] + 1);
    return room < 0 ? 0 : Math.floor(room / strides[i]) + 1;
  });
}

function checkWindow(name: string, shape: Shape, params: WindowParams, least: number): void {
  const { kernel, strides, dilation } = params;
  const n = kernel.length;
  const integers = [...kernel, ...strides, ...dilation].every((k) => Number.isInteger(k) && k >= 1);
  if (strides.length !== n || dilation.length !== n || !integers) {
    throw new ArgumentError(
      `${name}: kernel, strides and dilation must hold as many integers ≥ 1 each, got ${
        formatShape(kernel)
      }, ${formatShape(strides)} and ${formatShape(dilation)}`,
    );
  }
  if (shape.length < least) {
    throw new ShapeError(`${name}: ${formatShape(shape)} has fewer than ${least} axes`);
  }
}

/** Rules of patches and patchesTranspose. */
export const windowRules: RuleTable<"patches" | "patchesTranspose"> = {
  patches: {
    infer([x], params) {
      const n = params.kernel.length;
      checkWindow("patches", x.shape, params, n);
      const leading = x.shape.slice(0, x.shape.length - n);
      const counts = windowCounts(x.shape.slice(leading.length), params);
      return { shape: [...leading, ...params.kernel, ...counts], dtype: x.dtype };
    },
    jvp: ({ params }, [tangent]) => apply("patches", params, tangent!),
    vjp: ({ inputs: [x], params }, cotangent) => {
      const sizes = x.shape.slice(x.shape.length - params.kernel.length);
      return [apply("patchesTranspose", { ...params, sizes }, cotangent)];
    },
    batch: ([x], [axis], params) => ({
      tensor: apply("patches", params, moveAxis(x, axis!, 0)),
      axis: 0,
    }),
  },
  patchesTranspose: {
    infer([y], params) {
      const n = params.kernel.length;
      checkWindow("patchesTranspose", y.shape, params, 2 * n);
      const leading = y.shape.slice(0, y.shape.length - 2 * n);
      const expected = [...leading, ...params.kernel, ...windowCounts(params.sizes, params)];
      if (params.sizes.length !== n || expected.some((size, i) => size !== y.shape[i])) {
        throw new ShapeError(
          `patchesTranspose: windows of ${formatShape(params.sizes)} have shape ${
            formatShape(expected)
          }, got ${formatShape(y.shape)}`,
        );
      }
      return { shape: [...leading, ...params.sizes], dtype: y.dtype };
    },
    jvp: ({ params }, [tangent]) => apply("patchesTranspose", params, tangent!),
    vjp: ({ params: { kernel, strides, dilation } }, cotangent) => [
      apply("patches", { kernel, strides, dilation }, cotangent),
    ],
    batch: ([y], [axis], params) => ({
      tensor: apply("patchesTranspose", params, moveAxis(y, axis!, 0)),
      axis: 0,
    }),
  },
};
