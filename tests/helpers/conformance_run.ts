/**
 * Runs conformance cases on a backend and compares with the reference backend.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { referenceBackend } from "../../backends/reference/mod.ts";
import type { DType, TypedArray } from "../../lib/base/dtype.ts";
import { isFloat } from "../../lib/base/dtype.ts";
import type { Backend } from "../../lib/compiler/backend.ts";
import type { Program } from "../../lib/compiler/program.ts";

/** Elements and their dtype. */
export interface HostArray {
  readonly data: TypedArray;
  readonly dtype: DType;
}

/**
 * How far floats may be from the reference; NaN must meet NaN, and integers and bools must be equal.
 *
 * - `exact`: equal; zeros of different sign differ only if `signedZeros`.
 * - `ulp`: at most so many representable numbers away.
 * - `either`: at most so many representable numbers away, or so far in value.
 * - `magnitude`: at most factor · eps · (the program's result on the absolute values of its inputs), which bounds
 *   the rounding of sums of products however much cancels.
 * - `scale`: at most factor · eps · (largest finite element of the reference's result).
 */
export type Tolerance =
  | { readonly kind: "exact"; readonly signedZeros?: boolean }
  | { readonly kind: "ulp"; readonly ulp: number }
  | { readonly kind: "either"; readonly ulp: number; readonly absolute: number }
  | { readonly kind: "magnitude"; readonly factor: number }
  | { readonly kind: "scale"; readonly factor: number };

/** A program with its inputs. */
export interface ConformanceCase {
  /** Says all that matters: primitive, dtype, shape, view. */
  readonly name: string;
  /** The primitive under test, or "composition" or "large". */
  readonly group: string;
  /** What is run. */
  readonly program: Program;
  /** Data for the program's inputs. */
  readonly inputs: readonly HostArray[];
  /** How near the result must come. */
  readonly tolerance: Tolerance;
}

/** What differs. */
export interface ConformanceFailure {
  /** The case's name. */
  readonly name: string;
  /** The first difference, or the error. */
  readonly message: string;
}

/** Compiles and runs a program once on host data. */
export async function runProgram(
  backend: Backend,
  program: Program,
  inputs: readonly HostArray[],
): Promise<HostArray[]> {
  const buffers = inputs.map(({ data, dtype }) => backend.upload(data, dtype));
  const outputs = backend.compile(program).run(buffers);
  const results: HostArray[] = [];
  for (const output of outputs) {
    results.push({ data: await backend.read(output), dtype: output.dtype });
    output.dispose();
  }
  for (const buffer of buffers) buffer.dispose();
  return results;
}

/**
 * Runs the cases of a group (or all) on a backend and on the reference backend, and returns what differs. Each program
 * runs twice, as a backend may keep memory between runs; the inputs must be unchanged afterwards.
 */
export async function runConformance(
  backend: Backend,
  cases: Iterable<ConformanceCase>,
): Promise<ConformanceFailure[]> {
  const failures: ConformanceFailure[] = [];
  for (const entry of cases) {
    if (entry.program.nodes.some((node) => !backend.dtypes.includes(node.dtype))) continue;
    try {
      const message = await failureOf(backend, entry);
      if (message !== null) failures.push({ name: entry.name, message });
    } catch (error) {
      failures.push({ name: entry.name, message: `threw ${error}` });
    }
  }
  return failures;
}

async function failureOf(
  backend: Backend,
  { program, inputs, tolerance }: ConformanceCase,
): Promise<string | null> {
  const expected = await runProgram(referenceBackend, program, inputs);
  const bounds = tolerance.kind === "magnitude"
    ? await runProgram(referenceBackend, program, inputs.map(absolute))
    : null;
  const buffers = inputs.map(({ data, dtype }) => backend.upload(data, dtype));
  const executable = backend.compile(program);
  try {
    for (const run of ["first", "second"]) {
      const outputs = executable.run(buffers);
      if (outputs.length !== expected.length) return `${outputs.length} outputs`;
      for (let i = 0; i < outputs.length; i++) {
        const got = await backend.read(outputs[i]);
        outputs[i].dispose();
        const mismatch = outputs[i].dtype !== expected[i].dtype
          ? `dtype ${outputs[i].dtype}, expected ${expected[i].dtype}`
          : firstMismatch(got, expected[i].data, tolerance, bounds?.[i].data);
        if (mismatch !== null) return `output ${i} of the ${run} run: ${mismatch}`;
      }
    }
    for (let i = 0; i < buffers.length; i++) {
      const after = await backend.read(buffers[i]);
      const mismatch = firstMismatch(after, inputs[i].data, { kind: "exact", signedZeros: true });
      if (mismatch !== null) return `input ${i} was changed: ${mismatch}`;
    }
  } finally {
    for (const buffer of buffers) buffer.dispose();
  }
  return null;
}

function absolute({ data, dtype }: HostArray): HostArray {
  return isFloat(dtype) ? { data: data.map(Math.abs), dtype } : { data, dtype };
}

/** Throws, with the first of them, where cases failed. */
export function assertNoFailures(failures: readonly ConformanceFailure[], count: number): void {
  assertEquals(
    failures.slice(0, 5).map((failure) => `${failure.name}: ${failure.message}`),
    [],
    `${failures.length} of ${count} cases`,
  );
}

/** The first place where the arrays differ by more than the tolerance, in words; null if there is none. */
export function firstMismatch(
  got: TypedArray,
  want: TypedArray,
  tolerance: Tolerance,
  bounds?: TypedArray,
): string | null {
  if (got.constructor !== want.constructor) {
    return `got a ${got.constructor.name}, expected a ${want.constructor.name}`;
  }
  if (got.length !== want.length) return `got ${got.length} elements, expected ${want.length}`;
  const near = closeness(want, tolerance, bounds);
  let wrong = 0;
  let first = -1;
  for (let i = 0; i < got.length; i++) {
    if (!near(got[i], want[i], i)) {
      if (wrong++ === 0) first = i;
    }
  }
  if (wrong === 0) return null;
  const show = (x: number) => Object.is(x, -0) ? "-0" : String(x);
  return `element ${first} is ${show(got[first])}, expected ${
    show(want[first])
  } (${wrong} of ${got.length} elements differ)`;
}

/** Whether two elements are near enough. */
function closeness(
  want: TypedArray,
  tolerance: Tolerance,
  bounds: TypedArray | undefined,
): (got: number, want: number, i: number) => boolean {
  const double = want instanceof Float64Array;
  const float = double || want instanceof Float32Array;
  if (!float || tolerance.kind === "exact") {
    return float && tolerance.kind === "exact" && tolerance.signedZeros
      ? Object.is
      : (a, b) => a === b || (Number.isNaN(a) && Number.isNaN(b));
  }
  const epsilon = double ? 2 ** -53 : 2 ** -24;
  const within = (a: number, b: number, limit: number) =>
    a === b || Math.abs(a - b) <= limit || (Number.isNaN(a) && Number.isNaN(b));
  switch (tolerance.kind) {
    case "ulp":
      return (a, b) =>
        a === b || (Number.isNaN(a) && Number.isNaN(b)) ||
        distance(a, b, double) <= tolerance.ulp;
    case "either":
      return (a, b) => within(a, b, tolerance.absolute) || distance(a, b, double) <= tolerance.ulp;
    case "magnitude":
      return (a, b, i) => within(a, b, tolerance.factor * epsilon * bounds![i]);
    case "scale": {
      let scale = 0;
      for (const x of want) if (Number.isFinite(x)) scale = Math.max(scale, Math.abs(x));
      return (a, b) => within(a, b, tolerance.factor * epsilon * scale);
    }
  }
}

const view = new DataView(new ArrayBuffer(8));

/** How many representable floats lie from one to the other. NaN gives NaN. */
function distance(a: number, b: number, double: boolean): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return NaN;
  if (!double) return Math.abs(place32(a) - place32(b));
  const [highA, lowA] = place64(a);
  const [highB, lowB] = place64(b);
  // Near numbers share most of their high words: the difference is exact where the places are not.
  return Math.abs((highA - highB) * 4294967296 + (lowA - lowB));
}

/** The place of a float32 among all of them; neighbours differ by 1. */
function place32(x: number): number {
  view.setFloat32(0, Math.abs(x));
  return Math.sign(x) * view.getUint32(0);
}

/** The place of a float64, as a high and a low word. */
function place64(x: number): [number, number] {
  view.setFloat64(0, Math.abs(x));
  return [Math.sign(x) * view.getUint32(0), Math.sign(x) * view.getUint32(4)];
}
