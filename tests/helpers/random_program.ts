/** Random programs of every primitive that the compiler treats specially, over small shapes and whole numbers. */

import type { BinaryName, UnaryName } from "../../lib/base/primitives.ts";
import { range, sizeOf } from "../../lib/base/shape.ts";
import type { Program } from "../../lib/compiler/program.ts";
import { ProgramBuilder } from "./conformance_builder.ts";
import { uniform } from "./conformance_data.ts";

/** A program with data for its inputs. */
export interface RandomProgram {
  /** The program. */
  readonly program: Program;
  /** One array an input. */
  readonly inputs: readonly Float64Array[];
}

/** A program of about `length` operations, all determined by the seed. */
export function randomProgram(seed: number, length: number): RandomProgram {
  const random = uniform(seed);
  const pick = (n: number): number => Math.floor(random() * n);
  const builder = new ProgramBuilder();
  const values: number[] = [];
  const inputs: Float64Array[] = [];
  const { shapeOf, add } = {
    shapeOf: (value: number): readonly number[] => builder.type(value).shape,
    add: (...args: Parameters<ProgramBuilder["add"]>): number => builder.add(...args),
  };
  const size = (): number => random() < 0.02 ? 0 : 1 + pick(4);
  const newShape = (): number[] => Array.from({ length: pick(5) }, size);
  const input = (shape: readonly number[]): number => {
    inputs.push(Float64Array.from({ length: sizeOf(shape) }, () => pick(5) - 2));
    return builder.input(shape, "float64");
  };
  /** Some value so far, rather a recent one; of a given shape where one is asked for. */
  const any = (): number => values[Math.max(0, values.length - 1 - pick(random() < 0.6 ? 3 : 12))];
  const ofShape = (shape: readonly number[]): number => {
    const fitting = values.filter((v) => String(shapeOf(v)) === String(shape));
    if (fitting.length > 0 && random() < 0.7) return fitting[pick(fitting.length)];
    if (random() < 0.3) {
      return add("full", { shape, dtype: "float64", value: pick(4) - 1 });
    }
    if (shape.length > 0 && random() < 0.2) {
      return add("iota", { shape, dtype: "float64", axis: pick(shape.length) });
    }
    if (shape.length > 0 && random() < 0.3) {
      const narrow = shape.map((n) => random() < 0.5 ? 1 : n);
      return add("broadcast", { shape }, ofShape(narrow));
    }
    return input(shape);
  };
  const shuffled = (n: number): number[] => {
    const list = range(n);
    for (let i = n - 1; i > 0; i--) {
      const j = pick(i + 1);
      [list[i], list[j]] = [list[j], list[i]];
    }
    return list;
  };
  const subset = (n: number): number[] => range(n).filter(() => random() < 0.4);

  const makers: (() => number | null)[] = [
    () => {
      const ops: UnaryName[] = ["neg", "abs", "sign", "floor"];
      return add(ops[pick(ops.length)], {}, any());
    },
    () => {
      const ops: BinaryName[] = ["add", "sub", "mul", "maximum", "minimum", "add", "mul"];
      const a = any();
      return add(ops[pick(ops.length)], {}, a, ofShape(shapeOf(a)));
    },
    () => {
      const a = any();
      const b = ofShape(shapeOf(a));
      const compare = (["less", "lessEqual", "equal"] as const)[pick(3)];
      const condition = add(compare, {}, a, b);
      return random() < 0.5
        ? add("cast", { dtype: "float64" }, condition)
        : add("select", {}, condition, b, ofShape(shapeOf(a)));
    },
    () => {
      const x = any();
      const total = sizeOf(shapeOf(x));
      if (total === 0) return null;
      const shape: number[] = [];
      let rest = total;
      while (rest > 1) {
        const divisors = range(rest).map((n) => n + 1).filter((n) => n > 1 && rest % n === 0);
        const n = divisors[pick(divisors.length)];
        shape.push(n);
        rest /= n;
        if (random() < 0.2) shape.push(1);
      }
      return add("reshape", { shape }, x);
    },
    () => {
      const x = any();
      return add("permute", { permutation: shuffled(shapeOf(x).length) }, x);
    },
    () => {
      const x = any();
      return add("broadcast", { shape: shapeOf(x).map((n) => n === 1 ? 1 + pick(3) : n) }, x);
    },
    () => {
      const x = any();
      const shape = shapeOf(x);
      const start = shape.map((n) => pick(Math.min(n, 2) + 1));
      return add("slice", {
        start,
        limit: shape.map((n, a) => start[a] + pick(n - start[a] + 1)).map((limit, a) =>
          limit === start[a] && start[a] < shape[a] ? limit + 1 : limit
        ),
        step: shape.map(() => 1 + pick(2)),
      }, x);
    },
    () => {
      const x = any();
      const shape = shapeOf(x);
      return add("pad", {
        low: shape.map(() => pick(2)),
        high: shape.map(() => pick(2)),
        interior: shape.map(() => pick(4) === 0 ? 1 : 0),
        value: pick(3) === 0 ? 1 : 0,
      }, x);
    },
    () => {
      const x = any();
      return add("flip", { axes: subset(shapeOf(x).length) }, x);
    },
    () => {
      const x = any();
      const shape = shapeOf(x);
      if (shape.length === 0) return null;
      const axis = pick(shape.length);
      const other = shape.map((n, a) => a === axis ? size() : n);
      return add("concat", { axis }, x, ofShape(other), ...(random() < 0.3 ? [x] : []));
    },
    () => {
      const x = any();
      return add("reduceSum", { axes: subset(shapeOf(x).length) }, x);
    },
    () => {
      const x = any();
      const shape = shapeOf(x);
      const axes = subset(shape.length).filter((a) => shape[a] > 0);
      return add(random() < 0.5 ? "reduceMax" : "reduceMin", { axes }, x);
    },
    () => {
      const x = any();
      const shape = shapeOf(x);
      const axis = pick(shape.length);
      if (shape.length === 0 || shape[axis] === 0) return null;
      return add(
        "cast",
        { dtype: "float64" },
        add(random() < 0.5 ? "argmax" : "argmin", { axis }, x),
      );
    },
    () => {
      const x = any();
      if (shapeOf(x).length === 0) return null;
      return add("cumsum", { axis: pick(shapeOf(x).length), reverse: random() < 0.5 }, x);
    },
    ...range(4).map(() => () => {
      const lhs = any();
      const shape = shapeOf(lhs);
      const order = shuffled(shape.length);
      const batch = order.slice(0, pick(Math.min(2, order.length + 1)));
      const contract = order.slice(batch.length, batch.length + pick(3));
      const free = random() < 0.1 ? [] : [size(), ...(random() < 0.3 ? [size()] : [])];
      const roles = [...batch.map((a) => shape[a]), ...contract.map((a) => shape[a]), ...free];
      const where = shuffled(roles.length);
      const rhsShape = where.map((i) => roles[i]);
      const position = (i: number): number => where.indexOf(i);
      return add(
        "dotGeneral",
        {
          lhsBatch: batch,
          rhsBatch: batch.map((_, i) => position(i)),
          lhsContract: contract,
          rhsContract: contract.map((_, i) => position(batch.length + i)),
        },
        lhs,
        ofShape(rhsShape),
      );
    }),
    () => {
      const spatial = 1 + pick(2);
      const groups = 1 + pick(2);
      const inputShape = [
        1 + pick(2),
        groups * (1 + pick(2)),
        ...range(spatial).map(() => 3 + pick(2)),
      ];
      const filterShape = [
        groups * (1 + pick(2)),
        inputShape[1] / groups,
        ...range(spatial).map(() => 1 + pick(2)),
      ];
      return add(
        "conv",
        {
          strides: range(spatial).map(() => 1 + pick(2)),
          padding: range(spatial).map(() => [pick(2), pick(2)] as const),
          lhsDilation: range(spatial).map(() => 1 + pick(2)),
          rhsDilation: range(spatial).map(() => 1 + pick(2)),
          groups,
        },
        ofShape(inputShape),
        ofShape(filterShape),
      );
    },
    () => {
      const shape = [...newShape().slice(0, 2), 4 + pick(3)];
      const kernel = [1 + pick(3)];
      return add("patches", { kernel, strides: [1 + pick(2)], dilation: [1] }, ofShape(shape));
    },
    () => {
      const kernel = [1 + pick(3)];
      const positions = 1 + pick(3);
      const strides = [1 + pick(3)];
      const dilation = [1 + pick(2)];
      const sizes = [(positions - 1) * strides[0] + (kernel[0] - 1) * dilation[0] + 1 + pick(2)];
      if (
        Math.floor((sizes[0] - (kernel[0] - 1) * dilation[0] - 1) / strides[0]) + 1 !== positions
      ) {
        return null;
      }
      const shape = [...newShape().slice(0, 1), kernel[0], positions];
      return add("patchesTranspose", { kernel, strides, dilation, sizes }, ofShape(shape));
    },
    () => {
      const x = any();
      const shape = shapeOf(x);
      const batchDims = pick(2);
      if (shape.length <= batchDims || shape[batchDims] === 0) return null;
      const index = add(
        "cast",
        { dtype: "int32" },
        ofShape([...shape.slice(0, batchDims), 1 + pick(3)]),
      );
      return add("gather", { batchDims }, x, index);
    },
    () => {
      const updates = any();
      const shape = shapeOf(updates);
      const batchDims = pick(2);
      if (shape.length <= batchDims) return null;
      const index = add("cast", { dtype: "int32" }, ofShape(shape.slice(0, batchDims + 1)));
      return add("scatterAdd", { batchDims, size: 1 + pick(3) }, index, updates);
    },
    () => {
      const x = any();
      if (shapeOf(x).length === 0) return null;
      return add("cast", { dtype: "float64" }, add("argsort", { descending: random() < 0.5 }, x));
    },
  ];
  values.push(input([2, 3, 4]), input(newShape()));
  for (let i = 0; i < length; i++) {
    const value = makers[pick(makers.length)]();
    if (value === null || sizeOf(shapeOf(value)) > 400 || shapeOf(value).length > 7) continue;
    values.push(value);
  }
  const outputs = [values[values.length - 1], ...values.filter(() => random() < 0.1)];
  return { program: builder.build(...outputs), inputs };
}
