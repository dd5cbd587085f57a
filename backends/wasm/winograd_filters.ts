/** The transforms of a convolution's filters, by panels of output channels. */
import type { FunctionBuilder, FunctionReference, Local, ModuleBuilder } from "./assembler.ts";
import { emitBySize, emitPanelStart } from "./gemm_context.ts";
import { gemmDescriptor } from "./gemm_descriptor.ts";
import { emitFor, emitIncrement } from "./gemm_numeric.ts";
import type { Split } from "./gemm_shape.ts";

/** What becomes of filters. */
export interface FilterLayout {
  readonly channels: number;
  /** Output channels in panels. */
  readonly rows: Split;
  /** Elements of a transformed filter that lie in its panel, and those from one channel to the next, of each row of the panel. */
  readonly taps: number;
  readonly step: number;
  /** The function (source, table, destination) that transforms one filter, for a panel of so many rows. */
  readonly transform: (size: number) => FunctionReference;
}

/** Emits the transforms of the filters of a range of panels; `destination` is the first one's place. */
export function emitFilters(
  f: FunctionBuilder,
  { channels, rows, taps, step, transform }: FilterLayout,
  { descriptor, begin, end, destination }: Record<
    "descriptor" | "begin" | "end" | "destination",
    Local
  >,
): void {
  const [panel, row, channel, first, base, source, table, target] = f.locals("i32", 8);
  const entry = (index: number) => f.get(descriptor).load("i32.load", 4 * index);
  emitPanelStart(f, rows, begin, first);
  emitFor(f, panel, () => f.get(begin), () => f.get(end), () => {
    emitPanelStart(f, rows, panel, row);
    f.get(row).get(first).op("i32.sub").i32(4 * taps * channels).op("i32.mul");
    f.get(destination).op("i32.add").set(base);
    emitBySize(f, rows, panel, (size) => {
      for (let i = 0; i < size; i++) {
        entry(gemmDescriptor.aRows);
        f.get(row).i32(2).op("i32.shl").op("i32.add").load("i32.load", 4 * i);
        entry(gemmDescriptor.a).op("i32.add").set(source);
        entry(gemmDescriptor.aColumns).set(table);
        f.get(base).i32(4 * i).op("i32.add").set(target);
        emitFor(f, channel, () => f.i32(0), () => f.i32(channels), () => {
          f.get(source).get(table).get(target).call(transform(size));
          emitIncrement(f, table, 36);
          emitIncrement(f, target, 4 * step * size);
        });
      }
    });
  });
}

/** The phase that transforms all filters into the workspace; a task does one panel. */
export function filterPhase(
  module: ModuleBuilder,
  name: string,
  layout: FilterLayout,
): FunctionReference {
  return module.addFunction(`${name} filters`, ["i32", "i32", "i32", "i32"], [], (f) => {
    const [descriptor, begin, end] = [0, 2, 3].map((i) => f.parameter(i));
    const [row, destination] = f.locals("i32", 2);
    emitPanelStart(f, layout.rows, begin, row);
    f.get(descriptor).load("i32.load", 4 * gemmDescriptor.workspace);
    f.get(row).i32(4 * layout.taps * layout.channels).op("i32.mul").op("i32.add").set(destination);
    emitFilters(f, layout, { descriptor, begin, end, destination });
  }, { export: true });
}
