import { assert, assertEquals, assertThrows } from "@std/assert";
import { ModuleBuilder } from "../backends/wasm/assembler.ts";
import { axisLayout, emitGemm, GemmCache, offsetTable } from "../backends/wasm/gemm.ts";
import { balancedSplit } from "../backends/wasm/gemm_shape.ts";
import {
  axis,
  type AxisView,
  dense,
  type MatrixView,
  prepare,
  type Product,
  randomNumbers,
  referenceProduct,
  transposed,
} from "./wasm_gemm_harness.ts";

/** Runs a product, compares it with float64 loops, and with itself cut into other pieces; how it was computed. */
function check(name: string, product: Product, seed = 1): string {
  const prepared = prepare(product);
  const { a, b, c } = prepared;
  const random = randomNumbers(seed);
  for (const array of [a, b, c]) for (let i = 0; i < array.length; i++) array[i] = random();
  const before = c.slice();
  const { value, magnitude } = referenceProduct(product, a, b, before);
  const inputs = [a.slice(), b.slice()];
  prepared.run();
  const described = `${name}: ${JSON.stringify(prepared.kernel.plan)}`;
  const epsilon = product.dtype === "float32" ? 2 ** -24 : 2 ** -53;
  for (let i = 0; i < value.length; i++) {
    // Sixteen roundings of the sum of magnitudes: sums are random walks, far below the bound k.
    const allowed = 16 * epsilon * magnitude[i];
    if (!(Math.abs(c[i] - value[i]) <= allowed)) {
      throw new Error(`${described}: element ${i} is ${c[i]}, not ${value[i]}`);
    }
  }
  assertEquals(a.every((x, i) => x === inputs[0][i]), true, `${name}: A was written to`);
  assertEquals(b.every((x, i) => x === inputs[1][i]), true, `${name}: B was written to`);
  const once = c.slice();
  c.set(before);
  prepared.run(1, true);
  assert(
    once.every((x, i) => Object.is(x, c[i])),
    `${described}: results depend on the cut into tasks`,
  );
  const { plan } = prepared.kernel;
  if (plan.kind !== "outer") return plan.kind;
  return `outer${plan.wholeB ? ", B whole" : plan.directA ? ", A direct" : ""}`;
}

const dtypes = ["float32", "float64"] as const;

Deno.test("gemm: all small sizes, relaxed and strict", () => {
  const sizes = [1, 2, 3, 4, 5, 7, 8, 9, 16, 17];
  let seed = 0;
  for (const m of sizes) {
    for (const n of sizes) {
      for (const k of [1, 2, 5, 16, 19]) {
        // Every combination of dtype, storage and rounding comes up for every size in turn.
        const bits = seed++;
        const side = (flag: number, rows: number, columns: number) =>
          (bits & flag) !== 0 ? transposed(1, rows, columns) : dense(1, rows, columns);
        check(`${m}x${n}x${k}, ${bits}`, {
          dtype: dtypes[bits % 3 === 0 ? 1 : 0],
          a: side(1, m, k),
          b: side(2, k, n),
          c: side(4, m, n),
          accumulate: bits % 5 < 2,
          relaxed: bits % 7 < 4,
        }, seed);
      }
    }
  }
});

Deno.test("gemm: batches of all small sizes", () => {
  const random = randomNumbers(3);
  const integer = (low: number, high: number) =>
    Math.floor(low + (random() + 1) / 2 * (high - low + 1));
  const kinds = new Map<string, number>();
  for (let m = 1; m <= 17; m++) {
    for (let n = 1; n <= 17; n++) {
      for (const k of [1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 16, 17, 31, 64]) {
        if (k > 1 && integer(0, 2) > 0) continue;
        const batch = integer(8, 40);
        /** A view of either storage order, with or without gaps, possibly the same for all of the batch. */
        const view = (rows: number, columns: number, output: boolean): MatrixView => {
          const byRows = integer(0, 1) === 0;
          const gap = integer(0, 4) === 0 ? 2 : 1;
          const pitch = (byRows ? columns : rows) * gap + integer(0, 1) * 3;
          const size = (byRows ? rows : columns) * pitch;
          const shared = !output && integer(0, 5) === 0;
          return {
            length: size * (shared ? 1 : batch),
            batch: axis(batch, shared ? 0 : size),
            rows: axis(rows, byRows ? pitch : gap),
            columns: axis(columns, byRows ? gap : pitch),
          };
        };
        const kind = check(`${batch} times ${m}x${n}x${k}`, {
          dtype: dtypes[integer(0, 2) === 0 ? 1 : 0],
          a: view(m, k, false),
          b: view(k, n, false),
          c: view(m, n, true),
          accumulate: integer(0, 2) === 0,
          relaxed: integer(0, 2) > 0,
        }, m * 17 + n);
        kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
      }
    }
  }
  assert(kinds.get("tiny")! > 1000, "few of the products are written out");
});

/** Matrices of either storage order: the flags among the bits are those of transposed ones. */
function sidesOf(batch: number, bits: number) {
  return (flag: number, rows: number, columns: number): MatrixView =>
    (bits & flag) !== 0 ? transposed(batch, rows, columns) : dense(batch, rows, columns);
}

Deno.test("gemm: short sums", () => {
  let seed = 0;
  let short = 0;
  for (
    const [m, n] of [[13, 40], [19, 50], [31, 33], [48, 130], [300, 2100], [64, 41], [1030, 90], [
      6,
      999,
    ]]
  ) {
    for (const k of [1, 2, 3, 8, 13, 16, 27, 31, 32, 33]) {
      const bits = seed++;
      const side = sidesOf(m * n < 4000 ? 3 : 1, bits);
      const kind = check(`${m}x${n}x${k}, ${bits}`, {
        dtype: dtypes[bits % 4 === 0 ? 1 : 0],
        a: side(1, m, k),
        b: side(2, k, n),
        c: side(4, m, n),
        accumulate: bits % 5 < 2,
        relaxed: bits % 7 < 4,
      }, seed);
      if (kind === "short") short++;
    }
  }
  assert(short > 30, `only ${short} of the products are short`);
});

Deno.test("gemm: many rows times a few columns", () => {
  let seed = 0;
  let thin = 0;
  for (let n = 2; n <= 13; n++) {
    for (const [m, k] of [[16, 128], [23, 131], [40, 193], [61, 1001], [7, 130], [97, 8003]]) {
      const bits = seed++;
      const side = sidesOf(2, bits);
      // The same product, and its transpose.
      const [rows, columns] = seed % 3 > 0 ? [m, n] : [n, m];
      const gaps = side(1, k, columns);
      const kind = check(`${rows}x${columns}x${k}, ${bits}`, {
        dtype: dtypes[bits % 4 === 0 ? 1 : 0],
        a: seed % 3 > 0 ? dense(2, rows, k) : side(4, rows, k),
        b: seed % 3 > 0 ? gaps : transposed(2, k, columns),
        c: side(2, rows, columns),
        accumulate: bits % 5 < 2,
        relaxed: bits % 7 < 4,
      }, seed);
      if (kind === "thin") thin++;
    }
  }
  assert(thin > 20, `only ${thin} of the products are thin`);
});

Deno.test("gemm: every storage order of both sides and of the result", () => {
  for (const [m, n, k] of [[37, 53, 41], [64, 48, 300], [6, 300, 64], [130, 10, 700]]) {
    for (const dtype of dtypes) {
      for (let bits = 0; bits < 8; bits++) {
        const side = (flag: number, rows: number, columns: number) =>
          (bits & flag) !== 0 ? transposed(1, rows, columns) : dense(1, rows, columns);
        check(`${dtype} ${m}x${n}x${k}, ${bits}`, {
          dtype,
          a: side(1, m, k),
          b: side(2, k, n),
          c: side(4, m, n),
          accumulate: (bits & 1) !== 0,
          relaxed: (bits & 2) === 0,
        });
      }
    }
  }
});

Deno.test("gemm: several blocks of rows, columns and k", () => {
  for (const dtype of dtypes) {
    for (const [m, n, k] of [[300, 550, 650], [517, 33, 1283], [3, 5, 5000], [1, 1, 40000]]) {
      check(`${dtype} ${m}x${n}x${k}`, {
        dtype,
        a: dense(1, m, k),
        b: dense(1, k, n),
        c: dense(1, m, n),
      });
      check(`${dtype} ${m}x${n}x${k} by dots`, {
        dtype,
        a: dense(1, m, k),
        b: transposed(1, k, n),
        c: dense(1, m, n),
        accumulate: true,
      });
    }
  }
});

Deno.test("gemm: a few rows times a large matrix", () => {
  let seed = 0;
  const kinds = new Set<string>();
  for (
    const [m, n, k] of [
      [1, 4099, 37],
      [1, 2050, 513],
      [2, 1027, 64],
      [3, 601, 90],
      [1, 64, 5000],
      [5, 1003, 331],
      [17, 2049, 100],
      [8, 700, 1300],
      [4, 2050, 260],
      [6, 1029, 144],
      [7, 1024, 1600],
      [9, 260, 300],
      [14, 1027, 150],
      [16, 512, 264],
    ]
  ) {
    for (let bits = 0; bits < 8; bits++) {
      const side = (flag: number, rows: number, columns: number) =>
        (bits & flag) !== 0 ? transposed(batch, rows, columns) : dense(batch, rows, columns);
      const batch = seed % 3 === 0 ? 2 : 1;
      // The same product, and its transpose.
      const [rows, columns] = (bits & 1) !== 0 ? [m, n] : [n, m];
      kinds.add(check(`${rows}x${columns}x${k}, ${bits}`, {
        dtype: dtypes[seed % 2],
        a: side(1, rows, k),
        b: side(2, k, columns),
        c: side(4, rows, columns),
        accumulate: seed % 5 < 2,
        relaxed: seed % 7 < 4,
      }, seed++));
    }
  }
  assertEquals([...kinds].sort(), [
    "dot",
    "outer",
    "outer, A direct",
    "outer, B whole",
    "strip",
    "thin",
  ]);
});

Deno.test("gemm: random sizes, batches and strides", () => {
  const random = randomNumbers(7);
  const integer = (low: number, high: number) =>
    Math.floor(low + (random() + 1) / 2 * (high - low + 1));
  for (let round = 0; round < 150; round++) {
    const [batch, m, n, k] = [integer(1, 5), integer(1, 70), integer(1, 70), integer(1, 90)];
    /** A view with gaps, possibly transposed, and possibly the same for all of the batch or of an axis. */
    const view = (rows: number, columns: number, output: boolean): MatrixView => {
      const gap = integer(0, 2) === 0 ? integer(2, 3) : 1;
      const order = integer(0, 1);
      const [inner, outer] = order === 0 ? [columns, rows] : [rows, columns];
      const pitch = inner * gap + integer(0, 3);
      const strides = order === 0 ? [pitch, gap] : [gap, pitch];
      const shared = !output && integer(0, 3) === 0;
      if (!output && integer(0, 7) === 0) strides[integer(0, 1)] = 0;
      return {
        length: batch * outer * pitch,
        batch: axis(batch, shared ? 0 : outer * pitch),
        rows: axis(rows, strides[0]),
        columns: axis(columns, strides[1]),
      };
    };
    check(`round ${round}`, {
      dtype: dtypes[integer(0, 1)],
      a: view(m, k, false),
      b: view(k, n, false),
      c: view(m, n, true),
      accumulate: integer(0, 1) === 0,
      relaxed: integer(0, 1) === 0,
    }, round);
  }
});

/** The patches of padded images [images, channels, height, width]: rows are (channel, y, x) of the kernel. */
function patches(
  images: number,
  channels: number,
  height: number,
  width: number,
  kernel: number,
  stride: number,
): MatrixView {
  const rowsOut = Math.floor((height - kernel) / stride) + 1;
  const columnsOut = Math.floor((width - kernel) / stride) + 1;
  return {
    length: images * channels * height * width,
    batch: axis(1, 0),
    rows: { dims: [channels, kernel, kernel], strides: [height * width, width, 1] },
    columns: {
      dims: [images, rowsOut, columnsOut],
      strides: [channels * height * width, width * stride, stride],
    },
  };
}

Deno.test("gemm: convolutions read overlapping patches", () => {
  for (const dtype of dtypes) {
    for (
      const [size, kernel, stride] of [[10, 3, 1], [12, 3, 1], [9, 2, 2], [7, 3, 2], [6, 5, 1]]
    ) {
      for (const outputs of [1, 4, 13, 32]) {
        const images = 3;
        const channels = 5;
        const b = patches(images, channels, size, size, kernel, stride);
        const spots = Math.floor((size - kernel) / stride) + 1;
        const depth = channels * kernel * kernel;
        check(`${dtype} convolution ${size} ${kernel} ${stride} ${outputs}`, {
          dtype,
          a: dense(1, outputs, depth),
          b,
          c: {
            length: images * outputs * spots * spots,
            batch: axis(1, 0),
            rows: axis(outputs, spots * spots),
            columns: { dims: [images, spots * spots], strides: [outputs * spots * spots, 1] },
          },
        });
        // The filter's gradient for each image: the depth of the sum is the position.
        check(`${dtype} filter gradient ${size} ${kernel} ${stride} ${outputs}`, {
          dtype,
          a: {
            length: images * outputs * spots * spots,
            batch: axis(images, outputs * spots * spots),
            rows: axis(outputs, spots * spots),
            columns: axis(spots * spots, 1),
          },
          b: {
            length: b.length,
            batch: axis(images, channels * size * size),
            rows: { dims: [spots, spots], strides: [size * stride, stride] },
            columns: b.rows,
          },
          c: dense(images, outputs, depth),
        });
      }
    }
  }
});

Deno.test("gemm: vectors of patches go on from one row of an image to the next", () => {
  const [images, channels] = [3, 5];
  for (const [spots, stride] of [[10, 1], [6, 1], [26, 1], [10, 2], [6, 2], [14, 2], [2, 2]]) {
    for (const outputs of [20, 32]) {
      for (const accumulate of [false, true]) {
        const size = (spots - 1) * stride + 3;
        const product: Product = {
          dtype: "float32",
          a: dense(1, outputs, channels * 9),
          b: patches(images, channels, size, size, 3, stride),
          c: {
            length: images * outputs * spots * spots,
            batch: axis(1, 0),
            rows: axis(outputs, spots * spots),
            columns: { dims: [images, spots * spots], strides: [outputs * spots * spots, 1] },
          },
          accumulate,
        };
        check(`${spots} by ${stride}, ${outputs}`, product);
        const { plan } = prepare(product).kernel;
        const expected = stride === 2 ? "spacedPairs" : "pairs";
        assertEquals("packB" in plan && plan.packB, expected, `${spots} by ${stride}`);
      }
    }
  }
});

Deno.test("gemm: convolutions with few multiplications", () => {
  let seed = 0;
  for (
    const [images, channels, outputs, height, width] of [
      [1, 8, 8, 12, 12],
      [3, 8, 13, 13, 11],
      [2, 17, 32, 16, 20],
      [5, 9, 21, 7, 8],
      [2, 48, 40, 29, 30],
      [2, 33, 8, 10, 14],
      [35, 8, 9, 4, 4],
      // Filters in several blocks, which tasks share or own; bands of a single row.
      [2, 48, 250, 11, 13],
      [3, 8, 1700, 10, 8],
      [1, 200, 50, 24, 62],
      [1, 200, 50, 11, 34],
      // Few channels: fewer multiplications down the columns alone.
      [2, 2, 3, 9, 8],
      [3, 3, 32, 30, 30],
      [1, 4, 5, 2, 64],
      [20, 5, 16, 3, 4],
      [2, 7, 90, 12, 13],
      [1, 2, 9, 40, 29],
      [1, 32, 4, 25, 47],
      [2, 3, 8, 5, 223],
    ]
  ) {
    const few = Math.min(channels, outputs) < 8 || Math.max(channels, outputs) === 8;
    for (const relaxed of [true, false]) {
      // Images with rows and planes that are longer than needed, and outputs within a larger buffer.
      const [rowPitch, outputPitch] = [width + 2 + seed % 3, width + seed % 2 * 4];
      const plane = rowPitch * (height + 2);
      const outputPlane = outputPitch * height;
      const flipped = seed % 3 === 1;
      const kind = check(`${images} x ${channels} -> ${outputs}, ${height} x ${width}`, {
        dtype: "float32",
        // A flipped filter, as in the gradient of the input.
        a: flipped
          ? { ...dense(1, outputs, 9 * channels), start: 8, columns: taps(channels, [9, -3, -1]) }
          : { ...dense(1, outputs, 9 * channels), columns: taps(channels, [9, 3, 1]) },
        b: {
          length: images * channels * plane,
          batch: axis(1, 0),
          rows: taps(channels, [plane, rowPitch, 1]),
          columns: {
            dims: [images, height, width],
            strides: [channels * plane, rowPitch, 1],
          },
        },
        c: {
          length: images * outputs * outputPlane,
          batch: axis(1, 0),
          rows: axis(outputs, outputPlane),
          columns: {
            dims: [images, height, width],
            strides: [outputs * outputPlane, outputPitch, 1],
          },
        },
        window: {
          of: "output",
          images,
          channels,
          height,
          width,
          rowBytes: 4 * rowPitch,
          outputRowBytes: 4 * outputPitch,
        },
        relaxed,
      }, seed++);
      assertEquals(kind, few ? "winogradColumns" : "winograd");
    }
  }
});

Deno.test("gemm: filter gradients with few multiplications", () => {
  let seed = 0;
  for (
    const [images, channels, outputs, height, width] of [
      [1, 8, 8, 8, 8],
      [3, 16, 13, 11, 10],
      [2, 40, 67, 9, 16],
      [2, 72, 9, 30, 13],
      [1, 24, 62, 17, 31],
      [4, 8, 11, 16, 4],
      [1, 8, 70, 5, 200],
    ]
  ) {
    for (const relaxed of [true, false]) {
      const [rowPitch, cotangentPitch] = [width + 2 + seed % 3, width + seed % 2 * 4];
      const plane = rowPitch * (height + 2);
      const cotangentPlane = cotangentPitch * height;
      const kind = check(`${images} x ${channels}, ${outputs}, ${height} x ${width}`, {
        dtype: "float32",
        a: {
          length: images * outputs * cotangentPlane,
          batch: axis(images, outputs * cotangentPlane),
          rows: axis(outputs, cotangentPlane),
          columns: { dims: [height, width], strides: [cotangentPitch, 1] },
        },
        b: {
          length: images * channels * plane,
          batch: axis(images, channels * plane),
          rows: { dims: [height, width], strides: [rowPitch, 1] },
          columns: taps(channels, [plane, rowPitch, 1]),
        },
        c: {
          ...dense(images, outputs, 9 * channels),
          columns: taps(channels, seed % 3 === 0 ? [9, 3, 1] : [1, 3 * channels, channels]),
        },
        window: {
          of: "filter",
          images: 1,
          channels,
          height,
          width,
          rowBytes: 4 * rowPitch,
          outputRowBytes: 4 * cotangentPitch,
        },
        relaxed,
      }, seed++);
      assertEquals(kind, "winogradGradient");
    }
  }
});

/** The axis of a convolution's sum: channels, and the rows and columns of a 3 × 3 window. */
function taps(channels: number, strides: readonly number[]): AxisView {
  return { dims: [channels, 3, 3], strides };
}

Deno.test("gemm: depthwise convolutions", () => {
  let seed = 0;
  for (
    const [images, channels, height, width] of [
      [1, 1, 8, 8],
      [3, 5, 9, 28],
      [2, 7, 11, 26],
      [1, 2, 40, 65],
      [2, 3, 5, 11],
    ]
  ) {
    for (const dtype of dtypes) {
      for (const relaxed of [true, false]) {
        const rowPitch = width + 2;
        const plane = rowPitch * (height + 2);
        const kind = check(`${dtype} ${images} x ${channels}, ${height} x ${width}`, {
          dtype,
          a: { ...dense(channels, 1, 9), rows: axis(1, 0) },
          b: {
            length: images * channels * plane,
            batch: axis(channels, plane),
            rows: { dims: [3, 3], strides: [rowPitch, 1] },
            columns: {
              dims: [images, height, width],
              strides: [channels * plane, rowPitch, 1],
            },
          },
          c: {
            length: images * channels * height * width,
            batch: axis(channels, height * width),
            rows: axis(1, 0),
            columns: {
              dims: [images, height * width],
              strides: [channels * height * width, 1],
            },
          },
          relaxed,
        }, seed++);
        assertEquals(kind, "taps");
      }
    }
  }
});

Deno.test("gemm: views that run backward", () => {
  check("flipped", {
    dtype: "float32",
    a: { ...dense(1, 20, 30), start: 599, rows: axis(20, -30), columns: axis(30, -1) },
    b: { ...dense(1, 30, 25), start: 24, columns: axis(25, -1) },
    c: { ...dense(1, 20, 25), start: 19 * 25, rows: axis(20, -25) },
  });
});

Deno.test("gemm: padding never meets infinities", () => {
  const product: Product = {
    dtype: "float32",
    a: dense(1, 7, 13),
    b: dense(1, 13, 9),
    c: dense(1, 7, 9),
  };
  const prepared = prepare(product);
  prepared.a.fill(1);
  prepared.b.fill(2);
  prepared.a[3 * 13 + 12] = Infinity;
  prepared.run();
  for (let i = 0; i < 63; i++) {
    assertEquals(prepared.c[i], Math.floor(i / 9) === 3 ? Infinity : 26);
  }
});

Deno.test("gemm: memory may be shared", () => {
  const product: Product = {
    dtype: "float32",
    a: dense(1, 20, 20),
    b: dense(1, 20, 20),
    c: dense(1, 20, 20),
  };
  const prepared = prepare(product, true);
  prepared.a.forEach((_, i) => prepared.a[i] = i % 21 === 0 ? 2 : 0);
  prepared.b.forEach((_, i) => prepared.b[i] = i);
  prepared.run();
  assert(prepared.c.buffer instanceof SharedArrayBuffer);
  assertEquals([...prepared.c], Array.from({ length: 400 }, (_, i) => 2 * i));
});

Deno.test("gemm: long sums keep their digits", () => {
  const k = 2 ** 18;
  for (const b of [dense(1, k, 6), transposed(1, k, 6)]) {
    for (const relaxed of [true, false]) {
      const product: Product = {
        dtype: "float32",
        a: dense(1, 6, k),
        b,
        c: dense(1, 6, 6),
        relaxed,
      };
      const prepared = prepare(product);
      const random = randomNumbers(3);
      for (const array of [prepared.a, prepared.b]) {
        // All positive: the sums grow steadily, and naive float32 sums lose digits.
        for (let i = 0; i < array.length; i++) array[i] = (random() + 1) / 2;
      }
      const { value } = referenceProduct(product, prepared.a, prepared.b, prepared.c);
      prepared.run();
      let worst = 0;
      value.forEach((x, i) => {
        worst = Math.max(worst, Math.abs(prepared.c[i] - x) / x);
      });
      // A float32 product by numpy is off by 9e-7 here, by PyTorch by 1.6e-6.
      assert(worst < 2e-7, `relative error ${worst}`);
    }
  }
});

Deno.test("gemm: sums of a block are sums of shorter ones", () => {
  // The first fits one block of an outer plan, the second a strip plan, the third a dot plan.
  for (
    const [m, n, k, b] of [
      [48, 64, 300, dense(1, 300, 64)],
      [2, 512, 2000, dense(1, 2000, 512)],
      [6, 6, 4000, transposed(1, 4000, 6)],
    ] as const
  ) {
    for (const relaxed of [true, false]) {
      const product: Product = {
        dtype: "float32",
        a: dense(1, m, k),
        b,
        c: dense(1, m, n),
        relaxed,
      };
      const prepared = prepare(product);
      const random = randomNumbers(5);
      for (const array of [prepared.a, prepared.b]) {
        for (let i = 0; i < array.length; i++) array[i] = (random() + 1) / 2;
      }
      const { value } = referenceProduct(product, prepared.a, prepared.b, prepared.c);
      prepared.run();
      let squares = 0;
      value.forEach((x, i) => squares += ((prepared.c[i] - x) / x) ** 2);
      const error = Math.sqrt(squares / value.length);
      assert(error < 1.5e-7, `relative error ${error} of ${m} x ${n} x ${k}`);
    }
  }
});

Deno.test("gemm: equal shapes share their code, and sizes are checked", () => {
  const module = new ModuleBuilder();
  module.importMemory("env", "memory", 1, 1, false);
  const cache = new GemmCache();
  const contiguous = { rows: { run: 1 }, columns: { run: 64 } };
  const shape = {
    dtype: "float32",
    batch: 1,
    m: 64,
    n: 64,
    k: 64,
    a: contiguous,
    b: contiguous,
    c: contiguous,
    accumulate: false,
    relaxed: true,
  } as const;
  const kernel = emitGemm(module, shape, cache);
  assertEquals(emitGemm(module, { ...shape }, cache) === kernel, true);
  assertThrows(() => emitGemm(module, { ...shape, k: 0 }, cache), RangeError, "k is 0");
});

Deno.test("gemm: axes of several dimensions", () => {
  assertEquals([...offsetTable([2, 3], [10, 1], 4)], [0, 4, 8, 40, 44, 48]);
  assertEquals([...offsetTable([], [], 4)], [0]);
  assertEquals(axisLayout([2, 3], [3, 1]).run, 6);
  assertEquals(axisLayout([2, 28, 28], [900, 30, 1]).run, 28);
  assertEquals(axisLayout([4, 1], [1, 77]).run, 4);
  assertEquals(axisLayout([5], [2]).run, 1);
  assertEquals(axisLayout([2, 14, 6], [900, 60, 2]).pairs, 2);
  assertEquals(axisLayout([2, 14, 6], [900, 30, 1]).pairs, 1);
  assertEquals(axisLayout([2, 14, 7], [900, 60, 2]).pairs, undefined);
  // Addresses do not rise.
  assertEquals(axisLayout([2, 6], [3, 2]).pairs, undefined);
  assertEquals(axisLayout([2, 6], [0, 1]).pairs, undefined);
  const { panels, small, extra } = balancedSplit(32, 6);
  assertEquals([panels, small, extra], [6, 5, 2]);
});
