/**
 * Tensors and the buffers of backends, without copies.
 *
 * @module
 */

import { ShapeError } from "../base/errors.ts";
import { checkShape, formatShape, type Shape, sizeOf } from "../base/shape.ts";
import type { Backend, DeviceBuffer } from "../compiler/backend.ts";
import { bufferForReading } from "./realize.ts";
import { Tensor } from "./tensor.ts";

/**
 * A tensor of elements that a backend holds already, in row-major order; nothing is copied. The buffer is the tensor's from then
 * on: `dispose()` of the tensor disposes of it. Throws a `ShapeError` where the shape has another size.
 *
 * @example
 * ```ts
 * import { fromDeviceBuffer } from "@tangents/ntk";
 * import { createWasmBackend } from "@tangents/ntk/backends";
 * const buffer = createWasmBackend().upload(Float32Array.of(1, 2, 3, 4), "float32");
 * console.log(await fromDeviceBuffer(buffer, [2, 2]).toArray()); // [[1, 2], [3, 4]]
 * ```
 */
export function fromDeviceBuffer(buffer: DeviceBuffer, shape: Shape = [buffer.length]): Tensor {
  checkShape(shape, "fromDeviceBuffer");
  if (sizeOf(shape) !== buffer.length) {
    throw new ShapeError(
      `fromDeviceBuffer: shape ${formatShape(shape)} has ${
        sizeOf(shape)
      } elements, the buffer has ${buffer.length}`,
    );
  }
  const x = new Tensor([...shape], buffer.dtype, null);
  x.buffer = buffer;
  return x;
}

/**
 * The buffer that holds a tensor's elements on a backend, the current one if none is given; they are computed and brought there
 * where that is needed. The buffer stays the tensor's: read it while the tensor is alive, and do not dispose of it.
 * Throws a `TraceError` inside `vmap`, and a `BackendError` where the backend cannot compute the tensor.
 *
 * @example
 * ```ts
 * import { tensor, toDeviceBuffer } from "@tangents/ntk";
 * const buffer = await toDeviceBuffer(tensor([1, 2]).add(1));
 * console.log(await buffer.backend.read(buffer)); // Float32Array(2) [ 2, 3 ]
 * ```
 */
export async function toDeviceBuffer(x: Tensor, backend?: Backend): Promise<DeviceBuffer> {
  return await bufferForReading(x, backend);
}
