/**
 * Kernels that write parts of a buffer, and those that are not loops: pad, concat, patchesTranspose, cumsum,
 * scatterAdd, argsort, randomBits.
 *
 * @module
 */

import type { PrimitiveParams } from "../base/primitives.ts";
import { range, type Shape, sizeOf } from "../base/shape.ts";
import { emitFill, emitLoop, emitNode, windowPlace } from "./loops.ts";
import type { Lowering } from "./lowering.ts";
import { composeView, constantRow, identityMap, mapThroughReshape, type Place } from "./view.ts";

/** Writes a node into a window of another's buffer; one that was not stored yet lies there from now on. */
function writeInto(lowering: Lowering, id: number, window: Place): void {
  const role = lowering.roles[id];
  const moves = lowering.places[id] === null &&
    (role === "elementwise" || role === "product" || role === "reduction");
  emitNode(lowering, id, window);
  if (moves && lowering.places[id] === null && sizeOf(lowering.node(id).shape) > 0) {
    lowering.put(id, window);
  }
}

/** Below this many elements one fill of everything is better than several of the borders. */
const smallPad = 1 << 13;

/** Fills the buffer, then writes the operand into its window. */
export function emitPad(lowering: Lowering, id: number, place: Place): void {
  const node = lowering.node(id);
  const { low, interior } = node.params as PrimitiveParams["pad"];
  emitBorder(lowering, id, place);
  writeInto(lowering, node.inputs[0], windowPlace(place, low, interior));
}

/** Writes what a pad adds around and between the elements of its operand. */
function emitBorder(lowering: Lowering, id: number, place: Place): void {
  const node = lowering.node(id);
  const { low, high, interior, value } = node.params as PrimitiveParams["pad"];
  const { shape } = lowering.node(node.inputs[0]);
  const size = sizeOf(shape);
  if (size < smallPad || interior.some((n, a) => n > 0 && shape[a] > 1)) {
    const whole = [...low, ...high].every((n) => n === 0) && size === sizeOf(node.shape);
    if (!whole) emitFill(lowering, node.shape, node.dtype, value, place);
    return;
  }
  // One slab below and one above along each axis; along earlier axes only where these left a gap.
  for (let axis = 0; axis < shape.length; axis++) {
    for (const [start, count] of [[0, low[axis]], [low[axis] + shape[axis], high[axis]]]) {
      const slab = node.shape.map((n, a) => a < axis ? shape[a] : a === axis ? count : n);
      const corner = node.shape.map((_, a) => a < axis ? low[a] : a === axis ? start : 0);
      const none = node.shape.map(() => 0);
      emitFill(lowering, slab, node.dtype, value, windowPlace(place, corner, none));
    }
  }
}

/**
 * The part of a pad's buffer that holds the node, if the node is what the pad's operand is a reshape of: writing there
 * saves the copy. Null if the node cannot lie there.
 */
export function placeInPad(lowering: Lowering, id: number): Place | null {
  const pad = lowering.padOf[id];
  if (pad < 0 || lowering.places[pad] !== null) return null;
  const node = lowering.node(pad);
  const { low, interior } = node.params as PrimitiveParams["pad"];
  const { shape } = lowering.node(id);
  const operand = lowering.node(node.inputs[0]).shape;
  const { map, sizes } = identityMap(shape);
  const rows = mapThroughReshape(map, operand, shape, sizes);
  if (!Array.isArray(rows)) return null;
  const place = lowering.allocate(node.shape, node.dtype);
  emitBorder(lowering, pad, place);
  lowering.put(pad, place);
  const view = composeView(windowPlace(place, low, interior), rows, sizes.length);
  let d = 0;
  return {
    buffer: place.buffer,
    offset: view.offset,
    strides: shape.map((n) => n === 1 ? 0 : view.strides[d++]),
  };
}

/** Writes each operand into its part of the buffer. */
export function emitConcat(lowering: Lowering, id: number, place: Place): void {
  const node = lowering.node(id);
  const { axis } = node.params as PrimitiveParams["concat"];
  const none = node.shape.map(() => 0);
  let start = 0;
  for (const input of node.inputs) {
    const low = [...none];
    low[axis] = start;
    writeInto(lowering, input, windowPlace(place, low, none));
    start += lowering.node(input).shape[axis];
  }
}

/** Fills the buffer, then adds the operand's elements for one offset in the window at a time. */
export function emitPatchesTranspose(lowering: Lowering, id: number, place: Place): void {
  const node = lowering.node(id);
  const params = node.params as PrimitiveParams["patchesTranspose"];
  const { kernel, strides, dilation, sizes } = params;
  const [operand] = node.inputs;
  const { shape } = lowering.node(operand);
  const windows = kernel.length;
  const leading = shape.length - 2 * windows;
  const positions = shape.slice(leading + windows);
  // Along each axis, windows that are apart write every element at most once.
  const disjoint = kernel.every((k, i) =>
    positions[i] <= 1 || k === 1 || strides[i] > (k - 1) * dilation[i]
  );
  const covered = disjoint &&
    sizes.every((size, i) => size === kernel[i] * positions[i]);
  if (!covered) emitFill(lowering, node.shape, node.dtype, 0, place);
  if (sizeOf(shape) === 0) return;
  const outShape = [...shape.slice(0, leading), ...positions];
  const { map: outMap, sizes: loops } = identityMap(outShape);
  for (let n = 0; n < sizeOf(kernel); n++) {
    const offsets = digits(n, kernel);
    const map = [
      ...outMap.slice(0, leading),
      ...offsets.map((k) => constantRow(k, loops.length)),
      ...outMap.slice(leading),
    ];
    const window = {
      buffer: place.buffer,
      offset: offsets.reduce(
        (sum, k, i) => sum + k * dilation[i] * place.strides[leading + i],
        place.offset,
      ),
      strides: place.strides.map((s, a) => a < leading ? s : s * strides[a - leading]),
    };
    const mode = disjoint || n === 0 ? "set" : "add";
    emitLoop(lowering, operand, { sizes: loops, map, place: window, outMap, mode });
  }
}

function digits(n: number, radices: Shape): number[] {
  const result = new Array<number>(radices.length);
  for (let i = radices.length - 1; i >= 0; i--) {
    result[i] = n % radices[i];
    n = Math.floor(n / radices[i]);
  }
  return result;
}

/** Running sums, the axis last. */
export function emitCumsum(lowering: Lowering, id: number, place: Place): void {
  const node = lowering.node(id);
  const { axis, reverse } = node.params as PrimitiveParams["cumsum"];
  const input = lowering.viewOf(node.inputs[0]);
  const axes = [...range(node.shape.length).filter((a) => a !== axis), axis];
  lowering.kernels.push({
    kind: "scan",
    dtype: node.dtype,
    dims: axes.map((a) => node.shape[a]),
    input: { ...input, strides: axes.map((a) => input.strides[a]) },
    out: { ...place, strides: axes.map((a) => place.strides[a]) },
    reverse,
  });
}

/** Zeros, with the updates added. */
export function emitScatterAdd(lowering: Lowering, id: number, place: Place): void {
  const node = lowering.node(id);
  const { batchDims, size } = node.params as PrimitiveParams["scatterAdd"];
  const [index, updates] = node.inputs;
  emitFill(lowering, node.shape, node.dtype, 0, place);
  const dims = lowering.node(updates).shape;
  if (sizeOf(dims) === 0) return;
  lowering.kernels.push({
    kind: "scatterAdd",
    dtype: node.dtype,
    dims,
    batchDims,
    index: lowering.viewOf(index),
    updates: lowering.viewOf(updates),
    out: place,
    size,
  });
}

/** The order of the last axis. */
export function emitArgsort(lowering: Lowering, id: number, place: Place): void {
  const node = lowering.node(id);
  const [input] = node.inputs;
  lowering.kernels.push({
    kind: "argsort",
    dtype: lowering.node(input).dtype,
    dims: node.shape,
    input: lowering.viewOf(input),
    out: place,
    descending: (node.params as PrimitiveParams["argsort"]).descending,
  });
}

/** Words from a counter, a row for each key. */
export function emitRandomBits(lowering: Lowering, id: number, place: Place): void {
  const node = lowering.node(id);
  const { length } = node.params as PrimitiveParams["randomBits"];
  const [key] = node.inputs;
  const rows = sizeOf(node.shape) / length;
  const keys = lowering.materializeDense(key);
  lowering.kernels.push({
    kind: "randomBits",
    rows,
    length,
    key: { buffer: keys.buffer, offset: keys.offset, strides: [2, 1] },
    out: { buffer: place.buffer, offset: place.offset, strides: [length, 1] },
  });
}
