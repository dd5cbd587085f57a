/// <reference lib="dom" />
/**
 * A matrix as a heat map that is read with the pointer or the arrow keys.
 *
 * @module
 */

import { formatNumber, paint, type Scale, scaleOf } from "./colors.ts";
import { element } from "./elements.ts";

/** Where the reader is. */
export type Inspect = (row: number, column: number, value: number) => void;

/** The heat map of the page. */
export class HeatMap {
  readonly #map = element("map", HTMLElement);
  readonly #canvas = element("canvas", HTMLCanvasElement);
  readonly #cursor = element("cursor", HTMLElement);
  #values = new Float32Array(0);
  #size = 0;
  #row = 0;
  #column = 0;
  #frame = 0;

  /** Listens for readers; `inspect` is told what they look at. */
  constructor(readonly inspect: Inspect) {
    this.#map.addEventListener("pointermove", (event) => this.#point(event));
    this.#map.addEventListener("pointerdown", (event) => this.#point(event));
    this.#map.addEventListener("keydown", (event) => this.#key(event));
    this.#map.addEventListener("pointerleave", () => {
      if (document.activeElement !== this.#map) this.#cursor.hidden = true;
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  /** Shows a matrix; entries that are NaN are left out. */
  show(values: Float32Array<ArrayBuffer>, size: number): void {
    if (size !== this.#size) {
      [this.#row, this.#column] = [0, 0];
      this.#cursor.hidden = true;
      this.#canvas.width = this.#canvas.height = size;
      // Squares stay sharp where they are larger than the screen's pixels.
      this.#canvas.classList.toggle("crisp", size <= 400);
    }
    [this.#values, this.#size] = [values, size];
    element("placeholder", HTMLElement).hidden = true;
    this.draw();
  }

  /** Draws soon: parts that arrive together are drawn once. */
  draw(): void {
    if (this.#frame !== 0) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      if (this.#size > 0) this.#draw();
    });
  }

  #draw(): void {
    const dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const scale = scaleOf(this.#values, dark);
    const context = this.#canvas.getContext("2d")!;
    const image = context.createImageData(this.#size, this.#size);
    paint(this.#values, scale, image.data);
    context.putImageData(image, 0, 0);
    drawLegend(scale);
    if (!this.#cursor.hidden) this.#tell();
  }

  #point(event: PointerEvent): void {
    if (this.#size === 0) return;
    const { left, top, width, height } = this.#canvas.getBoundingClientRect();
    this.#go(
      Math.floor((event.clientY - top) / height * this.#size),
      Math.floor((event.clientX - left) / width * this.#size),
    );
  }

  #key(event: KeyboardEvent): void {
    if (this.#size === 0) return;
    const far = event.shiftKey ? 10 : 1;
    const steps: Record<string, readonly [number, number]> = {
      ArrowUp: [-far, 0],
      ArrowDown: [far, 0],
      ArrowLeft: [0, -far],
      ArrowRight: [0, far],
      Home: [0, -this.#size],
      End: [0, this.#size],
      PageUp: [-this.#size, 0],
      PageDown: [this.#size, 0],
    };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    // The first key shows where the cursor is.
    if (this.#cursor.hidden) this.#go(this.#row, this.#column);
    else this.#go(this.#row + step[0], this.#column + step[1]);
  }

  #go(row: number, column: number): void {
    const inside = (at: number): number => Math.max(0, Math.min(this.#size - 1, at));
    [this.#row, this.#column] = [inside(row), inside(column)];
    this.#cursor.hidden = false;
    this.#tell();
  }

  #tell(): void {
    const share = (at: number): string => `${100 * at / this.#size}%`;
    Object.assign(this.#cursor.style, {
      left: share(this.#column),
      top: share(this.#row),
      width: share(1),
      height: share(1),
    });
    this.inspect(this.#row, this.#column, this.#values[this.#row * this.#size + this.#column]);
  }
}

function drawLegend(scale: Scale): void {
  element("legend", HTMLElement).hidden = false;
  element("low", HTMLElement).textContent = formatNumber(scale.low);
  element("high", HTMLElement).textContent = formatNumber(scale.high);
  const context = element("scale", HTMLCanvasElement).getContext("2d")!;
  const image = context.createImageData(256, 1);
  const { low, high } = scale;
  const ramp = Float32Array.from({ length: 256 }, (_, i) => low + (high - low) * i / 255);
  paint(ramp, scale, image.data);
  context.putImageData(image, 0, 0);
}
