import { formatShape, sizeOf } from "../base/shape.ts";
import { NpyError } from "./error.ts";
import { littleEndian, type NpyArray, type NpyData, type NpyDType, npyTypes } from "./types.ts";

/** NumPy's limit on the number of axes. */
const maxRank = 64;

/** NumPy leaves room to rewrite the first size in place. */
const growthDigits = 21;

/**
 * The bytes of a `.npy` file (version 1.0, row-major, little-endian) that NumPy reads with `numpy.load`.
 *
 * The dtype is that of the typed array; give `"bool"` with a `Uint8Array` of 0 and 1.
 *
 * ```ts
 * import { formatNpy, parseNpy } from "@tangents/ntk/npy";
 * import { assertEquals } from "@std/assert";
 *
 * const bytes = formatNpy({ dtype: "bool", shape: [2], data: new Uint8Array([0, 1]) });
 * assertEquals(parseNpy(bytes), { dtype: "bool", shape: [2], data: new Uint8Array([0, 1]) });
 * ```
 *
 * @throws {NpyError} where the shape does not fit the number of elements, or the dtype the typed array.
 */
export function formatNpy(
  array: { dtype?: NpyDType; shape: readonly number[]; data: NpyData },
): Uint8Array<ArrayBuffer> {
  const { shape, data } = array;
  const dtype = array.dtype ?? dtypeOfData(data);
  checkArray({ dtype, shape: [...shape], data });
  const { code, bytes: width } = npyTypes[dtype];
  const descr = (width === 1 ? "|" : "<") + code;
  const sizes = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  let header = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${sizes}, }`;
  if (shape.length > 0) header += " ".repeat(Math.max(0, growthDigits - `${shape[0]}`.length));
  const length = Math.ceil((10 + header.length + 1) / 64) * 64;
  header = header.padEnd(length - 11) + "\n";

  const bytes = new Uint8Array(length + data.byteLength);
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0]);
  new DataView(bytes.buffer).setUint16(8, header.length, true);
  bytes.set(new TextEncoder().encode(header), 10);
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), length);
  if (!littleEndian) {
    for (let i = length; i < bytes.length; i += width) bytes.subarray(i, i + width).reverse();
  }
  return bytes;
}

function checkArray({ dtype, shape, data }: NpyArray): void {
  if (!Object.hasOwn(npyTypes, dtype)) {
    throw new NpyError(
      `dtype ${JSON.stringify(dtype)} cannot be written; expected ${
        Object.keys(npyTypes).join(", ")
      }`,
    );
  }
  const expected = dtype === "bool" ? "uint8" : dtype;
  if (dtypeOfData(data) !== expected) {
    throw new NpyError(
      `dtype ${dtype} does not fit a ${data.constructor.name}; expected a ${
        npyTypes[dtype].from(new ArrayBuffer(0), 0, 0).constructor.name
      }`,
    );
  }
  if (shape.length > maxRank || !shape.every((n) => Number.isSafeInteger(n) && n >= 0)) {
    throw new NpyError(
      `shape ${
        formatShape(shape)
      } cannot be written; expected at most ${maxRank} sizes, each an integer of at least 0`,
    );
  }
  if (sizeOf(shape) !== data.length) {
    throw new NpyError(
      `shape ${formatShape(shape)} needs ${
        sizeOf(shape)
      } elements, but the data has ${data.length}`,
    );
  }
}

function dtypeOfData(data: NpyData): NpyDType {
  const name = data?.constructor?.name ?? typeof data;
  const dtype = name.replace(/Array$/, "").toLowerCase();
  if (dtype !== "bool" && Object.hasOwn(npyTypes, dtype)) return dtype as NpyDType;
  throw new NpyError(
    `data of type ${name} cannot be written; expected a typed array of 8 to 32-bit integers, float32 or float64`,
  );
}
