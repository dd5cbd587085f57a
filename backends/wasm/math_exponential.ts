/**
 * exp, expm1, log, log1p and what follows from them (tanh, sigmoid), on vectors of float32 and float64.
 *
 * Arguments are reduced in two steps by ln 2 (Cody and Waite). The polynomials of exp are minimax fits of
 * (exp(r) − 1 − r) / r² on |r| ≤ ln(2) / 2; log in float64 follows fdlibm's form with its coefficients, in float32
 * Cephes' polynomial.
 *
 * @module
 */
import { exponentialCurve, logarithmCurve, tangentCurve } from "../float32_polynomials.ts";
import type { Local } from "./assembler.ts";
import type { Lanes, Term } from "./math_lanes.ts";

/** What reduction, scaling and polynomials need for one float type. */
interface ExponentialFacts {
  /** Adding it rounds to an integer and leaves that integer in the low bits. */
  readonly magic: number;
  readonly mantissaBits: number;
  readonly log2High: number;
  readonly log2Low: number;
  /** exp is infinity above the first, zero below the second; expm1 is −1 below the third. */
  readonly range: readonly [number, number, number];
  /** exp of arguments with smaller absolute values is a normal number. */
  readonly usual: number;
  /** Of (exp(r) − 1 − r) / r². */
  readonly polynomial: readonly number[];
  readonly smallestNormal: number;
  readonly bias: bigint;
}

const facts: Readonly<Record<"f32x4" | "f64x2", ExponentialFacts>> = {
  f32x4: {
    magic: 12582912,
    mantissaBits: 23,
    log2High: 0.693359375,
    log2Low: -2.12194440054690583e-4,
    range: [89, -104.5, -18],
    usual: 87,
    polynomial: exponentialCurve,
    smallestNormal: 2 ** -126,
    bias: 127n,
  },
  f64x2: {
    magic: 6755399441055744,
    mantissaBits: 52,
    log2High: 0.6931471804855391,
    log2Low: 7.440617110012397e-11,
    range: [710, -746, -40],
    usual: 708,
    polynomial: [
      0.5,
      0.16666666666666677,
      0.041666666666666505,
      0.008333333333321655,
      0.0013888888888962617,
      0.0001984126988607294,
      2.4801587172207464e-05,
      2.7557244254672307e-06,
      2.7557402793061463e-07,
      2.5109024305236394e-08,
      2.0875324014384767e-09,
    ],
    smallestNormal: 2 ** -1022,
    bias: 1023n,
  },
};

/** ln 2 less the float32 next to it. */
const log2Rest = -1.904654299957768e-9;

/** What an exponential argument is cut into: x = n·ln 2 + r + c, with |r| ≤ ln(2) / 2. */
interface Reduced {
  /** n as a float. */
  readonly n: Local;
  readonly r: Local;
  /** What r lacks, below its last bit; null where that is not worth its cost. */
  readonly c: Local | null;
  /** n plus what was asked for, where a float has its exponent. */
  readonly exponent: Term;
}

/** Cuts x; `plus` is an integer for the exponent. */
function reduceByLog2(l: Lanes, x: Local, plus: number): Reduced {
  const { magic, mantissaBits, log2High, log2Low } = facts[l.shape];
  // Adding the magic number rounds to an integer, which then stands in the low bits; shifting drops all others.
  const shifted = l.keep(l.multiplyAdd(x, Math.LOG2E, magic + plus));
  const exponent = l.shift("shl", shifted, mantissaBits);
  const n = l.keep(l.sub(shifted, magic + plus));
  if (l.fused && l.shape === "f32x4") {
    // n times the float next to ln 2 is exact in a fused operation, and so is the difference.
    const high = l.keep(l.multiplySubtract(n, Math.LN2, x));
    const r = l.keep(l.multiplySubtract(n, log2Rest, high));
    return { n, r, c: null, exponent };
  }
  const high = l.keep(l.sub(x, l.mul(n, log2High)));
  const low = l.keep(l.mul(n, log2Low));
  const r = l.keep(l.sub(high, low));
  const c = l.keep(l.sub(l.sub(high, r), low));
  return { n, r, c, exponent };
}

/** 2^n as a float for integers n in the range of normal exponents. */
function powerOfTwo(l: Lanes, n: Term): Term {
  const { magic, mantissaBits } = facts[l.shape];
  return l.integer(
    "add",
    l.shift("shl", l.add(n, magic), mantissaBits),
    l.integerSplat(facts[l.shape].bias << BigInt(mantissaBits)),
  );
}

/** value·2^n where 2^n itself may be out of range: by two powers of about 2^(n/2). `exponent` is n plus twice the bias. */
function scaleByPowerOfTwo(l: Lanes, value: Term, exponent: Term): Term {
  const both = l.keep(exponent);
  const exponentMask = l.shape === "f32x4" ? 0xff800000n : 0xfff0000000000000n;
  const half = l.keep(l.bits("and", l.shift("shr_u", both, 1), l.integerSplat(exponentMask)));
  return l.mul(l.mul(value, half), l.integer("sub", both, half));
}

/** exp(r + c + extra) of a reduced argument. */
function exponentialNearZero(l: Lanes, { r, c }: Reduced, extra?: Local): Term {
  const { polynomial } = facts[l.shape];
  if (c === null) {
    const curve = l.keep(l.polynomialFast(r, polynomial));
    return l.multiplyAdd(l.multiplyAdd(curve, r, 1), r, 1);
  }
  const square = l.keep(l.mul(r, r));
  const curve = l.keep(l.mul(square, l.polynomialFast(r, polynomial)));
  const tail = extra === undefined
    ? l.add(c, curve)
    : l.add(curve, l.mul(l.add(c, extra), l.add(l.add(r, curve), 1)));
  return l.add(l.add(r, tail), 1);
}

/** The argument held inside the range where the result is neither infinity nor zero; NaN stays. */
function clamp(l: Lanes, x: Local, low: number, high: number): Term {
  // Both return their first operand unless the comparison holds, so NaN in x passes.
  return l.float("pmin", l.float("pmax", x, low), high);
}

/** exp(x + extra), where `extra` is a small correction or absent (and must be for float32). */
export function exponential(l: Lanes, x: Local, extra?: Local): Term {
  const { range, bias, usual } = facts[l.shape];
  return () => {
    if (l.expect !== undefined && extra === undefined) {
      l.expect(l.keep(l.float("lt", l.abs(x), usual)));
      l.push(exponentialInRange(l, x));
      return;
    }
    // What is 0 in the end is left out, as processors are slow where a product is that small.
    const zero = l.keep(l.float("lt", x, range[1]));
    const inside = l.keep(l.float("pmin", l.bits("andnot", x, zero), range[0]));
    const reduced = reduceByLog2(l, inside, 2 * Number(bias));
    const value = l.keep(exponentialNearZero(l, reduced, extra));
    l.push(l.bits("andnot", scaleByPowerOfTwo(l, value, reduced.exponent), zero));
  };
}

/** exp(x) for |x| < 87 (708 in float64), with the same bits as `exponential`; nothing is promised for other x. */
export function exponentialInRange(l: Lanes, x: Local): Term {
  return () => {
    const reduced = reduceByLog2(l, x, 0);
    const value = l.keep(exponentialNearZero(l, reduced));
    l.push(l.integer("add", value, reduced.exponent));
  };
}

/** exp(x) − 1. */
export function exponentialMinusOne(l: Lanes, x: Local): Term {
  const { range, polynomial } = facts[l.shape];
  return () => {
    const inside = l.keep(clamp(l, x, range[2], range[0]));
    const { n, r, c } = reduceByLog2(l, inside, 0);
    const square = l.keep(l.mul(r, r));
    const curve = l.polynomialFast(r, polynomial);
    const value = l.keep(
      c === null
        ? l.multiplyAdd(square, curve, r)
        : l.add(r, l.add(l.mul(square, curve), l.mul(c, l.add(r, 1)))),
    );
    // 2^n·(1 + value) − 1 at half its size, so that 2^n stays in range: n is at least −1 times the mantissa's bits.
    const scale = l.keep(powerOfTwo(l, l.sub(n, 1)));
    const sum = l.multiplyAdd(scale, value, l.sub(scale, 0.5));
    const result = l.keep(l.mul(sum, 2));
    // For n = 0 the value is exact, and for zeros and subnormals the argument is.
    const small = l.float("lt", l.abs(x), l.shape === "f32x4" ? 2 ** -26 : 2 ** -55);
    l.push(l.pick(small, x, l.pick(l.float("eq", n, 0), value, result)));
  };
}

/** The exponent k (as a float) and the mantissa m in [√½, √2) of positive x = m·2^k, subnormals included. */
export function splitExponent(l: Lanes, x: Local): { k: Local; m: Local } {
  const { smallestNormal, mantissaBits, magic } = facts[l.shape];
  const subnormal = l.keep(l.float("lt", x, smallestNormal));
  const up = 2 ** (mantissaBits + 1);
  const normal = l.keep(l.pick(subnormal, l.mul(x, up), x));
  // Shift so that mantissas from √½ on round to the next exponent.
  const root = l.shape === "f32x4" ? 0x3f3504f3n : 0x3fe6a09e667f3bcdn;
  const shifted = l.keep(l.integer("sub", normal, l.integerSplat(root)));
  const exponentMask = l.shape === "f32x4" ? 0xff800000n : 0xfff0000000000000n;
  const m = l.keep(
    l.integer("sub", normal, l.bits("and", shifted, l.integerSplat(exponentMask))),
  );
  const offset = l.pick(subnormal, mantissaBits + 1, 0);
  let exponent: Term;
  if (l.shape === "f32x4") {
    exponent = () => {
      l.push(l.shift("shr_s", shifted, mantissaBits));
      l.f.op("f32x4.convert_i32x4_s");
    };
  } else {
    // There is no conversion of 64-bit lanes: add the exponent to the bits of a magic number. The bias of 2048 keeps it
    // positive, so that a logical shift will do.
    const biased = l.shift(
      "shr_u",
      l.integer("add", shifted, l.integerSplat(2048n << 52n)),
      mantissaBits,
    );
    exponent = l.sub(l.integer("add", biased, magic), magic + 2048);
  }
  const k = l.keep(l.sub(exponent, offset));
  return { k, m };
}

/** log(1 + f) − f + correction + k·ln 2, before f is added: the form that keeps small f exact. */
function logarithmOf(l: Lanes, k: Local, f: Local, correction?: Local): Term {
  const { log2High, log2Low } = facts[l.shape];
  return () => {
    const lowPart: Term = correction === undefined
      ? l.mul(k, log2Low)
      : l.add(l.mul(k, log2Low), correction);
    const half = l.keep(l.mul(l.mul(f, f), 0.5));
    let rest: Term;
    if (l.shape === "f32x4") {
      const p = l.polynomialFast(f, logarithmCurve);
      rest = l.mul(l.mul(l.mul(f, f), f), p);
    } else {
      const s = l.keep(l.div(f, l.add(f, 2)));
      const z = l.keep(l.mul(s, s));
      const p = l.polynomialFast(z, [
        6.666666666666735130e-01,
        3.999999999940941908e-01,
        2.857142874366239149e-01,
        2.222219843214978396e-01,
        1.818357216161805012e-01,
        1.531383769920937332e-01,
        1.479819860511658591e-01,
      ]);
      rest = l.mul(s, l.add(half, l.mul(z, p)));
    }
    // k·high + (f − (half − (rest + low)))
    l.push(
      l.add(l.mul(k, log2High), l.sub(f, l.sub(half, l.add(rest, lowPart)))),
    );
  };
}

/** Puts the values of log at 0, below it, at infinity and at NaN in place of the result. */
function logarithmSpecials(l: Lanes, x: Local, result: Term): Term {
  const infinite = l.float("eq", x, Infinity);
  const zero = l.float("eq", x, 0);
  const positive = l.float("gt", x, 0);
  return l.pick(
    l.bits("or", infinite, l.bits("not", l.bits("or", positive, zero))),
    // The square root keeps infinity and NaN, and makes negative numbers NaN.
    l.float("sqrt", x),
    l.pick(zero, -Infinity, result),
  );
}

/** The natural logarithm. */
export function logarithm(l: Lanes, x: Local): Term {
  return () => {
    const { k, m } = splitExponent(l, x);
    const f = l.keep(l.sub(m, 1));
    l.push(logarithmSpecials(l, x, logarithmOf(l, k, f)));
  };
}

/** log(1 + x), exact for small x. */
export function logarithmOfOnePlus(l: Lanes, x: Local): Term {
  return () => {
    const u = l.keep(l.add(x, 1));
    const { k, m } = splitExponent(l, u);
    // What rounding 1 + x lost, relative to u.
    const lost = l.pick(
      l.float("ge", x, 1),
      l.sub(1, l.sub(u, x)),
      l.sub(x, l.sub(u, 1)),
    );
    const whole = l.keep(l.float("eq", k, 0));
    const correction = l.keep(l.pick(whole, 0, l.div(lost, u)));
    const f = l.keep(l.pick(whole, x, l.sub(m, 1)));
    const result = l.keep(logarithmSpecials(l, u, logarithmOf(l, k, f, correction)));
    const small = l.float("lt", l.abs(x), l.shape === "f32x4" ? 2 ** -26 : 2 ** -55);
    l.push(l.pick(small, x, result));
  };
}

/** 1 / (1 + exp(−x)). */
export function logisticSigmoid(l: Lanes, x: Local): Term {
  return () => {
    const z = l.keep(exponential(l, l.keep(l.bits("or", x, -0))));
    const sum = l.keep(l.add(z, 1));
    // NaN has either sign: it passes through the sum.
    const negative = l.shape === "f32x4" ? l.shift("shr_s", x, 31) : l.float("lt", x, 0);
    const quotient = l.keep(l.div(l.pick(negative, z, 1), sum));
    // What rounding the sum lost, over the sum: 1 / s is near 1.5 − s / 2 on [1, 2].
    const lost = l.mul(l.sub(z, l.sub(sum, 1)), l.multiplySubtract(sum, 0.5, 1.5));
    l.push(l.multiplySubtract(quotient, lost, quotient));
  };
}

/** The hyperbolic tangent. */
export function hyperbolicTangent(l: Lanes, x: Local): Term {
  return () => {
    const sign = l.keep(l.signOf(x));
    const a = l.keep(l.abs(x));
    if (l.shape === "f32x4") {
      // A polynomial of tanh(x) / x − 1 where x is small; beyond, 2 / (e + 1) is below 1/2, and so are its errors.
      const square = l.keep(l.mul(x, x));
      const small = l.keep(l.multiplyAdd(
        l.mul(x, square),
        l.polynomial(square, tangentCurve),
        x,
      ));
      // From 9.1 on the result is 1.
      const twice = l.keep(l.float("pmin", l.add(a, a), 18.2));
      const e = l.keep(exponentialInRange(l, twice));
      const large = l.keep(l.sub(1, l.div(2, l.add(e, 1))));
      // NaN is not large: it passes through the polynomial.
      l.push(l.withSign(l.pick(l.float("ge", a, 0.625), large, small), sign));
      return;
    }
    // expm1 of −2a keeps full precision where tanh is near a; of 2a where it is near 1.
    const near = l.keep(l.float("lt", a, 1));
    const t = l.keep(
      exponentialMinusOne(l, l.keep(l.mul(a, l.pick(near, -2, 2)))),
    );
    const denominator = l.keep(l.add(t, 2));
    const quotient = l.keep(l.div(l.pick(near, l.neg(t), 2), denominator));
    l.push(
      l.withSign(l.pick(near, quotient, l.sub(1, quotient)), sign),
    );
  };
}
