/// <reference lib="dom" />
/**
 * Eigenvalues from the largest to the smallest, on a logarithmic axis.
 *
 * @module
 */

import { formatNumber } from "./colors.ts";
import { element } from "./elements.ts";

const [width, height] = [320, 320];
const margin = { left: 46, right: 12, top: 12, bottom: 34 };
/** Single precision: eigenvalues below so much of the largest, times the rows, are rounding. */
const unit = 2 ** -24;

type Attributes = Readonly<Record<string, string | number>>;

function svg(name: string, attributes: Attributes, text?: string): SVGElement {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
  if (text !== undefined) node.textContent = text;
  return node;
}

/** Takes the spectrum away. */
export function clearSpectrum(note = ""): void {
  element("spectrum", HTMLElement).replaceChildren();
  element("spectrum", HTMLElement).setAttribute("aria-label", "Eigenvalues: none yet");
  element("spectrum-note", HTMLElement).textContent = note;
}

/** Shows eigenvalues, the largest first. */
export function showSpectrum(eigenvalues: Float64Array): void {
  const count = eigenvalues.length;
  const largest = eigenvalues[0];
  const smallest = eigenvalues[count - 1];
  if (!(largest > 0)) {
    clearSpectrum(
      largest === 0 ? "The kernel is zero." : "The kernel has entries that are not finite.",
    );
    return;
  }
  const floor = largest * count * unit;
  const above = eigenvalues.filter((value) => value > floor).length;
  const top = Math.ceil(Math.log10(largest));
  const bottom = Math.max(
    Math.floor(Math.log10(floor)),
    Math.min(top - 1, Math.floor(Math.log10(Math.max(eigenvalues[above - 1], floor)))),
  );
  const below = above < count;
  const x = (i: number): number =>
    margin.left + (count === 1 ? 0.5 : i / (count - 1)) * (width - margin.left - margin.right);
  const end = height - margin.bottom - (below ? 16 : 0);
  const y = (value: number): number =>
    margin.top + (top - Math.log10(value)) / (top - bottom) * (end - margin.top);
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
  const step = Math.max(1, Math.ceil((top - bottom) / 7));
  for (let power = top; power >= bottom; power -= step) {
    const at = y(10 ** power);
    picture.append(
      svg("line", { x1: margin.left, x2: width - margin.right, y1: at, y2: at }),
      svg("text", { x: margin.left - 6, y: at + 4, "text-anchor": "end" }, `1e${power}`),
    );
  }
  const radius = Math.max(1.2, Math.min(4, 90 / count));
  eigenvalues.forEach((value, i) => {
    const seen = value > floor;
    const dot = svg("circle", {
      cx: x(i),
      cy: seen ? y(value) : height - margin.bottom - 4,
      r: radius,
      class: seen ? "" : "below",
    });
    dot.append(svg("title", {}, `eigenvalue ${i + 1}: ${formatNumber(value)}`));
    picture.append(dot);
  });
  const middle = (margin.left + width - margin.right) / 2;
  picture.append(
    svg("text", { x: x(0), y: height - 16, "text-anchor": "middle" }, "1"),
    svg("text", { x: x(count - 1), y: height - 16, "text-anchor": "end" }, String(count)),
    svg("text", { x: middle, y: height - 4, "text-anchor": "middle" }, "rank"),
  );
  const holder = element("spectrum", HTMLElement);
  holder.replaceChildren(picture);
  const words = `${count} eigenvalues from ${formatNumber(largest)} down to ${
    formatNumber(smallest)
  }`;
  holder.setAttribute("aria-label", words);
  const lost = count - above;
  element("spectrum-note", HTMLElement).textContent = lost === 0
    ? `${words}; condition number ${formatNumber(largest / smallest)}.`
    : `${words}; ${lost} of them ${
      lost === 1 ? "is" : "are"
    } below what single precision tells from zero (hollow).`;
}
