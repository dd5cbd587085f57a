/**
 * Taking out a batch size that the exporter wrote into the file: where it stands in each value.
 *
 * The graph has been run on shapes with the whole batch; now it runs for one example. A value's batch is the axis that is longer
 * by its size in the first run.
 *
 * @module
 */

import { sameShape, type Shape, sizeOf } from "../base/shape.ts";
import { sliceAxis } from "../core/primitives/build.ts";
import type { Tensor } from "../core/tensor.ts";
import { Constant } from "./constant.ts";
import { Value } from "./value.ts";

/** A batch size that the exporter wrote into the file, and all shapes as they are with it. */
export class BakedBatch {
  /** The batch size. */
  readonly size: number;
  /** Shapes of values by name, in a run with the whole batch. */
  readonly #shapes: ReadonlyMap<string, Shape>;
  /** Parameters as they are stored. */
  readonly #stored: ReadonlyMap<string, Constant>;
  /** How many elements of its axis come before the batch, where a reshape has joined it with others; by name. */
  readonly #before = new Map<string, number>();

  /** A batch of a size, with all shapes that values have with it, and the parameters as they are stored. */
  constructor(
    size: number,
    shapes: ReadonlyMap<string, Shape>,
    stored: ReadonlyMap<string, Constant>,
  ) {
    this.size = size;
    this.#shapes = shapes;
    this.#stored = stored;
  }

  /** The shape of a value with the whole batch; null where no input of the network reaches it. */
  whole(name: string): Shape | null {
    return this.#shapes.get(name) ?? null;
  }

  /** The axis of a value that holds its batch; null where there is none. */
  axisOf(name: string, own: Shape): number | null {
    const whole = this.#shapes.get(name);
    if (whole === undefined || whole.length !== own.length) return null;
    const axis = whole.findIndex((n, i) => n !== own[i]);
    if (axis < 0 || whole[axis] !== own[axis] * this.size) return null;
    return sameShape(whole.slice(axis + 1), own.slice(axis + 1)) ? axis : null;
  }

  /** Passes on where the batch stands inside an axis that it was joined with, and that a node keeps. */
  follow(inputs: readonly string[], output: string, own: Shape): void {
    const found = inputs.find((name) => (this.#before.get(name) ?? 1) > 1);
    const axis = this.axisOf(output, own);
    if (found === undefined || axis === null || this.#before.has(output)) return;
    const joined = this.#shapes.get(found)!.includes(this.#shapes.get(output)![axis]);
    if (joined) this.#before.set(output, this.#before.get(found)!);
  }

  /**
   * The shape of a result for one example, where the file asks for one with the batch and elements keep their axes, counted
   * from the last; null where the batch's axis is not the input's.
   */
  alongAxes(input: string, own: Shape, output: string): Shape | null {
    const [axis, result] = [this.axisOf(input, own), this.#shapes.get(output)];
    if (axis === null || result === undefined) return null;
    return this.#without(result, axis - own.length + result.length);
  }

  /** The same where elements keep their order: the batch is where as many elements come before it. */
  inOrder(input: string, own: Shape, output: string): Shape | null {
    const [axis, result] = [this.axisOf(input, own), this.#shapes.get(output)];
    const whole = this.#shapes.get(input);
    if (axis === null || result === undefined || whole === undefined) return null;
    const before = sizeOf(whole.slice(0, axis)) * (this.#before.get(input) ?? 1);
    for (let at = 0; at < result.length; at++) {
      const outer = sizeOf(result.slice(0, at));
      const inside = before / outer;
      // The batch begins at this axis, or somewhere inside.
      const begins = Number.isInteger(inside) && result[at] % (inside * this.size) === 0;
      if (!begins) continue;
      this.#before.set(output, inside);
      return this.#without(result, at);
    }
    return null;
  }

  #without(result: Shape, axis: number): Shape | null {
    const shape = result.map((n, i) => i === axis ? n / this.size : n);
    return Number.isInteger(shape[axis]) ? shape : null;
  }

  /** Whether a result is that of one example: nothing is as long as the whole batch. */
  fits(name: string, value: Value): boolean {
    const whole = this.#shapes.get(name);
    if (whole === undefined || value.known || value.elements !== null) return true;
    return this.axisOf(name, value.shape) !== null ||
      (sameShape(whole, value.shape) && !whole.includes(this.size));
  }

  /**
   * An input that no example reaches and that holds the same for every one of the batch, as it is for one: a token or a first
   * state that the file repeats, or indices into a batch that go on with every example. Null where it is no such thing. Of
   * a parameter that is stored several times over, the first copy is used.
   */
  single(name: string, value: Value, carrier: Shape, axis: number): Value | null {
    const { shape } = value;
    const kept = this.#stored.get(name);
    const known = kept === undefined ? value : Value.ofConstant(kept);
    const candidates = [axis, axis - carrier.length + shape.length, ...shape.keys()];
    for (const at of candidates) {
      if (shape[at] === this.size && isRepeated(known, at, carrier[axis])) {
        return firstOf(value, at);
      }
    }
    return null;
  }
}

/** The part of a value for one example: a constant stays one. */
function firstOf({ constant, tensor, type }: Value, axis: number): Value {
  if (constant === null) return Value.ofTensor(sliceAxis(tensor, axis, 0, 1), type);
  const shape = constant.shape.map((n, i) => i === axis ? 1 : n);
  const inner = sizeOf(shape.slice(axis + 1));
  const step = inner * constant.shape[axis];
  const data = constant.data.filter((_, i) => i % step < inner);
  return Value.ofConstant(new Constant(type, shape, data, constant.precision));
}

/** Whether all elements along an axis are the same, or, as indices, grow by the size of an example with every step. */
function isRepeated(value: Value, axis: number, size: number): boolean {
  const { constant } = value;
  if (constant === null) return repeats(value.tensor, axis);
  const { data, shape } = constant;
  const inner = sizeOf(shape.slice(axis + 1));
  const follows = (growth: number): boolean =>
    data.every((element, i) => {
      const at = Math.floor(i / inner) % shape[axis];
      return element === data[i - at * inner] + at * growth;
    });
  return follows(0) || (value.type === "int64" && follows(size));
}

/** Whether a tensor is made by repeating along an axis. */
function repeats(tensor: Tensor, axis: number): boolean {
  const { operation } = tensor;
  if (operation === null) return false;
  const { primitive, inputs, params } = operation;
  const [x] = inputs as readonly Tensor[];
  switch (primitive) {
    case "full":
      return true;
    case "broadcast":
      return x.shape[axis] !== tensor.shape[axis] || repeats(x, axis);
    case "permute":
      return repeats(x, (params as { permutation: readonly number[] }).permutation[axis]);
    case "reshape": {
      const before = sizeOf(tensor.shape.slice(0, axis));
      const from = x.shape.findIndex((n, i) =>
        n === tensor.shape[axis] && sizeOf(x.shape.slice(0, i)) === before
      );
      return from >= 0 && repeats(x, from);
    }
    default:
      return false;
  }
}
