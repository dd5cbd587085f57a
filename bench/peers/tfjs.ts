/**
 * TensorFlow.js on its WebAssembly backend as a peer.
 *
 * @module
 */

/** The version that is measured. */
export const tfjsVersion = "4.22.0";

/** A tensor of TensorFlow.js. */
export interface TfTensor {
  readonly shape: number[];
  dataSync(): Float32Array;
  dispose(): void;
}

/** What of `@tensorflow/tfjs` is used here. */
export interface Tfjs {
  tensor(data: Float32Array, shape: readonly number[]): TfTensor;
  scalar(value: number): TfTensor;
  tidy<T>(f: () => T): T;
  setBackend(name: string): Promise<boolean>;
  transpose(x: TfTensor, permutation?: readonly number[]): TfTensor;
  reshape(x: TfTensor, shape: readonly number[]): TfTensor;
  matMul(a: TfTensor, b: TfTensor, transposeA?: boolean, transposeB?: boolean): TfTensor;
  conv2d(
    x: TfTensor,
    filter: TfTensor,
    strides: number,
    padding: TfPadding,
    layout: "NHWC",
    dilations: number,
  ): TfTensor;
  conv2dTranspose(
    x: TfTensor,
    filter: TfTensor,
    shape: readonly number[],
    strides: number,
    padding: TfPadding,
  ): TfTensor;
  depthwiseConv2d(x: TfTensor, filter: TfTensor, strides: number, padding: TfPadding): TfTensor;
  add(a: TfTensor, b: TfTensor): TfTensor;
  sub(a: TfTensor, b: TfTensor): TfTensor;
  mul(a: TfTensor, b: TfTensor): TfTensor;
  div(a: TfTensor, b: TfTensor): TfTensor;
  relu(x: TfTensor): TfTensor;
  abs(x: TfTensor): TfTensor;
  sqrt(x: TfTensor): TfTensor;
  rsqrt(x: TfTensor): TfTensor;
  square(x: TfTensor): TfTensor;
  exp(x: TfTensor): TfTensor;
  tanh(x: TfTensor): TfTensor;
  sum(x: TfTensor, axis?: number): TfTensor;
  mean(x: TfTensor, axis: number, keepDims: boolean): TfTensor;
  softmax(x: TfTensor): TfTensor;
}

/** Padding of a convolution: none, as much as keeps the size, or pairs for each axis. */
export type TfPadding = "valid" | "same" | readonly (readonly [number, number])[];

interface TfjsWasm {
  setWasmPaths(folder: string): void;
}

/**
 * Loads TensorFlow.js with its WebAssembly backend, or null where it cannot be had. It computes on one thread: its threads
 * do not start outside of a browser.
 */
export async function loadTfjs(): Promise<Tfjs | null> {
  const specifier = `npm:@tensorflow/tfjs@${tfjsVersion}`;
  const backend = `npm:@tensorflow/tfjs-backend-wasm@${tfjsVersion}`;
  const { warn } = console;
  try {
    const tf: Tfjs = await import(specifier);
    const wasm: TfjsWasm = await import(backend);
    // It advises another package for Node.
    console.warn = () => {};
    wasm.setWasmPaths(new URL(".", import.meta.resolve(backend)).pathname);
    if (!await tf.setBackend("wasm")) throw new Error("its wasm backend does not start");
    return tf;
  } catch (error) {
    console.error(`TensorFlow.js is left out: ${error}`);
    return null;
  } finally {
    console.warn = warn;
  }
}
