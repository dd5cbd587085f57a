/**
 * What the page and its worker say to each other.
 *
 * @module
 */

/** What of the kernel is computed. */
export type Compute = "full" | "trace" | "diagonal";
/** How, as the library names it. */
export type Method =
  | "auto"
  | "jacobian-contraction"
  | "ntk-vector-products"
  | "structured-derivatives";
/** What computes. */
export type BackendChoice = "auto" | "webgpu" | "wasm";

/** The examples: numbers with a shape of their own, or how to draw some. */
export type Examples =
  | { readonly kind: "given"; readonly data: Float32Array; readonly shape: readonly number[] }
  | { readonly kind: "npy"; readonly name: string; readonly bytes: Uint8Array<ArrayBuffer> }
  | {
    readonly kind: "random";
    readonly count: number;
    readonly seed: number;
    /** The shape of one example. */
    readonly shape: readonly number[];
    /** Integers are drawn below this, where the network takes integers. */
    readonly below: number;
  };

/** A kernel that is asked for. */
export interface Job {
  readonly network: Uint8Array<ArrayBuffer>;
  readonly examples: Examples;
  readonly method: Method;
  readonly compute: Compute;
  readonly backend: BackendChoice;
}

/** What the page says. */
export type Request =
  | { readonly type: "inspect"; readonly network: Uint8Array<ArrayBuffer> }
  | { readonly type: "run"; readonly job: Job };

/** What a network is. */
export interface NetworkInfo {
  readonly parameters: number;
  readonly input: string;
  /** The shape of one example; null where the file leaves a size open. */
  readonly shape: readonly (number | null)[];
  readonly integers: boolean;
  readonly output: string;
  /** Outputs that are left out. */
  readonly others: readonly string[];
}

/** Where the parts of a kernel belong. */
export interface Layout {
  readonly compute: Compute;
  readonly examples: number;
  readonly outputs: number;
}

/** A part of the kernel: examples from `row` with examples from `column`. */
export interface Block {
  readonly row: number;
  readonly column: number;
  readonly rows: number;
  readonly columns: number;
  readonly data: Float32Array<ArrayBuffer>;
}

/** What was done. */
export interface Report {
  readonly method: string;
  readonly device: string;
  readonly seconds: number;
  readonly peakBytes: number;
  readonly parameters: number;
  /** Why this backend, where the page let the library choose. */
  readonly reason: string;
}

/** What the worker says. */
export type Reply =
  | { readonly type: "ready"; readonly threads: number; readonly adapter: string | null }
  | { readonly type: "network"; readonly info: NetworkInfo }
  | { readonly type: "layout"; readonly layout: Layout }
  | { readonly type: "block"; readonly block: Block }
  | { readonly type: "progress"; readonly done: number; readonly total: number; text: string }
  | {
    readonly type: "done";
    readonly report: Report;
    /** Of each matrix, the largest first; null where there are too many rows. */
    readonly eigenvalues: readonly Float64Array[] | null;
  }
  | { readonly type: "error"; readonly during: "inspect" | "run"; readonly message: string };

/** The square matrices that a kernel is shown as: one, or one for each output of a diagonal kernel. */
export interface Matrices {
  readonly layout: Layout;
  /** Rows of each. */
  readonly size: number;
  readonly values: readonly Float32Array<ArrayBuffer>[];
}

/** Matrices that wait for their blocks; NaN is not there yet. */
export function emptyMatrices(layout: Layout): Matrices {
  const size = layout.compute === "full" ? layout.examples * layout.outputs : layout.examples;
  const count = layout.compute === "diagonal" ? layout.outputs : 1;
  const values = Array.from({ length: count }, () => new Float32Array(size * size).fill(NaN));
  return { layout, size, values };
}

/** Puts a block where it belongs, and its mirror image where that belongs. */
export function placeBlock({ layout, size, values }: Matrices, block: Block): void {
  const { compute, outputs } = layout;
  const { row, column, rows, columns, data } = block;
  const put = (matrix: number, i: number, j: number, value: number): void => {
    values[matrix][i * size + j] = value;
    values[matrix][j * size + i] = value;
  };
  let at = 0;
  for (let i = row; i < row + rows; i++) {
    for (let j = column; j < column + columns; j++) {
      if (compute === "trace") put(0, i, j, data[at++]);
      else if (compute === "diagonal") {
        for (let a = 0; a < outputs; a++) put(a, i, j, data[at++]);
      } else {
        for (let a = 0; a < outputs; a++) {
          for (let b = 0; b < outputs; b++) put(0, i * outputs + a, j * outputs + b, data[at++]);
        }
      }
    }
  }
}
