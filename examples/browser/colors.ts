/**
 * Colours for numbers: one scale for kernels without negative entries, one around zero for others.
 *
 * @module
 */

type Color = readonly [number, number, number];

/** From nothing to the largest: ground, blue, violet, orange, light yellow. */
const risingDark: readonly Color[] = [
  [13, 17, 38],
  [49, 36, 120],
  [128, 43, 137],
  [210, 75, 95],
  [247, 151, 65],
  [252, 242, 166],
];
/** The same for a light page: the ground is light, and the largest dark. */
const risingLight: readonly Color[] = [
  [250, 249, 236],
  [250, 205, 130],
  [236, 126, 88],
  [184, 62, 118],
  [98, 36, 124],
  [26, 18, 64],
];
/** From −largest over zero to the largest. */
const aroundDark: readonly Color[] = [
  [126, 205, 255],
  [38, 105, 190],
  [17, 24, 34],
  [178, 66, 38],
  [255, 190, 120],
];
const aroundLight: readonly Color[] = [
  [16, 52, 110],
  [78, 145, 206],
  [247, 247, 245],
  [224, 120, 80],
  [120, 24, 22],
];

/** Which numbers have which colours. */
export interface Scale {
  readonly low: number;
  readonly high: number;
  /** 256 colours from low to high, three bytes each. */
  readonly colors: Uint8Array;
}

/** The scale for some numbers; those that are NaN are not there yet. */
export function scaleOf(values: Float32Array, dark: boolean): Scale {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) [low, high] = [0, 1];
  const around = low < 0;
  const size = Math.max(Math.abs(low), Math.abs(high)) || 1;
  const stops = around ? (dark ? aroundDark : aroundLight) : dark ? risingDark : risingLight;
  const colors = new Uint8Array(256 * 3);
  for (let i = 0; i < 256; i++) {
    const at = i / 255 * (stops.length - 1);
    const k = Math.min(stops.length - 2, Math.floor(at));
    for (let c = 0; c < 3; c++) {
      colors[3 * i + c] = Math.round(stops[k][c] + (at - k) * (stops[k + 1][c] - stops[k][c]));
    }
  }
  return { low: around ? -size : 0, high: size, colors };
}

/** Paints numbers, row by row, into pixels; what is not there yet stays clear. */
export function paint(values: Float32Array, scale: Scale, pixels: Uint8ClampedArray): void {
  const { low, high, colors } = scale;
  const factor = 255 / (high - low);
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (Number.isNaN(value)) {
      pixels[4 * i + 3] = 0;
      continue;
    }
    const at = 3 * Math.max(0, Math.min(255, Math.round((value - low) * factor)));
    pixels[4 * i] = colors[at];
    pixels[4 * i + 1] = colors[at + 1];
    pixels[4 * i + 2] = colors[at + 2];
    pixels[4 * i + 3] = 255;
  }
}

/** A number for people: four digits. */
export function formatNumber(value: number): string {
  const size = Math.abs(value);
  if (value === 0 || (size >= 0.01 && size < 1e5)) return String(Number(value.toPrecision(4)));
  return value.toExponential(2).replace("e+", "e");
}
