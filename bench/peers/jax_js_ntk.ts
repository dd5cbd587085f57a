/**
 * The tutorial's kernel in jax-js, by Jacobian contraction in a loop over images: full kernels only.
 *
 * `deno run jax_js_ntk.ts tutorial --data FOLDER`
 *
 * @module
 */

import { formatNpy, parseNpy } from "../../lib/npy/mod.ts";
import { serve, workerArguments } from "./protocol.ts";

/** The version that is measured. */
const version = "0.1.25";

/** An array of jax-js; each use consumes it, and `ref` keeps it for another. */
interface JaxArray {
  readonly ref: JaxArray;
  readonly shape: number[];
  reshape(shape: readonly number[]): JaxArray;
  add(other: JaxArray): JaxArray;
  dispose(): void;
  data(): Promise<Float32Array>;
  blockUntilReady(): Promise<JaxArray>;
}

/** What of jax-js is used here. */
interface JaxJs {
  init(...devices: string[]): Promise<string[]>;
  defaultDevice(device: string): void;
  vjp(
    f: (p: Record<string, JaxArray>) => JaxArray,
    primals: [Record<string, JaxArray>],
  ): [JaxArray, { (cotangent: JaxArray): [Record<string, JaxArray>]; dispose(): void }];
  readonly numpy: {
    array(data: Float32Array): JaxArray;
    matmul(a: JaxArray, b: JaxArray): JaxArray;
    transpose(x: JaxArray): JaxArray;
    stack(list: readonly JaxArray[]): JaxArray;
  };
  readonly nn: { relu(x: JaxArray): JaxArray };
  readonly lax: {
    conv(x: JaxArray, w: JaxArray, strides: number[], padding: "VALID"): JaxArray;
  };
}

const { once, data } = workerArguments();
const outputs = 10;
const layers = ["conv1", "conv2", "conv3", "fc"];

await serve(
  `jax-js ${version}`,
  once,
  async () => {
    const specifier = `npm:@jax-js/jax@${version}`;
    const jax: JaxJs = await import(specifier);
    const { numpy: np, nn, lax } = jax;
    await jax.init("wasm");
    jax.defaultDevice("wasm");
    const load = async (name: string): Promise<{ shape: number[]; data: Float32Array }> => {
      const { shape, data: elements } = parseNpy(await Deno.readFile(`${data}/${name}.npy`));
      return { shape: [...shape], data: elements as Float32Array };
    };
    const arrays: Record<string, JaxArray> = {};
    for (const name of layers.flatMap((layer) => [`${layer}.weight`, `${layer}.bias`])) {
      const { shape, data: elements } = await load(name);
      arrays[name] = np.array(elements).reshape(shape);
    }
    const names = Object.keys(arrays);

    /** The network's outputs for one image [1, 3, 32, 32]; consumes what it is given. */
    const network = (p: Record<string, JaxArray>, x: JaxArray): JaxArray => {
      for (const name of ["conv1", "conv2", "conv3"]) {
        x = lax.conv(x, p[`${name}.weight`], [1, 1], "VALID")
          .add(p[`${name}.bias`].reshape([1, 32, 1, 1]));
        if (name !== "conv3") x = nn.relu(x);
      }
      return np.matmul(p["fc.weight"], x.reshape([21632])).add(p["fc.bias"]);
    };

    /** For each parameter, the Jacobian [10, elements] of one image: jacrev takes one vector, so a vjp for each output. */
    const jacobians = (image: Float32Array): JaxArray[] => {
      const x = np.array(image).reshape([1, 3, 32, 32]);
      const primals = Object.fromEntries(names.map((name) => [name, arrays[name].ref]));
      const [y, vjpFn] = jax.vjp((p) => network(p, x), [primals]);
      y.dispose();
      const rows = Array.from({ length: outputs }, (_, i) => {
        const [row] = vjpFn(np.array(Float32Array.from({ length: outputs }, (_, k) => +(k === i))));
        return names.map((name) => row[name].reshape([-1]));
      });
      vjpFn.dispose();
      return names.map((_, k) => np.stack(rows.map((row) => row[k])));
    };

    const [first, second] = [await load("x1"), await load("x2")];
    const images = ({ shape, data: elements }: { shape: number[]; data: Float32Array }) =>
      Array.from(
        { length: shape[0] },
        (_, i) => elements.slice(i * 3 * 32 * 32, (i + 1) * 3 * 32 * 32),
      );
    return async ({ method, compute }) => {
      if (method !== "jacobian-contraction" || compute !== "full") {
        throw new Error("only the full kernel by Jacobian contraction");
      }
      const j2 = images(second).map(jacobians);
      const rows: Float32Array[] = [];
      for (const image of images(first)) {
        const j1 = jacobians(image);
        for (const other of j2) {
          const terms = j1.map((j, i) => np.matmul(j.ref, np.transpose(other[i].ref)));
          rows.push(await terms.reduce((a, b) => a.add(b)).data());
        }
        for (const j of j1) j.dispose();
      }
      for (const j of j2.flat()) j.dispose();
      const kernel = new Float32Array(rows.length * rows[0].length);
      rows.forEach((row, i) => kernel.set(row, i * row.length));
      return kernel;
    };
  },
  (path, kernel) => Deno.writeFile(path, formatNpy({ shape: [kernel.length], data: kernel })),
);
Deno.exit(0);
