/**
 * Convolutions with 3 × 3 windows and stride 1 of few channels: F(2, 3) down the columns alone. Two rows of outputs take four
 * multiplications where the window's columns take six.
 *
 * F(2 × 2, 3 × 3) takes fewer, but its transforms go through memory and turn elements around, and few channels share them. Here
 * rows of inputs are added and subtracted as they stand, V = Bᵀ d, four rows for two rows of outputs; the window's three columns
 * are three places in a row of V; and outputs are finished in registers.
 *
 * A task computes a band of an image, of which the first-level cache holds V. A tile is two vectors of outputs, in two rows, of
 * some channels: where the width is no multiple of a vector, the last vector of a row overlaps the one before.
 */
import type { FunctionReference, Local, ModuleBuilder } from "./assembler.ts";
import { emitBySize, emitPanelStart, emitSizes } from "./gemm_context.ts";
import { gemmDescriptor } from "./gemm_descriptor.ts";
import {
  emitAdd,
  emitFor,
  emitIncrement,
  emitUnrolled,
  type FunctionCache,
  type Numeric,
  numericOf,
} from "./gemm_numeric.ts";
import type { GemmShape } from "./gemm_shape.ts";
import type { WinogradColumnsPlan } from "./winograd_plan.ts";
import { type FilterLayout, filterPhase } from "./winograd_filters.ts";
import { emitProductStep, productLocals } from "./winograd_products.ts";

/** Taps of a transformed filter: four rows of three. */
const taps = 12;
/**
 * The rows of V in the order in which their products are taken: with m the products, the outputs are m1 + m2 + m0 and
 * m1 − m2 + m3.
 */
const order = [1, 2, 0, 3] as const;

/** The function (source, table, destination) that transforms one filter, for a panel of some rows: U = G g. */
function filterTransform(
  module: ModuleBuilder,
  cache: FunctionCache,
  channels: number,
  rows: number,
): FunctionReference {
  const key = `winograd columns filter ${channels} for ${rows}`;
  return cache.get(module, key, ["i32", "i32", "i32"], (f) => {
    const [source, table, destination] = [0, 1, 2].map((i) => f.parameter(i));
    const column = f.locals("f32", 3);
    const [a, b, c] = column;
    for (let x = 0; x < 3; x++) {
      column.forEach((tap, y) => {
        f.get(source).get(table).load("i32.load", 4 * (3 * y + x)).op("i32.add");
        f.load("f32.load").set(tap);
      });
      order.forEach((row, place) => {
        f.get(destination);
        if (row === 0) f.get(a);
        else if (row === 3) f.get(c);
        else {
          f.get(a).get(c).op("f32.add").get(b).op(row === 1 ? "f32.add" : "f32.sub");
          f.f32(0.5).op("f32.mul");
        }
        f.store("f32.store", 4 * rows * (3 * channels * place + x));
      });
    }
  });
}

/** How filters are transformed. U: [panel][row of V][channel][column][row]. */
function filterLayout(
  module: ModuleBuilder,
  cache: FunctionCache,
  { channels, rows }: WinogradColumnsPlan,
): FilterLayout {
  const transform = (size: number) => filterTransform(module, cache, channels, size);
  return { channels, rows, taps, step: 3, transform };
}

/** The function (base, channelTable, destination) that transforms four rows of inputs of each channel. */
function inputTransform(
  module: ModuleBuilder,
  cache: FunctionCache,
  { channels, width, rowBytes, channelBytes, partBytes }: WinogradColumnsPlan,
): FunctionReference {
  const key =
    `winograd columns input ${channels} ${width} ${rowBytes} ${channelBytes} ${partBytes}`;
  return cache.get(module, key, ["i32", "i32", "i32"], (f) => {
    const [base, table, destination] = [0, 1, 2].map((i) => f.parameter(i));
    const [channel, source, target, turns] = f.locals("i32", 4);
    const rows = f.locals("v128", 4);
    const combinations = [[0, "sub", 2], [1, "add", 2], [2, "sub", 1], [3, "sub", 1]] as const;
    const step = (by: number) => {
      rows.forEach((row, y) => {
        f.get(source);
        emitAdd(f, y * rowBytes + by);
        f.load("v128.load").set(row);
      });
      order.forEach((i, place) => {
        const [a, op, b] = combinations[i];
        f.get(target).get(rows[a]).get(rows[b]).op(`f32x4.${op}`);
        f.store("v128.store", partBytes * place + by);
      });
    };
    const whole = (width + 2) >> 2;
    emitFor(f, channel, () => f.i32(0), () => f.i32(channels), () => {
      f.get(base).get(table).load("i32.load").op("i32.add").set(source);
      f.get(destination).set(target);
      f.i32(whole).set(turns);
      emitUnrolled(f, turns, 2, (u) => step(16 * u), (steps) => {
        emitIncrement(f, source, 16 * steps);
        emitIncrement(f, target, 16 * steps);
      });
      const rest = width + 2 - 4 * whole;
      if (rest > 0) {
        emitIncrement(f, source, 4 * rest - 16);
        emitIncrement(f, target, 4 * rest - 16);
        step(0);
      }
      emitIncrement(f, table, 36);
      emitIncrement(f, destination, channelBytes);
    });
  });
}

/**
 * The function (panel, panels, left, right, leftOutput, rightOutput, rowTable, spare) that computes a tile of each panel: two
 * vectors, of which `left` and `right` are the places in V, in two rows of outputs.
 */
function tileFunction(
  module: ModuleBuilder,
  cache: FunctionCache,
  numeric: Numeric,
  rows: number,
  { channels, channelBytes, partBytes, outputRowBytes }: WinogradColumnsPlan,
): FunctionReference {
  const key =
    `winograd columns tile ${rows} ${channels} ${channelBytes} ${partBytes} ${outputRowBytes}`;
  return cache.get(module, key, new Array<"i32">(8).fill("i32"), (f) => {
    const [panel, count, left, right, leftOutput, rightOutput, table, spare] = [
      ...[0, 1, 2, 3, 4, 5, 6, 7].map((i) => f.parameter(i)),
    ];
    const [turns, address] = f.locals("i32", 2);
    const sources = f.locals("i32", 2);
    const locals = productLocals(f, rows);
    const sums = locals.sums.flat();
    const before = f.local("v128");
    /** Adds the products of one of V's rows. */
    const multiply = (place: number) => {
      [left, right].forEach((start, side) => {
        f.get(start);
        emitAdd(f, partBytes * place);
        f.set(sources[side]);
      });
      f.i32(channels).set(turns);
      emitUnrolled(f, turns, 2, (u) => {
        for (let x = 0; x < 3; x++) {
          emitProductStep(f, numeric, locals, panel, 4 * rows * (3 * u + x), (side) => {
            f.get(sources[side]);
            emitAdd(f, channelBytes * u + 4 * x);
            f.load("v128.load");
          });
        }
      }, (steps) => {
        for (const source of sources) emitIncrement(f, source, channelBytes * steps);
        emitIncrement(f, panel, 12 * rows * steps);
      });
    };
    const store = (row: number) => {
      locals.sums.forEach((pair, i) => {
        f.get(table).load("i32.load", 4 * i).set(address);
        [leftOutput, rightOutput].forEach((output, side) => {
          f.get(output).get(address).op("i32.add").get(pair[side]);
          f.store("v128.store", outputRowBytes * row);
        });
      });
    };
    f.loop((next) => {
      for (const sum of sums) f.i32x4Splat(0).set(sum);
      multiply(0);
      sums.forEach((sum, i) => f.get(spare).get(sum).store("v128.store", 16 * i));
      for (const sum of sums) f.i32x4Splat(0).set(sum);
      multiply(1);
      sums.forEach((sum, i) => {
        f.get(spare).load("v128.load", 16 * i).set(before);
        f.get(spare).get(before).get(sum).op("f32x4.sub").store("v128.store", 16 * i);
        f.get(before).get(sum).op("f32x4.add").set(sum);
      });
      multiply(2);
      store(0);
      sums.forEach((sum, i) => f.get(spare).load("v128.load", 16 * i).set(sum));
      multiply(3);
      store(1);
      emitIncrement(f, table, 4 * rows);
      f.get(count).i32(1).op("i32.sub").tee(count).brIf(next);
    });
  });
}

/** The phase that computes a band of an image in each task. */
function bandPhase(
  module: ModuleBuilder,
  cache: FunctionCache,
  name: string,
  shape: GemmShape,
  plan: WinogradColumnsPlan,
): FunctionReference {
  const { height, width, channels, rows, bands, vectors, rowBlocks } = plan;
  const numeric = numericOf(shape.dtype, shape.relaxed);
  return module.addFunction(name, ["i32", "i32", "i32", "i32"], [], (f) => {
    const [descriptor, scratch] = [f.parameter(0), f.parameter(1)];
    const [task, band, image, begin, size, tileRow, position, input, row, column] = f.locals(
      "i32",
      10,
    );
    const [block, panelBegin, panelEnd, rowBegin, panel, pair, pairs, spare, table] = f.locals(
      "i32",
      9,
    );
    const vectorsAt = f.locals("i32", 2);
    const outputsAt = f.locals("i32", 2);
    const entry = (index: number) => f.get(descriptor).load("i32.load", 4 * index);
    /** Pushes the smaller of a multiple of a local and a limit. */
    const bounded = (local: Local, size: number, limit: number) => {
      f.get(local).i32(size).op("i32.mul").tee(position).i32(limit);
      f.get(position).i32(limit).op("i32.lt_s").select();
    };
    /** Pushes the index of the first output of the image's row that a row of the band begins with. */
    const outputRow = (local: Local) => {
      f.get(local).get(begin).op("i32.add").set(position);
      bounded(position, 2, height - 2);
      f.get(image).i32(height).op("i32.mul").op("i32.add").i32(width).op("i32.mul");
    };
    const blockAt = (plus: number, to: Local) => {
      f.get(block).i32(plus).op("i32.add").i32(rows.panels).op("i32.mul");
      f.i32(rowBlocks).op("i32.div_u").set(to);
    };
    f.get(scratch).i32(plan.inputBytes).op("i32.add").set(spare);
    emitFor(f, task, () => f.get(f.parameter(2)), () => f.get(f.parameter(3)), () => {
      f.get(task).i32(bands.panels).op("i32.div_u").set(image);
      f.get(task).i32(bands.panels).op("i32.rem_u").set(band);
      emitPanelStart(f, bands, band, begin);
      emitBySize(f, bands, band, (rowsOfBand) => f.i32(rowsOfBand).set(size));
      emitFor(f, tileRow, () => f.i32(0), () => f.get(size), () => {
        entry(gemmDescriptor.bColumns);
        outputRow(tileRow);
        f.i32(2).op("i32.shl").op("i32.add").load("i32.load");
        entry(gemmDescriptor.b).op("i32.add").set(input);
        f.get(input);
        entry(gemmDescriptor.bRows);
        f.get(tileRow).i32(plan.rowOfVBytes).op("i32.mul").get(scratch).op("i32.add");
        f.call(inputTransform(module, cache, plan));
      });
      f.get(size).i32(vectors).op("i32.mul").i32(1).op("i32.add").i32(1).op("i32.shr_u").set(pairs);
      emitFor(f, block, () => f.i32(0), () => f.i32(rowBlocks), () => {
        blockAt(0, panelBegin);
        blockAt(1, panelEnd);
        emitPanelStart(f, rows, panelBegin, rowBegin);
        f.i32(0).tee(row).set(column);
        emitFor(f, pair, () => f.i32(0), () => f.get(pairs), () => {
          for (const side of [0, 1]) {
            bounded(column, 4, width - 4);
            f.tee(input).i32(2).op("i32.shl");
            f.get(row).i32(plan.rowOfVBytes).op("i32.mul").op("i32.add").get(scratch);
            f.op("i32.add").set(vectorsAt[side]);
            entry(gemmDescriptor.cColumns);
            outputRow(row);
            f.get(input).op("i32.add").i32(2).op("i32.shl").op("i32.add").load("i32.load");
            entry(gemmDescriptor.c).op("i32.add").set(outputsAt[side]);
            // The last of an odd number of vectors is computed twice.
            f.get(column).i32(vectors - 1).op("i32.lt_u").if_(
              () => emitIncrement(f, column, 1),
              () => {
                f.get(row).i32(1).op("i32.add").get(size).op("i32.lt_u").if_(() => {
                  emitIncrement(f, row, 1);
                  f.i32(0).set(column);
                });
              },
            );
          }
          entry(gemmDescriptor.cRows);
          f.get(rowBegin).i32(2).op("i32.shl").op("i32.add").set(table);
          entry(gemmDescriptor.workspace);
          f.get(rowBegin).i32(4 * taps * channels).op("i32.mul").op("i32.add").set(panel);
          emitSizes(f, rows, panelBegin, panelEnd, (rowsOfPanel, count) => {
            f.get(panel).get(count);
            for (const place of [...vectorsAt, ...outputsAt]) f.get(place);
            f.get(table).get(spare);
            f.call(tileFunction(module, cache, numeric, rowsOfPanel, plan));
            f.get(count).i32(4 * rowsOfPanel).op("i32.mul").get(table).op("i32.add").set(table);
            f.get(count).i32(4 * rowsOfPanel * taps * channels).op("i32.mul").get(panel);
            f.op("i32.add").set(panel);
          });
        });
      });
    });
  }, { export: true });
}

/** The code of a convolution of few channels. */
export function emitWinogradColumns(
  module: ModuleBuilder,
  cache: FunctionCache,
  name: string,
  shape: GemmShape,
  plan: WinogradColumnsPlan,
): {
  phases: { run: FunctionReference; tasks: number }[];
  scratchBytes: number;
  workspaceBytes: number;
  plan: WinogradColumnsPlan;
} {
  return {
    phases: [
      {
        run: filterPhase(module, name, filterLayout(module, cache, plan)),
        tasks: plan.rows.panels,
      },
      { run: bandPhase(module, cache, name, shape, plan), tasks: plan.images * plan.bands.panels },
    ],
    scratchBytes: plan.inputBytes + 32 * plan.rows.largest,
    workspaceBytes: 4 * taps * plan.channels * plan.outputs,
    plan,
  };
}
