/**
 * Tables in Markdown.
 *
 * @module
 */

/** A table; the first column is text, the others are aligned to the right. */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const rule = head.map((_, i) => i === 0 ? "---" : "---:");
  return [line(head), line(rule), ...rows.map(line)].join("\n");
}

/** A number with three significant digits, never in exponential notation; a dash for none. */
export function digits(value: number | null | undefined, unit = ""): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const decimals = value === 0
    ? 0
    : Math.max(0, Math.min(6, 2 - Math.floor(Math.log10(Math.abs(value)))));
  return value.toFixed(decimals) + unit;
}

/** A ratio with two decimals. */
export function ratio(value: number | null | undefined): string {
  return value === null || value === undefined || !Number.isFinite(value) ? "–" : value.toFixed(2);
}

/** A share in percent. */
export function percent(value: number): string {
  return Number.isFinite(value) ? `${(100 * value).toFixed(0)} %` : "–";
}

/** Seconds in the unit that suits them. */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "–";
  if (seconds < 1e-3) return digits(seconds * 1e6, " µs");
  return seconds < 1 ? digits(seconds * 1e3, " ms") : digits(seconds, " s");
}
