/**
 * How the command line is used, and the error for using it otherwise.
 *
 * @module
 */

import { TangentsError } from "../mod.ts";
import { models } from "../models/mod.ts";

/** The call is off: the message says what was given, what was expected and what to do; exit status 2. */
export class UsageError extends TangentsError {
  /** The class name, for messages and logs. */
  override name = "UsageError";
}

/** The text of `--help`. */
export function help(): string {
  const width = Math.max(...Object.keys(models).map((name) => name.length));
  const list = Object.entries(models).map(([name, { inputShape, description }]) =>
    `  ${name.padEnd(width)}  ${`[${inputShape.join(", ")}]`.padEnd(11)}  ${description}`
  );
  return `Neural tangent kernels.

  deno task ntk                                   PyTorch's tutorial: 20 x 5 images, both methods, full,
                                                  trace and diagonal, compared and timed
  deno task ntk MODEL --x1 A.npy [--x2 B.npy]     the kernel of a network between two sets of examples

MODEL is an ONNX file, whose name ends in .onnx, or one of (with the shape of one example)

${list.join("\n")}

Examples
  --x1 FILE          first examples (.npy), along the first axis; NAME=FILE once for each input of an ONNX
                     file with several
  --x2 FILE          second examples; without it, the kernel of the first with themselves

Kernel
  --method M         auto (default), jacobian-contraction, ntk-vector-products or structured-derivatives
  --compute C        full (default): [N, M, O, O]; trace: [N, M], the sum over outputs; diagonal: [N, M, O]
  --trace-axes A     in the place of --compute: axes of the output to sum over, as 0,1 (-1 is the last)
  --diagonal-axes A  axes of the output of which only equal indices are wanted
  --normalize N      sum (default) or mean: what is traced over divided by its number of elements
  --check            compute by another method as well and compare
  --error-estimate   recompute a few entries in float64, and say how far the kernel is off
  --spectrum         the smallest eigenvalue of the kernel of examples with themselves
  --explain          how the kernel would be computed: for each parameter what each method costs, which is taken,
                     and the time that was expected and measured; a table, and no kernel
  --memory-limit MB  most megabytes beside parameters and examples (default 2147); what needs more is computed
                     in blocks
  --per-parameter    each parameter's share by itself: its norm is printed, or it goes to FILE.NAME.npy
  --params LIST      only these parameters: names separated by commas; * stands for anything (conv*.weight)

Network
  --weights DIR      parameters from DIR/NAME.npy, by PyTorch's names; without it they are random
  --seed N           seed of random parameters (default 0)
  --output NAME      which output of an ONNX file with several
  --list             print the names and shapes of the network's parameters, and compute nothing; of an ONNX
                     file also its inputs, its outputs, and the stored tensors that are no parameters

Computing
  --dtype T          float32 (default) or float64
  --backend B        wasm (default), webgpu, or auto (webgpu where there is a graphics processor, else wasm);
                     tfjs-wasm, tfjs-webgpu and onnxruntime (libraries that are fetched when first used);
                     reference (plain loops in float64: slow); TANGENTS_BACKEND sets another default

Results
  --out FILE         write the kernel to a .npy file; without it, it is printed
  --json             print one line of JSON about what was done, and nothing else, on stdout
  --help, -h         this text
  --version          the version

Exit status: 0 done, 1 the computation or a check failed, 2 the call is off.`;
}
