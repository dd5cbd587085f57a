/**
 * From a program to kernels.
 *
 * Nodes are visited in order. Shape operations become index maps, elementwise nodes wait until a consumer computes them
 * in its own loops, and what has to be stored is computed when it is first needed.
 *
 * @module
 */

import type { PrimitiveParams } from "../base/primitives.ts";
import { contiguousStrides, sizeOf } from "../base/shape.ts";
import { emitContraction } from "./contract.ts";
import type { LoweredProgram } from "./kernel.ts";
import { emitFill, emitNode } from "./loops.ts";
import { orderKernels } from "./kernel_order.ts";
import { Lowering } from "./lowering.ts";
import { explicitPadding } from "./padding.ts";
import { planMemory } from "./plan.ts";
import type { Program } from "./program.ts";
import { isDense, type Place } from "./view.ts";
import {
  emitArgsort,
  emitConcat,
  emitCumsum,
  emitPad,
  emitPatchesTranspose,
  emitRandomBits,
  emitScatterAdd,
  placeInPad,
} from "./windows.ts";

/** The kernels and buffers that compute the program. */
export function lower(program: Program): LoweredProgram {
  const lowering = new Lowering(explicitPadding(program), computeNode, emitNode);
  const { nodes, inputs, outputs } = lowering.program;
  const inputBuffers = inputs.map((id) => {
    const place = lowering.allocate(nodes[id].shape, nodes[id].dtype, "input");
    lowering.put(id, place);
    return place.buffer;
  });
  const isOutput = new Uint8Array(nodes.length);
  for (const id of outputs) isOutput[id] = 1;
  for (let id = 0; id < nodes.length; id++) {
    if (lowering.places[id] !== null) continue;
    const waits = lowering.canWait(id);
    if (!waits || (isOutput[id] === 1 && lowering.roles[id] !== "structural")) {
      lowering.materialize(id);
    }
  }
  const outputBuffers = outputs.map((id) => placeOutput(lowering, id));
  return planMemory({
    buffers: lowering.buffers,
    kernels: orderKernels(lowering.kernels, lowering.buffers),
    inputs: inputBuffers,
    outputs: outputBuffers,
  });
}

/** A buffer that holds the node and nothing else. */
function placeOutput(lowering: Lowering, id: number): number {
  const { shape, dtype } = lowering.node(id);
  // What is only computed for this output is computed in the output's own order.
  const place = lowering.waitsBelow(id) ? lowering.materialize(id) : lowering.viewOf(id);
  const buffer = lowering.buffers[place.buffer];
  if (place.offset === 0 && buffer.length === sizeOf(shape) && isDense(place, shape)) {
    if (buffer.role === "temporary") lowering.buffers[place.buffer] = { ...buffer, role: "output" };
    return place.buffer;
  }
  lowering.put(id, place);
  const copy = lowering.allocate(shape, dtype, "output");
  emitNode(lowering, id, copy);
  lowering.put(id, copy);
  return copy.buffer;
}

/** Where the node is best written: where its readers want it. */
function choosePlace(lowering: Lowering, id: number): Place {
  const node = lowering.node(id);
  const strided = lowering.roles[id] !== "anchor" || node.primitive === "dotGeneral" ||
    node.primitive === "conv";
  const padded = strided && lowering.roles[id] !== "structural" ? placeInPad(lowering, id) : null;
  if (padded !== null) return padded;
  const place = lowering.allocate(node.shape, node.dtype);
  return node.primitive === "dotGeneral" ? lowering.inReadingOrder(id, place) : place;
}

/** Computes a node into a buffer. */
function computeNode(lowering: Lowering, id: number): Place {
  const node = lowering.node(id);
  if (node.primitive === "reshape") {
    const place = lowering.materializeDense(node.inputs[0]);
    return { ...place, strides: contiguousStrides(node.shape) };
  }
  if (sizeOf(node.shape) === 0) return lowering.allocate(node.shape, node.dtype);
  const place = choosePlace(lowering, id);
  switch (node.primitive) {
    case "dotGeneral":
    case "conv":
      if (lowering.roles[id] === "anchor") emitContraction(lowering, id, place);
      else emitNode(lowering, id, place);
      break;
    case "pad":
      emitPad(lowering, id, place);
      break;
    case "concat":
      emitConcat(lowering, id, place);
      break;
    case "patchesTranspose":
      emitPatchesTranspose(lowering, id, place);
      break;
    case "cumsum":
      emitCumsum(lowering, id, place);
      break;
    case "scatterAdd":
      emitScatterAdd(lowering, id, place);
      break;
    case "argsort":
      emitArgsort(lowering, id, place);
      break;
    case "randomBits":
      emitRandomBits(lowering, id, place);
      break;
    case "full":
      emitFill(
        lowering,
        node.shape,
        node.dtype,
        (node.params as PrimitiveParams["full"]).value,
        place,
      );
      break;
    default:
      emitNode(lowering, id, place);
  }
  return place;
}
