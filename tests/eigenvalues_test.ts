/** Extreme eigenvalues against NumPy's, and against matrices whose eigenvalues are known. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { extremeEigenvalues, symmetricEigenvalues } from "../lib/ntk/eigenvalues.ts";
import { ArgumentError } from "../mod.ts";

interface Case {
  name: string;
  matrix: number[];
  smallest: number;
  largest: number;
}

const url = new URL("data/ntk/eigenvalues.json", import.meta.url);
const { cases }: { cases: Case[] } = JSON.parse(await Deno.readTextFile(url));

function assertExtremes(matrix: Float64Array, expected: [number, number], dense?: number): void {
  const n = Math.sqrt(matrix.length);
  const { smallest, largest } = extremeEigenvalues(matrix, n, dense);
  const size = Math.max(...expected.map(Math.abs));
  for (const [found, value] of [[smallest, expected[0]], [largest, expected[1]]]) {
    assert(Math.abs(found - value) <= 4e-15 * Math.sqrt(n) * size, `${found}, expected ${value}`);
  }
}

for (const { name, matrix, smallest, largest } of cases) {
  Deno.test(`extreme eigenvalues: ${name}`, () => {
    assertExtremes(Float64Array.from(matrix), [smallest, largest]);
    // By Lanczos: all of a small space.
    assertExtremes(Float64Array.from(matrix), [smallest, largest], 0);
  });
}

/** A reflection of a diagonal matrix: its eigenvalues are the diagonal's. */
function reflected(values: Float64Array): Float64Array {
  const n = values.length;
  const v = Float64Array.from({ length: n }, (_, i) => 1 + (i * 7) % 5);
  const scale = 2 / v.reduce((sum, x) => sum + x * x, 0);
  const q = (i: number, j: number): number => Number(i === j) - scale * v[i] * v[j];
  // Q·D·Q = D − s·v·(Dv)ᵀ − s·(Dv)·vᵀ + s²·(vᵀDv)·v·vᵀ.
  const dv = v.map((x, i) => x * values[i]);
  const inner = v.reduce((sum, x, i) => sum + x * dv[i], 0);
  assertEquals(q(0, 1), q(1, 0));
  return Float64Array.from({ length: n * n }, (_, at) => {
    const [i, j] = [Math.floor(at / n), at % n];
    return Number(i === j) * values[i] - scale * (v[i] * dv[j] + dv[i] * v[j]) +
      scale * scale * inner * v[i] * v[j];
  });
}

Deno.test("extreme eigenvalues of hundreds of rows", () => {
  const values = Float64Array.from({ length: 400 }, (_, i) => ((i * 37) % 400) / 7 - 3);
  const { smallest, largest, exact } = extremeEigenvalues(reflected(values), 400);
  assert(exact);
  assert(Math.abs(smallest + 3) < 1e-12 && Math.abs(largest - (399 / 7 - 3)) < 1e-12);
});

Deno.test("beyond the dense solver: the largest, and a bound of the smallest", () => {
  // A kernel's spectrum: few large eigenvalues, many near zero, and one below it.
  const n = 500;
  const values = Float64Array.from({ length: n }, (_, i) => 100 / (1 + i * i));
  values[7] = -0.5;
  const { smallest, largest, exact } = extremeEigenvalues(reflected(values), n, 100);
  assertEquals(exact, false);
  assert(Math.abs(largest - 100) < 1e-11, `${largest}`);
  assert(Math.abs(smallest + 0.5) < 1e-11, `${smallest}`);
});

Deno.test("no rows, and entries that are not numbers", () => {
  const { smallest, largest } = extremeEigenvalues(Float64Array.from([1, NaN, NaN, 1]), 2);
  assert(Number.isNaN(smallest) && Number.isNaN(largest));
  assertEquals(extremeEigenvalues(new Float64Array(0), 0), {
    smallest: 0,
    largest: 0,
    exact: true,
  });
});

Deno.test("all eigenvalues of hundreds of rows", () => {
  const values = Float64Array.from({ length: 300 }, (_, i) => ((i * 37) % 300) / 7 - 3);
  const found = symmetricEigenvalues(reflected(values), 300);
  values.sort().forEach((value, i) => assert(Math.abs(found[i] - value) < 1e-12, `${found[i]}`));
  assertEquals(symmetricEigenvalues([0, 0, 0, 0], 2), new Float64Array(2));
  assertEquals(symmetricEigenvalues([1, 0, NaN, 1], 2), new Float64Array(2).fill(NaN));
  assertEquals(symmetricEigenvalues([], 0), new Float64Array(0));
  assertThrows(() => symmetricEigenvalues([1, 2, 3], 2), ArgumentError, "give 4");
});
