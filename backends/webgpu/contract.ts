/**
 * Matrix products as WGSL.
 *
 * A workgroup computes a tile of the result. It brings slabs of both operands into its own memory, from wherever their
 * strides say (so transposed operands, and the windows of a convolution, cost nothing but addresses), and each invocation
 * computes blocks of 4 × 4 from them in registers. Where the tiles are few and the sums long, several workgroups share a
 * tile's sum, and a loop adds up what they found, always in the same order.
 *
 * @module
 */

import { isFloat } from "../../lib/base/dtype.ts";
import { contiguousStrides, sizeOf } from "../../lib/base/shape.ts";
import type { ContractKernel, LoopKernel, View } from "../../lib/compiler/kernel.ts";
import { emitLoop } from "./loop.ts";
import {
  address,
  type Buffers,
  constant,
  decode,
  type Dispatch,
  fromWord,
  type Ranges,
  Shader,
  toWord,
  typeOf,
} from "./shader.ts";

/** How a tile is shared by the invocations of a workgroup. */
interface Tile {
  /** Invocations along the rows and the columns. */
  readonly down: number;
  readonly across: number;
  /** Blocks of 4 rows and of 4 columns that an invocation computes. */
  readonly rows: number;
  readonly columns: number;
  /** Terms of a slab. */
  readonly depth: number;
  /** How long a multiply-add takes compared with the largest tile: guesses for graphics processors. */
  readonly cost: number;
}

const tiles: readonly Tile[] = [
  { down: 16, across: 16, rows: 2, columns: 2, depth: 8, cost: 1 },
  { down: 16, across: 16, rows: 1, columns: 1, depth: 16, cost: 1.3 },
  { down: 8, across: 8, rows: 1, columns: 1, depth: 16, cost: 1.5 },
  { down: 2, across: 32, rows: 1, columns: 1, depth: 16, cost: 2 },
  { down: 32, across: 2, rows: 1, columns: 1, depth: 16, cost: 2 },
  { down: 1, across: 64, rows: 1, columns: 1, depth: 8, cost: 2.6 },
  { down: 64, across: 1, rows: 1, columns: 1, depth: 8, cost: 2.6 },
];

/** Workgroups that keep a large device busy. */
const wantedGroups = 512;
/** Fewest terms of a share of a sum. */
const shortestShare = 128;
/** Most bytes of shares of sums. */
const mostShareBytes = 1 << 26;
/** Terms that are added up before they are added to the rest. */
const chain = 256;
/** Results of a product of fewer rows times columns are computed one by one. */
const smallResult = 48;

/** The tile that wastes least, where there are so many products of m × n. */
function chooseTile(m: number, n: number, products: number): Tile {
  let best = tiles[0];
  let least = Infinity;
  for (const tile of tiles) {
    const height = 4 * tile.rows * tile.down;
    const width = 4 * tile.columns * tile.across;
    const count = Math.ceil(m / height) * Math.ceil(n / width) * products;
    // Few large tiles leave much of a device idle.
    const busy = Math.min(1, count / 128) ** 0.25;
    const cost = count * height * width * tile.cost / busy;
    if (cost < least) [best, least] = [tile, cost];
  }
  return best;
}

/** The product as a loop with a sum. */
function asLoop({ dtype, batch, m, n, k, a, b, out }: ContractKernel): LoopKernel {
  const [sizeB, sizeM] = [batch.length, m.length];
  const zeros = (list: readonly number[]) => list.map(() => 0);
  const split = (view: View) => [
    view.strides.slice(0, sizeB),
    view.strides.slice(sizeB, view.strides.length),
  ];
  const [aBatch, aRest] = split(a);
  const [bBatch, bRest] = split(b);
  return {
    kind: "loop",
    dims: [...batch, ...m, ...n, ...k],
    outerRank: sizeB + sizeM + n.length,
    body: [
      {
        op: "load",
        dtype,
        view: {
          ...a,
          strides: [...aBatch, ...aRest.slice(0, sizeM), ...zeros(n), ...aRest.slice(sizeM)],
        },
      },
      {
        op: "load",
        dtype,
        view: {
          ...b,
          strides: [...bBatch, ...zeros(m), ...bRest.slice(k.length), ...bRest.slice(0, k.length)],
        },
      },
      { op: "mul", dtype, args: [0, 1] },
    ],
    reduce: "sum",
    epilogue: [],
    out,
    mode: "set",
    dtype,
  };
}

/** The dispatches of a matrix product. */
export function emitContract(
  buffers: Buffers,
  kernel: ContractKernel,
  label: string,
  ranges?: Ranges,
): Dispatch[] {
  const [products, m, n, k] = [kernel.batch, kernel.m, kernel.n, kernel.k].map(sizeOf);
  if (products * m * n === 0) return [];
  if (k <= 4 || m * n < smallResult || Math.min(m, n) === 1) {
    return emitLoop(buffers, asLoop(kernel), label, ranges);
  }
  const tile = chooseTile(m, n, products);
  const groups = products * Math.ceil(m / (4 * tile.rows * tile.down)) *
    Math.ceil(n / (4 * tile.columns * tile.across));
  const shares = Math.max(
    1,
    Math.min(
      Math.ceil(wantedGroups / groups),
      Math.floor(k / shortestShare),
      Math.floor(
        Math.min(mostShareBytes, buffers.limits.bindingBytes) / (4 * products * m * n),
      ),
    ),
  );
  if (shares === 1) return [emitTiles(buffers, kernel, kernel.out, tile, 1, 0, label, ranges)];

  // Shares [share, batch, m, n], then their sums.
  const { batch, dtype, out } = kernel;
  const result = [...batch, ...kernel.m, ...kernel.n];
  const strides = contiguousStrides(result);
  const size = sizeOf(result);
  const buffer = buffers.scratch(dtype, shares * size);
  const scratch: View = { buffer, offset: 0, strides };
  const first = emitTiles(
    buffers,
    kernel,
    scratch,
    tile,
    shares,
    size,
    `${label}, in shares`,
    ranges,
  );
  const sums: LoopKernel = {
    kind: "loop",
    dims: [...result, shares],
    outerRank: result.length,
    body: [{ op: "load", dtype, view: { ...scratch, strides: [...strides, size] } }],
    reduce: "sum",
    epilogue: [],
    out,
    mode: "set",
    dtype,
  };
  return [first, ...emitLoop(buffers, sums, label, ranges)];
}

/** How the invocations of a workgroup bring a slab of an operand into its memory. */
interface Loader {
  /** Before the loop over slabs. */
  readonly before: string[];
  /** In it: `slab` is the first of its terms. */
  readonly load: string[];
}

/**
 * @param name of the operand, "a" or "b"
 * @param free dims of its rows or columns
 * @param inner whether neighbouring invocations read along the terms rather than along rows or columns
 */
function loader(
  shader: Shader,
  kernel: ContractKernel,
  name: "a" | "b",
  { width, threads, depth }: { width: number; threads: number; depth: number },
  ragged: boolean,
): Loader {
  const { batch, k, dtype } = kernel;
  const view = kernel[name];
  const free = name === "a" ? kernel.m : kernel.n;
  const rest = view.strides.slice(batch.length);
  const freeStrides = name === "a" ? rest.slice(0, free.length) : rest.slice(k.length);
  const termStrides = name === "a" ? rest.slice(free.length) : rest.slice(0, k.length);
  const quads = width / 4;
  const count = Math.ceil(quads * depth / threads);
  const guarded = quads * depth % threads !== 0;
  const smallest = (strides: readonly number[], dims: readonly number[]): number =>
    strides.reduce(
      (least, s, d) => dims[d] === 1 || s === 0 ? least : Math.min(least, Math.abs(s)),
      Infinity,
    );
  // Along what lies next to each other in memory.
  const inner = smallest(termStrides, k) < smallest(freeStrides, free);
  const freeSize = sizeOf(free);
  const before: string[] = [];
  const load: string[] = [];
  const zero = constant(dtype, 0);
  const element = (base: string, term: string, inside: string): string => {
    const value = fromWord(dtype, shader.at(view, `${name}Start + ${base} + ${term}`));
    return ragged ? `select(${zero}, ${value}, ${inside})` : value;
  };
  /** The addresses of 4 rows or columns, from the quad's number. */
  const bases = (quad: string, id: string): string[] => {
    const names: string[] = [];
    for (let c = 0; c < 4; c++) {
      const index = `${name}f${id}${c}`;
      before.push(
        `let ${index} = min(${name}Tile + ${quad} * 4u + ${c}u, ${freeSize - 1}u);`,
      );
      const { lines, names: parts } = decode(index, free, `${index}_`);
      before.push(...lines, `let ${index}at = ${address(0, freeStrides, parts)};`);
      names.push(`${index}at`);
    }
    return names;
  };
  /** The address of a term. */
  const term = (index: string, id: string): string => {
    load.push(`let ${name}k${id} = slab + ${index};`);
    if (ragged) {
      load.push(
        `let ${name}in${id} = ${name}k${id} < limit;`,
        `let ${name}c${id} = min(${name}k${id}, ${sizeOf(k) - 1}u);`,
      );
    } else load.push(`let ${name}c${id} = ${name}k${id};`);
    const { lines, names: parts } = decode(`${name}c${id}`, k, `${name}t${id}_`);
    load.push(...lines, `let ${name}at${id} = ${address(0, termStrides, parts)};`);
    return `${name}at${id}`;
  };
  const put = (at: string, rows: readonly string[], where: string, id: string, v: string) => {
    const values = rows.map((row) => element(row, where, `${name}in${id}`));
    const line = `${name}Slab[${at}] = vec4<${typeOf(dtype)}>(${values.join(", ")});`;
    load.push(guarded ? `if (${v} < ${quads * depth}u) { ${line} }` : line);
  };
  if (inner && threads % depth === 0) {
    // The invocation's term is the same in all its loads.
    before.push(`let ${name}Term = lane % ${depth}u;`, `let ${name}Quad = lane / ${depth}u;`);
    const where = term(`${name}Term`, "");
    for (let i = 0; i < count; i++) {
      const quad = `(${name}Quad + ${i * (threads / depth)}u)`;
      const rows = bases(quad, String(i));
      put(
        `${name}Term * ${quads}u + ${quad}`,
        rows,
        where,
        "",
        `lane + ${i * threads}u`,
      );
    }
  } else if (!inner && threads % quads === 0) {
    // The invocation's rows or columns are the same in all its loads.
    before.push(`let ${name}Quad = lane % ${quads}u;`, `let ${name}Term = lane / ${quads}u;`);
    const rows = bases(`${name}Quad`, "");
    for (let i = 0; i < count; i++) {
      const index = `(${name}Term + ${i * (threads / quads)}u)`;
      const where = term(index, String(i));
      put(`${index} * ${quads}u + ${name}Quad`, rows, where, String(i), `lane + ${i * threads}u`);
    }
  } else {
    for (let i = 0; i < count; i++) {
      const v = `(lane + ${i * threads}u)`;
      const quad = `(${v} / ${inner ? depth : 1}u % ${quads}u)`;
      const index = inner ? `(${v} % ${depth}u)` : `(${v} / ${quads}u)`;
      const rows = bases(quad, String(i));
      const where = term(index, String(i));
      put(`${index} * ${quads}u + ${quad}`, rows, where, String(i), v);
    }
  }
  return { before, load };
}

/** The tiles of a product, or of shares of it that lie `shareStride` apart. */
function emitTiles(
  buffers: Buffers,
  kernel: ContractKernel,
  out: View,
  tile: Tile,
  shares: number,
  shareStride: number,
  label: string,
  ranges?: Ranges,
): Dispatch {
  const { dtype, batch } = kernel;
  const [products, m, n, k] = [batch, kernel.m, kernel.n, kernel.k].map(sizeOf);
  const { down, across, rows, columns, depth } = tile;
  const threads = down * across;
  const height = 4 * rows * down;
  const width = 4 * columns * across;
  const type = typeOf(dtype);
  const shader = new Shader(buffers, out.buffer, ranges);
  shader.declare(`var<workgroup> aSlab: array<vec4<${type}>, ${depth * height / 4}>;`);
  shader.declare(`var<workgroup> bSlab: array<vec4<${type}>, ${depth * width / 4}>;`);
  const [tilesM, tilesN] = [Math.ceil(m / height), Math.ceil(n / width)];
  const share = Math.ceil(k / shares / depth) * depth;
  const ragged = k % depth !== 0;
  const a = loader(shader, kernel, "a", { width: height, threads, depth }, ragged);
  const b = loader(shader, kernel, "b", { width, threads, depth }, ragged);

  const main: string[] = [
    `let tileN = group % ${tilesN}u;`,
    `let rest0 = group / ${tilesN}u;`,
    `let tileM = rest0 % ${tilesM}u;`,
    `let rest1 = rest0 / ${tilesM}u;`,
    `let product = rest1 % ${products}u;`,
    `let share = rest1 / ${products}u;`,
    `let aTile = tileM * ${height}u;`,
    `let bTile = tileN * ${width}u;`,
    `let first = share * ${share}u;`,
    `let limit = min(first + ${share}u, ${k}u);`,
    `let row = lane / ${across}u;`,
    `let column = lane % ${across}u;`,
  ];
  const batches = decode("product", batch, "p");
  const start = (view: View): string =>
    address(view.offset, view.strides.slice(0, batch.length), batches.names);
  main.push(
    ...batches.lines,
    `let aStart = ${start(kernel.a)};`,
    `let bStart = ${start(kernel.b)};`,
    ...a.before,
    ...b.before,
  );
  const sums: string[] = [];
  for (let r = 0; r < 4 * rows; r++) for (let c = 0; c < columns; c++) sums.push(`${r}_${c}`);
  const vector = `vec4<${type}>`;
  const zeros = (name: string) => sums.map((id) => `var ${name}${id} = ${vector}();`);
  const length = Math.min(share, k);
  // Long sums are added up in chains.
  const chained = isFloat(dtype) && length > 2 * chain && rows * columns === 1;
  const products4: string[] = [];
  for (let r = 0; r < rows; r++) {
    products4.push(`let a${r} = aSlab[t * ${height / 4}u + ${r * down}u + row];`);
  }
  for (let c = 0; c < columns; c++) {
    products4.push(`let b${c} = bSlab[t * ${width / 4}u + ${c * across}u + column];`);
  }
  for (let r = 0; r < rows; r++) {
    for (let e = 0; e < 4; e++) {
      for (let c = 0; c < columns; c++) {
        const id = `${4 * r + e}_${c}`;
        products4.push(`s${id} = s${id} + a${r}.${"xyzw"[e]} * b${c};`);
      }
    }
  }
  const slabs = (from: string, to: string): string[] => [
    `for (var slab = ${from}; slab < ${to}; slab = slab + ${depth}u) {`,
    ...[
      ...a.load,
      ...b.load,
      "workgroupBarrier();",
      `for (var t = 0u; t < ${depth}u; t = t + 1u) {`,
      ...products4.map((line) => `  ${line}`),
      "}",
      "workgroupBarrier();",
    ].map((line) => `  ${line}`),
    "}",
  ];
  main.push(...zeros("s"));
  if (chained) {
    main.push(
      ...zeros("total"),
      `for (var link = first; link < limit; link = link + ${chain}u) {`,
      `  let stop = min(link + ${chain}u, limit);`,
      ...slabs("link", "stop").map((line) => `  ${line}`),
      ...sums.map((id) => `  total${id} = total${id} + s${id}; s${id} = ${vector}();`),
      "}",
    );
  } else main.push(...slabs("first", "limit"));

  // The results.
  const outStrides = out.strides.slice(batch.length);
  main.push(
    `let outStart = ${start(out)}${shares > 1 ? ` + share * ${shareStride}u` : ""};`,
  );
  const place = (
    prefix: string,
    index: string,
    dims: readonly number[],
    strides: readonly number[],
  ) => {
    const { lines, names } = decode(index, dims, `${prefix}_`);
    return [...lines, `let ${prefix}at = ${address(0, strides, names)};`];
  };
  const sizeM = kernel.m.length;
  for (let c = 0; c < columns; c++) {
    for (let e = 0; e < 4; e++) {
      const id = `n${c}${e}`;
      main.push(
        `let ${id} = bTile + (${c * across}u + column) * 4u + ${e}u;`,
        ...place(id, id, kernel.n, outStrides.slice(sizeM)),
      );
    }
  }
  for (let r = 0; r < rows; r++) {
    for (let f = 0; f < 4; f++) {
      const id = `m${r}${f}`;
      main.push(
        `let ${id} = aTile + (${r * down}u + row) * 4u + ${f}u;`,
        `if (${id} < ${m}u) {`,
        ...place(id, id, kernel.m, outStrides.slice(0, sizeM)).map((line) => `  ${line}`),
      );
      for (let c = 0; c < columns; c++) {
        for (let e = 0; e < 4; e++) {
          const target = shader.at(out, `outStart + ${id}at + n${c}${e}at`);
          const value = `${chained ? "total" : "s"}${4 * r + f}_${c}.${"xyzw"[e]}`;
          main.push(`  if (n${c}${e} < ${n}u) { ${target} = ${toWord(dtype, value)}; }`);
        }
      }
      main.push("}");
    }
  }
  return shader.finish(label, main, tilesM * tilesN * products * shares, threads);
}
