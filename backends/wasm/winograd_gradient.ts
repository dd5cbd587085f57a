/**
 * The filter gradients of 3 × 3 convolutions with stride 1: the adjoint of F(2 × 2, 3 × 3) in its filter.
 *
 * A convolution computes Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A, so the gradient of g is Gᵀ[Σ (A y Aᵀ) ⊙ (Bᵀ d B)]G, the sum running over
 * tiles of the output's cotangent y: sixteen matrix products whose depth is the tiles, with 16 multiplications a tile instead
 * of 36. Lanes are channels here, because tiles are summed over.
 *
 * A task computes some rows (output channels) and some input channels, for one of the batch, band of tiles by band of
 * tiles. Where the size is no multiple of a tile, the last tile overlaps the one before, with zeros for what that had.
 */
import type { FunctionBuilder, FunctionReference, Local, ModuleBuilder } from "./assembler.ts";
import { emitBySize, emitPanelStart, emitSizes } from "./gemm_context.ts";
import { gemmDescriptor } from "./gemm_descriptor.ts";
import { emitFor, emitIncrement, type FunctionCache, numericOf } from "./gemm_numeric.ts";
import type { GemmShape } from "./gemm_shape.ts";
import { cotangentTransform, filterGradient, inputLanesTransform } from "./winograd_lanes.ts";
import type { WinogradGradientPlan } from "./winograd_plan.ts";
import { emitPanelProducts } from "./winograd_products.ts";

/** What the parts of one task's code share. */
interface TaskLocals {
  /** Addresses of the cotangent, the input and the result, of this task's batch and channels. */
  readonly cotangent: Local;
  readonly input: Local;
  readonly result: Local;
  /** Range of panels of rows, the first row of the first panel, and the range of input channels. */
  readonly panelBegin: Local;
  readonly panelEnd: Local;
  readonly rowBegin: Local;
  readonly channelBegin: Local;
  readonly channelEnd: Local;
  /** Range of rows of tiles, and the tiles of the present band so far. */
  readonly tileRow: Local;
  readonly bandEnd: Local;
  readonly tiles: Local;
  /** Scratch: transformed inputs, transformed cotangents, sums. */
  readonly inputs: Local;
  readonly cotangents: Local;
  readonly sums: Local;
}

/**
 * Emits a loop over the pairs of tiles of the present band. The body is given where the pair starts in the cotangent, and a
 * way to emit code for each number of rows and columns that the pair shares with the one before.
 */
function eachPair(
  f: FunctionBuilder,
  plan: WinogradGradientPlan,
  t: TaskLocals,
  body: (
    position: Local,
    byOverlap: (code: (rowOverlap: number, columnOverlap: number) => void) => void,
  ) => void,
): void {
  const { height, width, tileRows, pairs } = plan;
  const [tileRow, pair, position, column] = f.locals("i32", 4);
  const rowOverlap = 2 * tileRows - height;
  const columnOverlap = 4 * pairs - width;
  /** Emits one code where both are the same, and both where a local tells. */
  const choose = (local: Local, last: number, overlap: number, code: (overlap: number) => void) => {
    if (overlap === 0) return code(0);
    f.get(local).i32(last).op("i32.eq").if_(() => code(overlap), () => code(0));
  };
  const start = (index: Local, size: number, length: number) => {
    f.get(index).i32(size).op("i32.mul").tee(column).i32(length - size);
    f.get(column).i32(length - size).op("i32.lt_s").select();
  };
  emitFor(f, tileRow, () => f.get(t.tileRow), () => f.get(t.bandEnd), () => {
    emitFor(f, pair, () => f.i32(0), () => f.i32(pairs), () => {
      start(tileRow, 2, height);
      f.i32(width).op("i32.mul").set(position);
      start(pair, 4, width);
      f.get(position).op("i32.add").set(position);
      body(
        position,
        (code) =>
          choose(
            tileRow,
            tileRows - 1,
            rowOverlap,
            (rows) => choose(pair, pairs - 1, columnOverlap, (columns) => code(rows, columns)),
          ),
      );
      emitIncrement(f, t.tiles, 2);
    });
  });
}

/** The phase that computes filter gradients. */
export function filterGradientPhase(
  module: ModuleBuilder,
  cache: FunctionCache,
  name: string,
  shape: GemmShape,
  plan: WinogradGradientPlan,
): FunctionReference {
  return module.addFunction(name, ["i32", "i32", "i32", "i32"], [], (f) => {
    const numeric = numericOf(shape.dtype, shape.relaxed);
    const { rows, rowBlocks, channelBlocks, tileRows, rowsInBand } = plan;
    const [descriptor, scratch] = [f.parameter(0), f.parameter(1)];
    const local = () => f.local("i32");
    const t: TaskLocals = {
      cotangent: local(),
      input: local(),
      result: local(),
      panelBegin: local(),
      panelEnd: local(),
      rowBegin: local(),
      channelBegin: local(),
      channelEnd: local(),
      tileRow: local(),
      bandEnd: local(),
      tiles: local(),
      inputs: scratch,
      cotangents: local(),
      sums: local(),
    };
    const [task, rest, part, panel, row, channel, source, sum, place, left, right, first, tile] = f
      .locals("i32", 13);
    const entry = (index: number) => f.get(descriptor).load("i32.load", 4 * index);
    /** Takes the fastest remaining index of the task, and sets the range of the block that it names. */
    const take = (blocks: number, size: number, unit: number, begin: Local, end: Local) => {
      f.get(rest).i32(blocks).op("i32.rem_u").set(part);
      f.get(rest).i32(blocks).op("i32.div_u").set(rest);
      const bound = (to: Local) =>
        f.i32(size / unit).op("i32.mul").i32(blocks).op("i32.div_u").i32(unit).op("i32.mul")
          .set(to);
      f.get(part);
      bound(begin);
      f.get(part).i32(1).op("i32.add");
      bound(end);
    };
    const matrix = (base: number, batch: number, to: Local) => {
      entry(base);
      entry(batch);
      f.get(rest).i32(2).op("i32.shl").op("i32.add").load("i32.load").op("i32.add").set(to);
    };
    const eachPanel = (body: (size: number) => void) => {
      f.get(t.rowBegin).set(row);
      emitFor(f, panel, () => f.get(t.panelBegin), () => f.get(t.panelEnd), () => {
        emitBySize(f, rows, panel, (size) => {
          body(size);
          emitIncrement(f, row, size);
        });
      });
    };

    f.get(scratch).i32(16 * plan.inputBytes).op("i32.add").tee(t.cotangents);
    f.i32(16 * plan.cotangentBytes).op("i32.add").set(t.sums);
    emitFor(f, task, () => f.get(f.parameter(2)), () => f.get(f.parameter(3)), () => {
      f.get(task).set(rest);
      take(channelBlocks, plan.channels, 8, t.channelBegin, t.channelEnd);
      take(rowBlocks, rows.panels, 1, t.panelBegin, t.panelEnd);
      emitPanelStart(f, rows, t.panelBegin, t.rowBegin);
      matrix(gemmDescriptor.a, gemmDescriptor.aBatch, t.cotangent);
      matrix(gemmDescriptor.b, gemmDescriptor.bBatch, t.input);
      matrix(gemmDescriptor.c, gemmDescriptor.cBatch, t.result);
      f.i32(0).set(t.tileRow);
      f.loop((nextBand) => {
        f.get(t.tileRow).op("i32.eqz").set(first);
        f.get(t.tileRow).i32(rowsInBand).op("i32.add").tee(t.bandEnd);
        f.i32(tileRows).get(t.bandEnd).i32(tileRows).op("i32.lt_s").select().set(t.bandEnd);
        f.i32(0).set(t.tiles);
        eachPair(f, plan, t, (position, byOverlap) => {
          // Inputs: two tiles for eight channels at a time.
          entry(gemmDescriptor.bRows);
          f.get(position).i32(2).op("i32.shl").op("i32.add").load("i32.load");
          f.get(t.input).op("i32.add").set(source);
          f.get(t.tiles).i32(5).op("i32.shl").get(t.inputs).op("i32.add").set(right);
          emitFor(f, channel, () => f.get(t.channelBegin), () => f.get(t.channelEnd), () => {
            for (let half = 0; half < 2; half++) {
              f.get(source);
              entry(gemmDescriptor.bColumns);
              f.get(channel).i32(36).op("i32.mul").op("i32.add").i32(144 * half).op("i32.add");
              f.get(right).i32(16 * half).op("i32.add");
              f.call(inputLanesTransform(module, cache, {
                rowBytes: plan.rowBytes,
                stride: plan.inputBytes,
              }));
            }
            emitIncrement(f, right, plan.inputPanelBytes);
            emitIncrement(f, channel, 7);
          });
          // Cotangents: two tiles for up to four rows at a time.
          entry(gemmDescriptor.aColumns);
          f.get(position).i32(2).op("i32.shl").op("i32.add").load("i32.load");
          f.get(t.cotangent).op("i32.add").set(source);
          f.get(t.cotangents).set(left);
          byOverlap((rowOverlap, columnOverlap) =>
            eachPanel((size) => {
              for (let lane = 0; lane < size; lane += 4) {
                f.get(source);
                entry(gemmDescriptor.aRows);
                f.get(row).i32(2).op("i32.shl").op("i32.add").i32(4 * lane).op("i32.add");
                f.get(t.tiles).i32(4 * size).op("i32.mul").get(left).op("i32.add");
                f.i32(4 * lane).op("i32.add");
                f.call(cotangentTransform(module, cache, {
                  rowBytes: plan.cotangentRowBytes,
                  stride: plan.cotangentBytes,
                  lanes: Math.min(4, size - lane),
                  rows: size,
                  rowOverlap,
                  columnOverlap,
                }));
              }
              emitIncrement(f, left, 4 * size * plan.tilesInBand);
            })
          );
        });
        // Products: sums of outer products over the band's tiles.
        emitFor(f, place, () => f.i32(0), () => f.i32(16), () => {
          f.get(place).i32(plan.sumBytes).op("i32.mul").get(t.sums).op("i32.add").set(tile);
          f.get(place).i32(plan.inputBytes).op("i32.mul").get(t.inputs).op("i32.add").set(right);
          emitFor(f, channel, () => f.get(t.channelBegin), () => f.get(t.channelEnd), () => {
            f.get(place).i32(plan.cotangentBytes).op("i32.mul").get(t.cotangents).op("i32.add");
            f.set(left);
            emitSizes(f, rows, t.panelBegin, t.panelEnd, (size, count) => {
              emitPanelProducts(f, module, cache, numeric, size, {
                ...{ count, left, tile, right, empty: first },
                ...{ depth: t.tiles, mostTerms: plan.tilesInBand },
              });
            });
            emitIncrement(f, right, plan.inputPanelBytes);
            emitIncrement(f, channel, 7);
          });
        });
        f.get(t.bandEnd).tee(t.tileRow).i32(tileRows).op("i32.lt_s").brIf(nextBand);
      });
      f.get(t.sums).set(sum);
      emitFor(f, channel, () => f.get(t.channelBegin), () => f.get(t.channelEnd), () => {
        eachPanel((size) => {
          for (let i = 0; i < size; i++) {
            for (let half = 0; half < 2; half++) {
              f.get(sum).i32(32 * i + 16 * half).op("i32.add").i32(plan.sumBytes).get(t.result);
              entry(gemmDescriptor.cRows);
              f.get(row).i32(2).op("i32.shl").op("i32.add").load("i32.load", 4 * i);
              f.op("i32.add");
              entry(gemmDescriptor.cColumns);
              f.get(channel).i32(36).op("i32.mul").op("i32.add").i32(144 * half).op("i32.add");
              f.call(filterGradient(module, cache));
            }
          }
          emitIncrement(f, sum, 32 * size);
        });
        emitIncrement(f, channel, 7);
      });
    });
  }, { export: true });
}
