/**
 * Convolutions with 3 × 3 windows and stride 1 by the minimal filtering algorithm F(2 × 2, 3 × 3) of S. Winograd, as A. Lavin
 * and S. Gray use it in "Fast Algorithms for Convolutional Neural Networks" (2016): a tile of 2 × 2 outputs takes 16
 * multiplications a channel instead of 36.
 *
 * Filters are transformed once, U = G g Gᵀ. Then, for a band of each image that fits into the second-level cache: inputs
 * are transformed, V = Bᵀ d B, sixteen matrix products M = U V follow, one for each place in a tile, and outputs are
 * transformed back, Aᵀ M A. A vector holds four tiles, two by two, which is 4 × 4 outputs; where the size is no multiple of
 * four, the last tiles overlap those before. Of many filters, a block that the second-level cache holds meets all bands before
 * the next.
 *
 * Sums are as exact as those of a matrix product over patches, or better, since their chains are shorter by a factor of nine.
 * But an infinite input makes the outputs near it NaN.
 */
import type { FunctionBuilder, FunctionReference, Local, ModuleBuilder } from "./assembler.ts";
import { emitPanelStart, emitSizes } from "./gemm_context.ts";
import { gemmDescriptor } from "./gemm_descriptor.ts";
import {
  emitFor,
  emitIncrement,
  type FunctionCache,
  type Numeric,
  numericOf,
} from "./gemm_numeric.ts";
import type { GemmShape } from "./gemm_shape.ts";
import { inputTransform, outputTransform } from "./winograd_transforms.ts";
import { filterGradientPhase } from "./winograd_gradient.ts";
import {
  planWinograd,
  planWinogradColumns,
  planWinogradGradient,
  type WinogradColumnsPlan,
  type WinogradGradientPlan,
  type WinogradPlan,
} from "./winograd_plan.ts";
import { emitWinogradColumns } from "./winograd_columns.ts";
import { emitFilters, type FilterLayout, filterPhase } from "./winograd_filters.ts";
import { emitPanelProducts } from "./winograd_products.ts";

/** The function (source, table, destination) that transforms one filter: nine elements, through their offsets. */
function filterTransform(
  module: ModuleBuilder,
  cache: FunctionCache,
  stride: number,
): FunctionReference {
  return cache.get(module, `winograd filter by ${stride}`, ["i32", "i32", "i32"], (f) => {
    const [source, table, destination] = [0, 1, 2].map((i) => f.parameter(i));
    const taps = f.locals("f32", 9);
    const rows = Array.from({ length: 4 }, () => f.locals("f32", 3));
    taps.forEach((tap, i) => {
      f.get(source).get(table).load("i32.load", 4 * i).op("i32.add").load("f32.load").set(tap);
    });
    /** G times a column: (a, (a + c + b) / 2, (a + c − b) / 2, c). */
    const multiply = (
      a: Local,
      b: Local,
      c: Local,
      to: readonly ((push: () => void) => void)[],
    ) => {
      const half = (op: "f32.add" | "f32.sub") => () => {
        f.get(a).get(c).op("f32.add").get(b).op(op).f32(0.5).op("f32.mul");
      };
      to[0](() => f.get(a));
      to[1](half("f32.add"));
      to[2](half("f32.sub"));
      to[3](() => f.get(c));
    };
    for (let x = 0; x < 3; x++) {
      multiply(
        taps[x],
        taps[3 + x],
        taps[6 + x],
        rows.map((row) => (push) => {
          push();
          f.set(row[x]);
        }),
      );
    }
    rows.forEach(([a, b, c], i) => {
      multiply(
        a,
        b,
        c,
        [0, 1, 2, 3].map((j) => (push) => {
          f.get(destination);
          push();
          f.store("f32.store", (4 * i + j) * stride);
        }),
      );
    });
  });
}

/** How filters are transformed. U: [16][panel][channel][row]. */
function filterLayout(
  module: ModuleBuilder,
  cache: FunctionCache,
  { channels, rows, filterBytes }: WinogradPlan,
): FilterLayout {
  const transform = filterTransform(module, cache, filterBytes);
  return { channels, rows, taps: 1, step: 1, transform: () => transform };
}

/** Emits a loop over the groups of a band, given the address of each group's place in `position`. */
function emitGroups(
  f: FunctionBuilder,
  plan: WinogradPlan,
  locals: { image: Local; begin: Local; end: Local; table: Local; vector: Local; offset: Local },
  body: () => void,
): void {
  const { height, width, groupColumns } = plan;
  const { image, begin, end, table, vector, offset } = locals;
  const [groupRow, groupColumn, row, column] = f.locals("i32", 4);
  /** Sets a local to the first output of a group: the last group ends where the outputs end. */
  const start = (group: Local, size: number, to: Local) => {
    f.get(group).i32(4).op("i32.mul").tee(to).i32(size - 4);
    f.get(to).i32(size - 4).op("i32.lt_s").select().set(to);
  };
  f.i32(0).set(vector);
  emitFor(f, groupRow, () => f.get(begin), () => f.get(end), () => {
    start(groupRow, height, row);
    emitFor(f, groupColumn, () => f.i32(0), () => f.i32(groupColumns), () => {
      start(groupColumn, width, column);
      f.get(image).i32(height).op("i32.mul").get(row).op("i32.add").i32(width).op("i32.mul");
      f.get(column).op("i32.add").i32(2).op("i32.shl").get(table).op("i32.add");
      f.load("i32.load").set(offset);
      body();
      emitIncrement(f, vector, 1);
    });
  });
}

/** Emits the sixteen products of a band with a block of filters: M = U V, panel by panel. */
function emitProducts(
  f: FunctionBuilder,
  module: ModuleBuilder,
  cache: FunctionCache,
  numeric: Numeric,
  plan: WinogradPlan,
  places: Record<"filters" | "begin" | "end" | "inputs" | "outputs" | "vectors", Local>,
): void {
  const { channels, rows } = plan;
  const [place, column, columns, left, right, filters, inputs, tile, panels] = f.locals(
    "i32",
    9,
  );
  f.get(places.vectors).i32(1).op("i32.add").i32(1).op("i32.shr_u").set(columns);
  f.get(places.filters).set(filters);
  f.get(places.inputs).set(inputs);
  f.get(places.outputs).set(panels);
  emitFor(f, place, () => f.i32(0), () => f.i32(16), () => {
    f.get(inputs).set(right);
    emitFor(f, column, () => f.i32(0), () => f.get(columns), () => {
      f.get(filters).set(left);
      f.get(column).i32(32 * plan.blockRows).op("i32.mul").get(panels).op("i32.add").set(tile);
      emitSizes(f, rows, places.begin, places.end, (size, count) => {
        const products = { count, left, tile, right, depth: channels, mostTerms: channels };
        emitPanelProducts(f, module, cache, numeric, size, products);
      });
      emitIncrement(f, right, 32 * channels);
    });
    emitIncrement(f, filters, plan.filterBytes);
    emitIncrement(f, inputs, plan.inputBytes);
    emitIncrement(f, panels, plan.outputBytes);
  });
}

/** The phase that computes a band of an image with a block of filters, or all bands with a block, in each task. */
function bandPhase(
  module: ModuleBuilder,
  cache: FunctionCache,
  name: string,
  shape: GemmShape,
  plan: WinogradPlan,
): FunctionReference {
  const numeric = numericOf(shape.dtype, shape.relaxed);
  const { bands, groupRows, groupsInBand, channels, rows, rowBlocks, blockRows } = plan;
  const input = inputTransform(module, cache, { rowBytes: plan.rowBytes, stride: plan.inputBytes });
  const output = outputTransform(module, cache, {
    rowBytes: plan.outputRowBytes,
    stride: plan.outputBytes,
  });
  return module.addFunction(name, ["i32", "i32", "i32", "i32"], [], (f) => {
    const [descriptor, scratch] = [f.parameter(0), f.parameter(1)];
    const [task, block, unit, unitEnd, image, begin, end, table, vector, offset, base] = f.locals(
      "i32",
      11,
    );
    const [filters, products, panelBegin, panelEnd, rowBegin, rowEnd] = f.locals("i32", 6);
    const entry = (index: number) => f.get(descriptor).load("i32.load", 4 * index);
    const groups = { image, begin, end, table, vector, offset };
    /** Pushes where the present vector stands in panels of so many rows. */
    const slot = (size: number) => {
      f.get(vector).i32(1).op("i32.shr_u").i32(32 * size).op("i32.mul");
      f.get(vector).i32(1).op("i32.and").i32(4).op("i32.shl").op("i32.add");
    };
    const units = plan.images * bands;
    const panelAt = (plus: number, to: Local) => {
      f.get(block).i32(plus).op("i32.add").i32(rows.panels).op("i32.mul");
      f.i32(rowBlocks).op("i32.div_u").set(to);
    };
    f.get(scratch).i32(16 * plan.inputBytes).op("i32.add").set(products);
    emitFor(f, task, () => f.get(f.parameter(2)), () => f.get(f.parameter(3)), () => {
      f.get(task).i32(plan.ownFilters ? 1 : units).op("i32.div_u").set(block);
      panelAt(0, panelBegin);
      panelAt(1, panelEnd);
      emitPanelStart(f, rows, panelBegin, rowBegin);
      emitPanelStart(f, rows, panelEnd, rowEnd);
      if (plan.ownFilters) {
        f.get(products).i32(16 * plan.outputBytes).op("i32.add").set(filters);
        emitFilters(f, filterLayout(module, cache, plan), {
          descriptor,
          begin: panelBegin,
          end: panelEnd,
          destination: filters,
        });
        f.i32(0).set(unit);
        f.i32(units).set(unitEnd);
      } else {
        entry(gemmDescriptor.workspace);
        f.get(rowBegin).i32(4 * channels).op("i32.mul").op("i32.add").set(filters);
        f.get(task).i32(units).op("i32.rem_u").tee(unit).i32(1).op("i32.add").set(unitEnd);
      }
      f.loop((next) => {
        f.get(unit).i32(bands).op("i32.div_u").set(image);
        f.get(unit).i32(bands).op("i32.rem_u").tee(begin).i32(bands - 1).op("i32.eq").if_(
          () => f.i32(groupRows).set(end),
          () => f.get(begin).i32(1).op("i32.add").i32(groupsInBand).op("i32.mul").set(end),
        );
        f.get(begin).i32(groupsInBand).op("i32.mul").set(begin);
        entry(gemmDescriptor.bColumns);
        f.set(table);
        entry(gemmDescriptor.b);
        f.set(base);
        emitGroups(f, plan, groups, () => {
          f.get(base).get(offset).op("i32.add");
          entry(gemmDescriptor.bRows);
          f.i32(channels).get(scratch);
          slot(channels);
          f.op("i32.add").call(input);
        });
        emitProducts(f, module, cache, numeric, plan, {
          filters,
          begin: panelBegin,
          end: panelEnd,
          inputs: scratch,
          outputs: products,
          vectors: vector,
        });
        entry(gemmDescriptor.cColumns);
        f.set(table);
        entry(gemmDescriptor.c);
        f.set(base);
        emitGroups(f, plan, groups, () => {
          f.get(base).get(offset).op("i32.add");
          entry(gemmDescriptor.cRows);
          f.get(rowBegin).i32(2).op("i32.shl").op("i32.add");
          f.get(rowEnd).get(rowBegin).op("i32.sub").get(products);
          slot(blockRows);
          f.op("i32.add").call(output);
        });
        emitIncrement(f, unit, 1);
        f.get(unit).get(unitEnd).op("i32.lt_u").brIf(next);
      });
    });
  }, { export: true });
}

/** How many tasks an image is, where a convolution's tasks are images or bands of them; otherwise null. */
export function convolutionTasks(shape: GemmShape): number | null {
  const columns = planWinogradColumns(shape);
  if (columns !== null) return columns.bands.panels;
  const plan = planWinograd(shape);
  return plan === null || plan.ownFilters || plan.rowBlocks > 1 ? null : plan.bands;
}

/** The code of a convolution or of its filter gradient, or null where matrix products are faster. */
export function emitWinograd(
  module: ModuleBuilder,
  cache: FunctionCache,
  name: string,
  shape: GemmShape,
): {
  phases: { run: FunctionReference; tasks: number }[];
  scratchBytes: number;
  workspaceBytes: number;
  plan: WinogradPlan | WinogradColumnsPlan | WinogradGradientPlan;
} | null {
  const columns = planWinogradColumns(shape);
  if (columns !== null) return emitWinogradColumns(module, cache, name, shape, columns);
  const plan = planWinograd(shape);
  if (plan !== null) {
    const { ownFilters, rowBlocks, images, bands, rows } = plan;
    const phases = [{
      run: bandPhase(module, cache, name, shape, plan),
      tasks: rowBlocks * (ownFilters ? 1 : images * bands),
    }];
    if (!ownFilters) {
      phases.unshift({
        run: filterPhase(module, name, filterLayout(module, cache, plan)),
        tasks: rows.panels,
      });
    }
    return {
      phases,
      scratchBytes: 16 * (plan.inputBytes + plan.outputBytes + (ownFilters ? plan.filterBytes : 0)),
      workspaceBytes: ownFilters ? 0 : 16 * plan.filterBytes,
      plan,
    };
  }
  const gradient = planWinogradGradient(shape);
  if (gradient === null) return null;
  return {
    phases: [{
      run: filterGradientPhase(module, cache, name, shape, gradient),
      tasks: gradient.batch * gradient.rowBlocks * gradient.channelBlocks,
    }],
    scratchBytes: 16 * (gradient.inputBytes + gradient.cotangentBytes + gradient.sumBytes),
    workspaceBytes: 0,
    plan: gradient,
  };
}
