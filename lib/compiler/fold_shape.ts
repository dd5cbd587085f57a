/**
 * Folding of shape operations: what moves nothing vanishes, and chains become one operation.
 *
 * @module
 */

import type { PrimitiveParams } from "../base/primitives.ts";
import { range, sameShape, sizeOf } from "../base/shape.ts";
import type { ProgramNode } from "./program.ts";
import type { FoldRule, FoldRules, Rewriter } from "./rewriter.ts";

/** A shape operation on a constant is a constant. */
function foldConstant(r: Rewriter, node: ProgramNode): number | null {
  const value = r.constantOf(node.inputs[0]);
  return value === null ? null : r.full(node.shape, node.dtype, value);
}

const reshaping: FoldRule = (r, node) => {
  const [x] = node.inputs;
  if (sameShape(r.shape(x), node.shape)) return x;
  const inner = r.operandOf(x, "reshape");
  if (inner !== null) return r.reshape(inner, node.shape);
  return foldConstant(r, node);
};

const permuting: FoldRule = (r, node) => {
  const [x] = node.inputs;
  const { permutation } = node.params as PrimitiveParams["permute"];
  const shape = r.shape(x);
  // Axes of size 1 may stand anywhere.
  const moved = permutation.filter((axis) => shape[axis] !== 1);
  if (moved.every((axis, i) => i === 0 || axis > moved[i - 1])) return r.reshape(x, node.shape);
  const operand = r.nodes[x];
  if (operand.primitive === "permute") {
    const inner = (operand.params as PrimitiveParams["permute"]).permutation;
    return r.permute(operand.inputs[0], permutation.map((axis) => inner[axis]));
  }
  return foldConstant(r, node);
};

const broadcasting: FoldRule = (r, node) => {
  const [x] = node.inputs;
  if (sameShape(r.shape(x), node.shape)) return x;
  const inner = r.operandOf(x, "broadcast");
  if (inner !== null) return r.broadcast(inner, node.shape);
  return foldConstant(r, node);
};

const slicing: FoldRule = (r, node) => {
  const [x] = node.inputs;
  if (sameShape(r.shape(x), node.shape)) return x;
  const { start, limit, step } = node.params as PrimitiveParams["slice"];
  const operand = r.nodes[x];
  if (sizeOf(node.shape) === 0) return null;
  switch (operand.primitive) {
    case "slice": {
      const inner = operand.params as PrimitiveParams["slice"];
      const first = start.map((s, a) => inner.start[a] + s * inner.step[a]);
      const steps = step.map((s, a) => s * inner.step[a]);
      return r.add({
        ...node,
        params: {
          start: first,
          limit: first.map((s, a) => s + (node.shape[a] - 1) * steps[a] + 1),
          step: steps,
        },
        inputs: operand.inputs,
      });
    }
    case "broadcast": {
      const [y] = operand.inputs;
      const shape = r.shape(y);
      const repeated = shape.map((n, a) => n === 1 && operand.shape[a] !== 1);
      if (!repeated.includes(true)) return null;
      const narrow = r.add({
        ...node,
        params: {
          start: start.map((s, a) => repeated[a] ? 0 : s),
          limit: limit.map((l, a) => repeated[a] ? 1 : l),
          step: step.map((s, a) => repeated[a] ? 1 : s),
        },
        inputs: [y],
        shape: node.shape.map((n, a) => repeated[a] ? 1 : n),
      });
      return r.broadcast(narrow, node.shape);
    }
    case "concat": {
      // A slice of one part.
      const { axis } = operand.params as PrimitiveParams["concat"];
      let before = 0;
      for (const part of operand.inputs) {
        const size = r.shape(part)[axis];
        if (start[axis] >= before && limit[axis] <= before + size) {
          return r.add({
            ...node,
            params: {
              start: start.map((s, a) => a === axis ? s - before : s),
              limit: limit.map((l, a) => a === axis ? l - before : l),
              step,
            },
            inputs: [part],
          });
        }
        before += size;
      }
      return null;
    }
    default:
      return foldConstant(r, node);
  }
};

const padding: FoldRule = (r, node) => {
  const [x] = node.inputs;
  if (sameShape(r.shape(x), node.shape)) return x;
  const params = node.params as PrimitiveParams["pad"];
  const { value } = params;
  if (Object.is(r.constantOf(x), value)) return r.full(node.shape, node.dtype, value);
  // Neighbouring axes that are not padded are one axis, so that pads of reshapes of one array are found to be equal.
  const { low, high } = params;
  const shape = r.shape(x);
  const interior = params.interior.map((n, a) => shape[a] === 1 ? 0 : n);
  const plain = shape.map((_, a) => low[a] === 0 && high[a] === 0 && interior[a] === 0);
  const starts = shape.map((_, a) => a === 0 || !plain[a] || !plain[a - 1]);
  if (starts.every((start) => start) || sizeOf(shape) === 0) return null;
  const heads = range(shape.length).filter((a) => starts[a]);
  const merged = (sizes: readonly number[]): number[] =>
    heads.map((head, i) => sizeOf(sizes.slice(head, heads[i + 1])));
  const pick = (list: readonly number[]): number[] => heads.map((a) => list[a]);
  const padded = r.add({
    ...node,
    params: { low: pick(low), high: pick(high), interior: pick(interior), value },
    inputs: [r.reshape(x, merged(shape))],
    shape: merged(node.shape),
  });
  return r.reshape(padded, node.shape);
};

const flipping: FoldRule = (r, node) => {
  const [x] = node.inputs;
  const operand = r.nodes[x];
  const given = (node.params as PrimitiveParams["flip"]).axes;
  const axes = given.filter((axis) => node.shape[axis] > 1);
  if (axes.length === 0) return x;
  if (operand.primitive === "flip") {
    const inner = (operand.params as PrimitiveParams["flip"]).axes;
    const once = range(node.shape.length).filter((a) => axes.includes(a) !== inner.includes(a));
    return r.add({ ...node, params: { axes: once }, inputs: operand.inputs });
  }
  if (axes.length < given.length) return r.add({ ...node, params: { axes } });
  return foldConstant(r, node);
};

const concatenation: FoldRule = (r, node) => {
  const { axis } = node.params as PrimitiveParams["concat"];
  if (sizeOf(node.shape) === 0) return null;
  const parts = node.inputs.filter((input) => r.shape(input)[axis] > 0);
  if (parts.length === 1) return parts[0];
  if (parts.length < node.inputs.length) return r.add({ ...node, inputs: parts });
  const first = r.constantOf(parts[0]);
  if (first !== null && parts.every((part) => Object.is(r.constantOf(part), first))) {
    return r.full(node.shape, node.dtype, first);
  }
  const nested = parts.flatMap((part) => {
    const { primitive, params, inputs } = r.nodes[part];
    return primitive === "concat" && (params as PrimitiveParams["concat"]).axis === axis
      ? inputs
      : [part];
  });
  return nested.length > parts.length ? r.add({ ...node, inputs: nested }) : null;
};

/** Windows of one element at every position are the array itself. */
const windowing: FoldRule = (r, node) => {
  const { kernel, strides } = node.params as PrimitiveParams["patches"];
  return kernel.every((k) => k === 1) && strides.every((s) => s === 1) &&
      sizeOf(node.shape) === sizeOf(r.shape(node.inputs[0]))
    ? r.reshape(node.inputs[0], node.shape)
    : null;
};

/** Where windows stand side by side, their transpose only moves elements. */
const joining: FoldRule = (r, node) => {
  const params = node.params as PrimitiveParams["patchesTranspose"];
  const { kernel, strides, dilation, sizes } = params;
  const [y] = node.inputs;
  const shape = r.shape(y);
  const windows = kernel.length;
  const leading = shape.slice(0, shape.length - 2 * windows);
  const positions = shape.slice(leading.length + windows);
  const adjacent = kernel.every((k, i) =>
    k === 1 ? strides[i] === 1 || positions[i] === 1 : strides[i] === k && dilation[i] === 1
  );
  if (!adjacent || sizeOf(shape) === 0) return null;
  const order = [
    ...range(leading.length),
    ...kernel.flatMap((_, i) => [leading.length + windows + i, leading.length + i]),
  ];
  const covered = [...leading, ...kernel.map((k, i) => k * positions[i])];
  const joined = r.reshape(r.permute(y, order), covered);
  const none = covered.map(() => 0);
  return r.add({
    primitive: "pad",
    params: {
      low: none,
      high: [...leading.map(() => 0), ...sizes.map((n, i) => n - covered[leading.length + i])],
      interior: none,
      value: 0,
    },
    inputs: [joined],
    shape: node.shape,
    dtype: node.dtype,
  });
};

const identity: FoldRule = (_, node) => node.inputs[0];

/** Rules of shape operations, windows and identities. */
export const shapeFolds: FoldRules = {
  reshape: reshaping,
  permute: permuting,
  broadcast: broadcasting,
  slice: slicing,
  pad: padding,
  flip: flipping,
  concat: concatenation,
  patches: windowing,
  patchesTranspose: joining,
  alias: identity,
  stopGradient: identity,
  customDerivative: identity,
};
