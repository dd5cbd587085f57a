/**
 * pow, erf and remainder on vectors.
 *
 * pow takes the logarithm in twice the precision (Dekker's products), since its error is multiplied by up to 745. The
 * polynomials of erf are minimax fits of erf(x) / x in x² on [0, 1] and, beyond, of exp(x²)·erfc(x) in
 * (x − 3) / (x + 3) (float64) or of log(erfc(x)) (float32).
 *
 * @module
 */
import { complementExponent, errorFunctionCurve } from "../float32_polynomials.ts";
import type { FunctionReference, Local, ModuleBuilder } from "./assembler.ts";
import { exponential, exponentialInRange, logarithm, splitExponent } from "./math_exponential.ts";
import type { Lanes, Term } from "./math_lanes.ts";

/** A number as an unevaluated sum. */
interface Double {
  readonly high: Local;
  readonly low: Local;
}

/** a·b exactly. */
function twoProduct(l: Lanes, a: Local, b: Local): Double {
  const split = (x: Local): [Local, Local] => {
    const scaled = l.keep(l.mul(x, 134217729));
    const head = l.keep(l.sub(scaled, l.sub(scaled, x)));
    return [head, l.keep(l.sub(x, head))];
  };
  const [ah, al] = split(a);
  const [bh, bl] = split(b);
  const high = l.keep(l.mul(a, b));
  const low = l.keep(
    l.add(
      l.add(l.add(l.sub(l.mul(ah, bh), high), l.mul(ah, bl)), l.mul(al, bh)),
      l.mul(al, bl),
    ),
  );
  return { high, low };
}

/** a + b for |a| ≥ |b| or a = 0, where b may carry a low part. */
function quickSum(l: Lanes, a: Local, b: Local, low?: Term): Double {
  const high = l.keep(l.add(a, b));
  const error = l.sub(b, l.sub(high, a));
  return { high, low: l.keep(low === undefined ? error : l.add(error, low)) };
}

/** log(x) of positive float64 lanes to about 2^-64. */
function logarithmDouble(l: Lanes, x: Local): Double {
  const { k, m } = splitExponent(l, x);
  const f = l.keep(l.sub(m, 1));
  const d = l.keep(l.add(f, 2));
  const dLow = l.keep(l.sub(f, l.sub(d, 2)));
  // s = f / (2 + f), with what the division and the sum lost.
  const s = l.keep(l.div(f, d));
  const product = twoProduct(l, s, d);
  const sLow = l.keep(
    l.div(l.sub(l.sub(l.sub(f, product.high), product.low), l.mul(s, dLow)), d),
  );
  // log(m) = 2·s + s³·(2/3 + 2/5·s² + …): the factor 2/3 in two parts.
  const square = twoProduct(l, s, s);
  const z = square.high;
  const series = l.keep(l.mul(
    z,
    l.polynomialFast(z, [
      2 / 5,
      2 / 7,
      2 / 9,
      2 / 11,
      2 / 13,
      2 / 15,
      2 / 17,
      2 / 19,
      2 / 21,
      2 / 23,
    ]),
  ));
  const third = l.keep(2 / 3);
  const factor = quickSum(l, third, series, 3.700743415417188e-17);
  const cube = twoProduct(l, s, z);
  const cubeLow = l.keep(
    l.add(cube.low, l.add(l.mul(s, square.low), l.mul(l.mul(z, sLow), 3))),
  );
  const term = twoProduct(l, cube.high, factor.high);
  const termLow = l.add(
    term.low,
    l.add(l.mul(cube.high, factor.low), l.mul(cubeLow, factor.high)),
  );
  const doubled = l.keep(l.add(s, s));
  const mantissa = quickSum(l, doubled, term.high, l.add(l.add(sLow, sLow), termLow));
  // k·ln 2: the high part has 33 bits, so its product is exact.
  const whole = l.keep(l.mul(k, 0.6931471804855391));
  const wholeLow = twoProduct(l, k, l.keep(7.440617110012397e-11));
  // The part of ln 2 beyond both.
  const sum = quickSum(l, whole, mantissa.high, mantissa.low);
  const more = quickSum(l, sum.high, wholeLow.high, l.add(wholeLow.low, sum.low));
  return quickSum(l, more.high, more.low);
}

/**
 * x to the power y, two float64 lanes; C's special cases: pow(x, 0) and pow(1, y) are 1 even for NaN. Where a float32 is
 * all that is wanted (`precise` false), logarithm and product are plain float64.
 */
export function power(l: Lanes, x: Local, y: Local, precise: boolean): Term {
  return () => {
    const a = l.keep(l.abs(x));
    let positive: Local;
    if (precise) {
      const log = logarithmDouble(l, a);
      // Beyond 2^64 the result is 0, 1 or infinity as it is there, and Dekker's splitting would overflow.
      const bounded = l.keep(
        l.float("pmin", l.float("pmax", y, -(2 ** 64)), 2 ** 64),
      );
      const product = twoProduct(l, log.high, bounded);
      const low = l.add(product.low, l.mul(log.low, bounded));
      const usable = l.float("lt", l.abs(product.high), 1000);
      positive = l.keep(exponential(l, product.high, l.keep(l.bits("and", low, usable))));
    } else {
      const exponent = l.keep(l.mul(l.keep(logarithm(l, a)), y));
      positive = l.keep(exponential(l, exponent));
    }
    // |x| of 0 and infinity.
    const growing = l.keep(l.float("gt", y, 0));
    const zero = l.keep(l.float("eq", a, 0));
    const infinite = l.keep(l.float("eq", a, Infinity));
    const extreme = l.pick(l.bits("xor", zero, growing), Infinity, 0);
    const magnitude = l.keep(l.pick(l.bits("or", zero, infinite), extreme, positive));
    // Odd integers keep the sign of x; a negative finite x needs an integer.
    const isInteger = l.keep(l.float("eq", l.float("trunc", y), y));
    const half = l.keep(l.mul(y, 0.5));
    const isOdd = l.bits("andnot", isInteger, l.float("eq", l.float("trunc", half), half));
    const signed = l.keep(l.bits("or", magnitude, l.bits("and", l.signOf(x), isOdd)));
    const undefinedPower = l.bits(
      "andnot",
      l.bits("and", l.float("lt", x, 0), l.float("gt", x, -Infinity)),
      isInteger,
    );
    const nan = l.bits("or", l.float("ne", x, x), l.float("ne", y, y));
    const one = l.bits(
      "or",
      l.bits("or", l.float("eq", y, 0), l.float("eq", x, 1)),
      l.bits("and", l.float("eq", a, 1), l.float("eq", l.abs(y), Infinity)),
    );
    l.push(l.pick(one, 1, l.pick(l.bits("or", nan, undefinedPower), NaN, signed)));
  };
}

/** The error function. */
export function errorFunction(l: Lanes, x: Local): Term {
  return () => {
    const wide = l.shape === "f64x2";
    const a = l.keep(l.float("pmin", l.abs(x), wide ? 6 : 4));
    const square = l.keep(l.mul(a, a));
    const small = l.keep(
      l.multiplyAdd(
        x,
        l.polynomialFast(
          square,
          wide
            ? [
              0.1283791670955126,
              -0.3761263890318375,
              0.11283791670954858,
              -0.02686617064507296,
              0.00522397762478137,
              -0.0008548326978765149,
              0.00012055331037551108,
              -1.4925593518728226e-05,
              1.6460972954153765e-06,
              -1.635002619207727e-07,
              1.4657883530919653e-08,
              -1.136567067182716e-09,
              5.945255584223488e-11,
            ]
            : errorFunctionCurve,
        ),
        x,
      ),
    );
    let complement: Term;
    if (wide) {
      const u = l.keep(l.div(l.sub(a, 3), l.add(a, 3)));
      const e = exponentialInRange(l, l.keep(l.neg(square)));
      complement = l.mul(
        e,
        l.polynomialFast(u, [
          0.17900115118139,
          -0.32623356004316256,
          0.24560380170781088,
          -0.1501159365456599,
          0.07166583744043022,
          -0.024392489969712994,
          0.004269232721608366,
          0.0007083055252951483,
          -0.0005950001441724042,
          5.021843660273716e-05,
          7.162387240672634e-05,
          -6.441071141423873e-06,
          -6.579440380994845e-06,
        ]),
      );
    } else {
      complement = exponentialInRange(
        l,
        l.keep(
          l.polynomialFast(a, complementExponent),
        ),
      );
    }
    const large = l.withSign(l.sub(1, complement), l.signOf(x));
    // NaN is not large: it passes through the polynomial.
    l.push(l.pick(l.float("ge", a, 1), large, small));
  };
}

/**
 * The remainder of x / y with x's sign, of one float64, exact: long division of the mantissas, 11 bits at a time.
 */
export function addRemainder(module: ModuleBuilder): FunctionReference {
  return module.addFunction("remainder", ["f64", "f64"], ["f64"], (f) => {
    const [x, y] = [f.parameter(0), f.parameter(1)];
    const [ax, ay] = f.locals("f64", 2);
    f.get(x).op("f64.abs").set(ax).get(y).op("f64.abs").set(ay);
    // NaN, infinite x or zero y: NaN.
    f.get(ax).f64(Infinity).op("f64.lt").get(ay).f64(0).op("f64.gt").op("i32.and").op("i32.eqz");
    f.if_(() => f.f64(NaN).return_());
    f.get(ax).get(ay).op("f64.lt").if_(() => f.get(x).return_());
    const [mx, my] = f.locals("i64", 2);
    const [ex, ey, step] = f.locals("i32", 3);
    const unpack = (a: Local, mantissa: Local, exponent: Local) => {
      // Subnormals are scaled into the normal range first.
      f.i32(0).set(exponent);
      f.get(a).f64(2 ** -1022).op("f64.lt").if_(() => {
        f.get(a).f64(2 ** 54).op("f64.mul").set(a);
        f.i32(-54).set(exponent);
      });
      f.get(a).op("i64.reinterpret_f64").i64(52n).op("i64.shr_u").op("i32.wrap_i64");
      f.get(exponent).op("i32.add").set(exponent);
      f.get(a).op("i64.reinterpret_f64").i64((1n << 52n) - 1n).op("i64.and");
      f.i64(1n << 52n).op("i64.or").set(mantissa);
    };
    unpack(ax, mx, ex);
    unpack(ay, my, ey);
    f.get(mx).get(my).op("i64.rem_u").set(mx);
    f.get(ex).get(ey).op("i32.sub").set(ex);
    f.block((done) => {
      f.loop((again) => {
        f.get(ex).op("i32.eqz").get(mx).op("i64.eqz").op("i32.or").brIf(done);
        f.get(ex).i32(11).get(ex).i32(11).op("i32.lt_s").select().set(step);
        f.get(mx).get(step).op("i64.extend_i32_u").op("i64.shl").get(my).op("i64.rem_u").set(mx);
        f.get(ex).get(step).op("i32.sub").set(ex);
        f.br(again);
      });
    });
    // mx·2^(ey − 1075), in two exact factors as ey may be far below the normal range.
    const power = (exponent: () => void) => {
      exponent();
      f.op("i64.extend_i32_s").i64(1023n).op("i64.add").i64(52n).op("i64.shl");
      f.op("f64.reinterpret_i64");
    };
    f.get(mx).op("f64.convert_i64_u");
    power(() => f.get(ey).i32(1075).op("i32.sub").i32(1).op("i32.shr_s"));
    f.op("f64.mul");
    power(() =>
      f.get(ey).i32(1075).op("i32.sub").get(ey).i32(1075).op("i32.sub").i32(1).op("i32.shr_s").op(
        "i32.sub",
      )
    );
    f.op("f64.mul").get(x).op("f64.copysign");
  });
}
