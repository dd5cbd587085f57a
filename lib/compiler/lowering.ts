/**
 * The state of a lowering: buffers, kernels, and where each node's elements lie.
 *
 * @module
 */

import { type DType, isFloat } from "../base/dtype.ts";
import type { PrimitiveName, PrimitiveParams } from "../base/primitives.ts";
import { contiguousStrides, sizeOf } from "../base/shape.ts";
import { contractionOf, type ContractionSpec } from "./contraction_spec.ts";
import type { BufferSpec, Kernel, View } from "./kernel.ts";
import { meetingNodes } from "./meeting.ts";
import type { Program, ProgramNode } from "./program.ts";
import {
  composeView,
  identityMap,
  type IndexMap,
  isDense,
  type LoopSplit,
  mapThroughBroadcast,
  mapThroughFlip,
  mapThroughPatches,
  mapThroughPermute,
  mapThroughReshape,
  mapThroughSlice,
  type Place,
} from "./view.ts";

/** Shape operations: they move no data, only indices. */
const structural = new Set<PrimitiveName>([
  "reshape",
  "permute",
  "broadcast",
  "slice",
  "flip",
  "patches",
]);

/** Work of one element, in simple operations, where it is not 1. */
const weights: { readonly [P in PrimitiveName]?: number } = {
  exp: 10,
  expm1: 12,
  log: 10,
  log1p: 12,
  sin: 15,
  cos: 15,
  atan: 12,
  tanh: 12,
  sigmoid: 12,
  erf: 15,
  pow: 25,
  atan2: 20,
  div: 4,
  sqrt: 4,
  rsqrt: 6,
  remainder: 6,
  quotient: 6,
  gather: 4,
};

/** A body does not grow beyond this many instructions, to keep registers and compile time in bounds. */
const longestBody = 48;
/** Longest chain of deferred nodes: the walk over them is recursive. */
const deepestChain = 150;

/** Nodes that a loop's body can contain. */
export function isElementwise(node: ProgramNode): boolean {
  switch (node.primitive) {
    case "full":
    case "iota":
    case "gather":
      return true;
    case "constant":
    case "placeholder":
    case "randomBits":
    case "reshape":
    case "permute":
    case "broadcast":
    case "slice":
    case "pad":
    case "flip":
    case "concat":
    case "reduceSum":
    case "reduceProd":
    case "reduceMax":
    case "reduceMin":
    case "argmax":
    case "argmin":
    case "cumsum":
    case "dotGeneral":
    case "conv":
    case "patches":
    case "patchesTranspose":
    case "scatterAdd":
    case "argsort":
      return false;
    default:
      return true;
  }
}

/** Whether the node only moves indices. */
export function isStructural(node: ProgramNode): boolean {
  return structural.has(node.primitive);
}

/** How a node is computed. */
export type Role = "leaf" | "structural" | "elementwise" | "product" | "reduction" | "anchor";

/** The state of one lowering. */
export class Lowering {
  /** The buffers made so far; roles of outputs are given at the end. */
  readonly buffers: BufferSpec[] = [];
  /** The kernels emitted so far. */
  readonly kernels: Kernel[] = [];
  /** Where each node lies, once it does. */
  readonly places: (Place | null)[];
  /** How each node is computed. */
  readonly roles: Role[];
  /** The contraction that a dotGeneral or conv computes, null for other nodes. */
  readonly specs: readonly (ContractionSpec | null)[];
  /** Consumers of each node that compute something, looking through shape operations. */
  readonly uses: number[];
  /** The pad whose operand is a node, or a reshape of it, or −1. */
  readonly padOf: Int32Array;
  /** Where the uses of each node come together in one body, or −1. */
  private readonly meets: Int32Array;
  /** The permute that alone reads a node, or −1. */
  private readonly readers: Int32Array;
  /** Simple operations that computing one element takes, down to what is stored. */
  private readonly work: number[];
  /** Loads that computing one element takes. */
  private readonly loads: number[];
  private readonly length: number[];
  private readonly depth: number[];

  constructor(
    readonly program: Program,
    private readonly compute: (lowering: Lowering, id: number) => Place,
    private readonly copy: (lowering: Lowering, id: number, target: Place) => void,
  ) {
    const count = program.nodes.length;
    this.places = new Array<Place | null>(count).fill(null);
    this.specs = program.nodes.map((node, id) =>
      node.primitive === "dotGeneral" || node.primitive === "conv"
        ? contractionOf(program, id)
        : null
    );
    this.roles = program.nodes.map((node, id) => {
      const spec = this.specs[id];
      return spec === null ? roleOf(node) : contractionRole(spec, node.dtype);
    });
    this.uses = countUses(program, this.roles);
    this.meets = meetingNodes(
      program,
      (id) => this.roles[id] === "elementwise" && program.nodes[id].primitive !== "gather",
    );
    this.readers = soleReaders(program);
    this.padOf = padsOf(program);
    this.work = new Array<number>(count).fill(0);
    this.loads = new Array<number>(count).fill(0);
    this.length = new Array<number>(count).fill(0);
    this.depth = new Array<number>(count).fill(0);
  }

  /** Node of an index. */
  node(id: number): ProgramNode {
    return this.program.nodes[id];
  }

  /** A new buffer that holds the shape densely. */
  allocate(shape: readonly number[], dtype: DType, role: BufferSpec["role"] = "temporary"): Place {
    const buffer = this.buffers.push({ dtype, length: sizeOf(shape), role }) - 1;
    return { buffer, offset: 0, strides: contiguousStrides(shape) };
  }

  /** The node's elements, computed now if they are not yet. */
  materialize(id: number): Place {
    const known = this.places[id];
    if (known !== null) return known;
    const place = this.compute(this, id);
    this.put(id, place);
    return place;
  }

  /** Records where the node's elements lie: what reads it loads one element from now on. */
  put(id: number, place: Place): void {
    this.places[id] = place;
    this.work[id] = 0;
    this.loads[id] = 1;
    this.length[id] = 1;
    this.depth[id] = 0;
  }

  /** The same, in row-major order without gaps. */
  materializeDense(id: number): Place {
    const place = this.materialize(id);
    const { shape, dtype } = this.node(id);
    if (isDense(place, shape)) return place;
    const copy = this.allocate(shape, dtype);
    this.copy(this, id, copy);
    return copy;
  }

  /** Stores what lies below shape operations that do not repeat it, so that reading it several times is cheap. */
  materializeBase(id: number): void {
    for (;;) {
      if (this.places[id] !== null || this.roles[id] === "leaf") return;
      const node = this.node(id);
      if (this.roles[id] !== "structural" || node.primitive === "slice") {
        this.materialize(id);
        return;
      }
      id = node.inputs[0];
    }
  }

  /** Whether the node is better computed again at each use than stored. */
  isCheap(id: number): boolean {
    if (this.places[id] !== null) return true;
    if (this.loads[id] === 0) return this.work[id] <= 6;
    return this.loads[id] === 1 && this.work[id] <= 2;
  }

  /**
   * Counts the node's cost and says whether it can wait until a consumer computes it. Called once a node, in order,
   * when all earlier nodes that cannot wait are placed.
   */
  canWait(id: number): boolean {
    const role = this.roles[id];
    const node = this.node(id);
    let work = weights[node.primitive] ?? 1;
    let length = 1;
    let loads = 0;
    let depth = 0;
    for (const input of node.inputs) {
      depth = Math.max(depth, this.depth[input] + 1);
      if (this.places[input] !== null) {
        loads++;
        length++;
      } else {
        work += this.work[input];
        length += this.length[input];
        loads += this.loads[input];
      }
    }
    switch (role) {
      case "leaf":
        work = 0;
        break;
      case "structural":
        // A reduction that is repeated has to be stored; what reads it is cheap then.
        if (node.primitive === "broadcast" && this.work[node.inputs[0]] === Infinity) {
          this.materializeBase(node.inputs[0]);
          loads = 1;
          length = 2;
        }
        work = this.places[node.inputs[0]] !== null ? 0 : this.work[node.inputs[0]];
        length--;
        // What is read so many times stays in cache: a bias costs next to nothing.
        if (node.primitive === "broadcast" && work === 0) {
          if (sizeOf(node.shape) >= 8 * sizeOf(this.node(node.inputs[0]).shape)) loads = 0;
        }
        break;
      case "reduction":
        work = Infinity;
        length = 1;
        break;
      default:
        break;
    }
    this.work[id] = work;
    this.loads[id] = loads;
    this.length[id] = length;
    this.depth[id] = depth;
    if (depth > deepestChain) return false;
    switch (role) {
      case "leaf":
      case "structural":
        return true;
      case "elementwise":
      case "product":
        return length <= longestBody &&
          (this.uses[id] <= 1 || this.meets[id] >= 0 || this.isCheap(id));
      case "reduction":
        return this.uses[id] <= 1;
      case "anchor":
        return false;
    }
  }

  /**
   * The strided view through which loops read a node, following shape operations down to a buffer; what they reach is
   * computed if it is not yet. Returns a `LoopSplit` where a loop has to be split first.
   */
  resolve(id: number, map: IndexMap, sizes: readonly number[]): View | LoopSplit {
    const rank = sizes.length;
    for (;;) {
      const place = this.places[id];
      const node = this.node(id);
      if (place !== null || !isStructural(node)) {
        const found = place ?? this.materialize(id);
        return { buffer: found.buffer, ...composeView(found, map, rank) };
      }
      const input = node.inputs[0];
      const inputShape = this.node(input).shape;
      switch (node.primitive) {
        case "reshape": {
          if (!isStructural(this.node(input))) this.materialize(input);
          const dense = this.places[input];
          if (dense !== null && isDense(dense, inputShape)) {
            const linear = { ...dense, strides: contiguousStrides(node.shape) };
            return { buffer: dense.buffer, ...composeView(linear, map, rank) };
          }
          const rows = mapThroughReshape(map, inputShape, node.shape, sizes);
          if (rows === null) {
            this.materialize(id);
            continue;
          }
          if (!Array.isArray(rows)) return rows as LoopSplit;
          map = rows;
          break;
        }
        case "slice":
          // What is cut away need not be computed.
          if (this.waitsBelow(input)) {
            this.materialize(id);
            continue;
          }
          map = this.through(node, map, rank);
          break;
        default:
          map = this.through(node, map, rank);
      }
      id = input;
    }
  }

  /** The operand's map of a shape operation other than reshape. */
  through(node: ProgramNode, map: IndexMap, rank: number): IndexMap {
    const inputShape = this.node(node.inputs[0]).shape;
    switch (node.primitive) {
      case "permute":
        return mapThroughPermute(
          map,
          (node.params as PrimitiveParams["permute"]).permutation,
        );
      case "broadcast":
        return mapThroughBroadcast(map, inputShape, node.shape, rank);
      case "slice":
        return mapThroughSlice(map, node.params as PrimitiveParams["slice"]);
      case "flip":
        return mapThroughFlip(map, (node.params as PrimitiveParams["flip"]).axes, inputShape);
      default:
        return mapThroughPatches(map, node.params as PrimitiveParams["patches"], rank);
    }
  }

  /** Whether what shape operations read is not stored yet. */
  waitsBelow(id: number): boolean {
    while (this.places[id] === null && isStructural(this.node(id))) id = this.node(id).inputs[0];
    return this.places[id] === null;
  }

  /** The place with its axes in the order in which the node's only reader, a permute, has them. */
  inReadingOrder(id: number, place: Place): Place {
    const reader = this.readers[id];
    if (reader < 0) return place;
    const { permutation } = this.node(reader).params as PrimitiveParams["permute"];
    const dense = contiguousStrides(this.node(reader).shape);
    const strides = new Array<number>(dense.length);
    permutation.forEach((axis, i) => strides[axis] = dense[i]);
    return { ...place, strides };
  }

  /** A place for the node with one stride an axis: a view if there is one, else a copy. */
  viewOf(id: number): Place {
    const node = this.node(id);
    if (this.places[id] !== null || !isStructural(node) || sizeOf(node.shape) === 0) {
      return this.materialize(id);
    }
    const { map, sizes } = identityMap(node.shape);
    const view = this.resolve(id, map, sizes);
    if ("loop" in view) return this.materialize(id);
    let d = 0;
    return {
      buffer: view.buffer,
      offset: view.offset,
      strides: node.shape.map((n) => n === 1 ? 0 : view.strides[d++]),
    };
  }
}

function roleOf(node: ProgramNode): Role {
  switch (node.primitive) {
    case "full":
    case "iota":
      return "leaf";
    case "reduceSum":
    case "reduceProd":
    case "reduceMax":
    case "reduceMin":
    case "argmax":
    case "argmin":
      return "reduction";
    default:
      return isStructural(node) ? "structural" : isElementwise(node) ? "elementwise" : "anchor";
  }
}

/** Contractions that no matrix product fits are loops: outer products, and products of a matrix with a vector. */
function contractionRole(spec: ContractionSpec, dtype: DType): Role {
  const summed = sizeOf(spec.k.map((d) => spec.sizes[d]));
  if (summed === 0) return "anchor";
  if (summed === 1) return "product";
  const rows = sizeOf(spec.m.map((d) => spec.sizes[d]));
  const columns = sizeOf(spec.n.map((d) => spec.sizes[d]));
  return !isFloat(dtype) || Math.min(rows, columns) === 1 ? "reduction" : "anchor";
}

function countUses(program: Program, roles: readonly Role[]): number[] {
  const uses = new Array<number>(program.nodes.length).fill(0);
  for (const output of program.outputs) uses[output]++;
  for (let id = program.nodes.length - 1; id >= 0; id--) {
    const node = program.nodes[id];
    const through = roles[id] === "structural" ? uses[id] : 1;
    for (let i = 0; i < node.inputs.length; i++) {
      if (node.inputs.indexOf(node.inputs[i]) === i) uses[node.inputs[i]] += through;
    }
  }
  return uses;
}

/** For each node, the permute that is all that reads it, else −1. */
function soleReaders(program: Program): Int32Array {
  const readers = new Int32Array(program.nodes.length).fill(-1);
  const count = new Int32Array(program.nodes.length);
  for (const output of program.outputs) count[output]++;
  program.nodes.forEach((node, id) => {
    for (const input of node.inputs) {
      count[input]++;
      readers[input] = node.primitive === "permute" ? id : -1;
    }
  });
  return readers.map((reader, id) => count[id] === 1 ? reader : -1);
}

/** For each node that is not an output, the first pad of it or of a reshape of it, else −1. */
function padsOf(program: Program): Int32Array {
  const pads = new Int32Array(program.nodes.length).fill(-1);
  program.nodes.forEach((node, pad) => {
    if (node.primitive !== "pad") return;
    let id = node.inputs[0];
    while (program.nodes[id].primitive === "reshape") id = program.nodes[id].inputs[0];
    if (pads[id] < 0) pads[id] = pad;
  });
  for (const output of program.outputs) pads[output] = -1;
  return pads;
}
