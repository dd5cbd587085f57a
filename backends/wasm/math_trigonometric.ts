/**
 * sin, cos, atan and atan2 on vectors of float64, and of float32 by way of float64.
 *
 * sin and cos reduce by π/2 in four parts (Cody and Waite) up to 2^20, and by as many bits of 2/π as the exponent asks
 * for beyond (Payne and Hanek). Polynomials in float64 have fdlibm's coefficients, in float32 Cephes'.
 *
 * @module
 */
import { cosineCurve, sineCurve } from "../float32_polynomials.ts";
import type { FunctionBuilder, FunctionReference, Local, ModuleBuilder } from "./assembler.ts";
import { Lanes, type Term } from "./math_lanes.ts";

/** π/2: three parts of 33 bits and the rest. */
const halfPi = [
  1.5707963267341256,
  6.077100506303966e-11,
  2.0222662487111665e-21,
  8.4784276603689e-32,
] as const;

/** Beyond this many quarter turns, n times a part of π/2 is not exact. */
const largestReduced = 2 ** 20;

/** The bits of 2/π after the point, 32 at a time. */
const twoOverPi = [
  0xa2f9836e,
  0x4e441529,
  0xfc2757d1,
  0xf534ddc0,
  0xdb629599,
  0x3c439041,
  0xfe5163ab,
  0xdebbc561,
  0xb7246e3a,
  0x424dd2e0,
  0x06492eea,
  0x09d1921c,
  0xfe1deb1c,
  0xb129a73e,
  0xe88235f5,
  0x2ebb4484,
  0xe99c7026,
  0xb45f7e41,
  0x3991d639,
  0x835339f4,
  0x9c845f8b,
  0xbdf9283b,
  0x1ff897ff,
  0xde05980f,
  0xef2f118b,
  0x5a0a6d1f,
  0x6d367ecf,
  0x27cb09b7,
  0x4f463f66,
  0x9e5fea2d,
  0x7527bac7,
  0xebe5f17b,
  0x3d0739f7,
  0x8a5292ea,
  0x6bfb5fb1,
  0x1f8d5d08,
  0x56033046,
  0xfc7b6bab,
  0xf0cfbc20,
  0x9af4361d,
]; // deno-fmt-ignore

/** Word i of 2/π as an unsigned 64-bit number; zero outside the table, where nothing counts. */
function addTwoOverPi(module: ModuleBuilder): FunctionReference {
  return module.addFunction("twoOverPi", ["i32"], ["i64"], (f) => {
    const nest = (depth: number): void => {
      f.block(() => {
        if (depth === twoOverPi.length) {
          f.get(f.parameter(0)).brTable(
            twoOverPi.map((_, i) => i),
            twoOverPi.length,
          );
        } else nest(depth + 1);
      });
      if (depth > 0) f.i64(BigInt(twoOverPi[twoOverPi.length - depth])).return_();
    };
    nest(0);
    f.i64(0n);
  });
}

/**
 * x → y0, y1, quadrant: x = quadrant·π/2 + y0 + y1 modulo 2π, |y0| ≤ π/4, for finite |x| ≥ 1.
 *
 * x is m·2^e with an integer m of 53 bits. Of x·2/π only the bits from the quadrant's on matter: they come from m times
 * 192 bits of 2/π, from two bits above the point on, kept as three 64-bit words.
 */
function addReduceHuge(module: ModuleBuilder): FunctionReference {
  const word = addTwoOverPi(module);
  return module.addFunction("reduceHuge", ["f64"], ["f64", "f64", "i32"], (f) => {
    const x = f.parameter(0);
    const [bits, m, high, middle, low, carry] = f.locals("i64", 6);
    const [e, first, shift, i, quadrant] = f.locals("i32", 5);
    const windows = f.locals("i64", 3);
    f.get(x).op("i64.reinterpret_f64").set(bits);
    f.get(bits).i64((1n << 52n) - 1n).op("i64.and").i64(1n << 52n).op("i64.or").set(m);
    // e: the exponent of the lowest bit of m.
    f.get(bits).i64(52n).op("i64.shr_u").op("i32.wrap_i64").i32(2047).op("i32.and").i32(1075)
      .op("i32.sub").set(e);
    // The window starts at bit e − 2 of the fraction (bit j has weight 2^-(j + 1)): m·2^e times earlier bits are multiples
    // of 4. A start before the point is padded with zeros.
    f.get(e).i32(2).op("i32.sub").set(first);
    f.get(first).i32(5).op("i32.shr_s").set(i);
    f.get(first).i32(31).op("i32.and").set(shift);
    // 192 bits from bit `first` on: each 64-bit word from three table words.
    for (let w = 0; w < 3; w++) {
      const at = (k: number) => f.get(i).i32(2 * w + k).op("i32.add").call(word);
      at(0);
      f.i64(32n).op("i64.shl");
      at(1);
      f.op("i64.or").get(shift).op("i64.extend_i32_u").op("i64.shl");
      // The word after them gives its upper `shift` bits.
      at(2);
      f.get(shift).op("i64.extend_i32_u").op("i64.shl").i64(32n).op("i64.shr_u").op("i64.or");
      f.set(windows[w]);
    }
    // (m · window) modulo 2^192, from the low word up; 64 × 64 → 128 bits by halves.
    f.get(m).get(windows[2]).op("i64.mul").set(low);
    multiplyHigh(f, m, windows[2], carry);
    f.get(m).get(windows[1]).op("i64.mul").set(middle);
    multiplyHigh(f, m, windows[1], high);
    f.get(middle).get(carry).op("i64.add").set(middle);
    f.get(high).get(middle).get(carry).op("i64.lt_u").op("i64.extend_i32_u").op("i64.add");
    f.get(m).get(windows[0]).op("i64.mul").op("i64.add").set(high);
    // Now high:middle:low / 2^190 is x·2/π modulo 4: two bits of quadrant, then the fraction. Round to the nearest.
    f.get(high).i64(62n).op("i64.shr_u").op("i32.wrap_i64").set(quadrant);
    f.get(high).i64(2n).op("i64.shl").get(middle).i64(62n).op("i64.shr_u").op("i64.or").set(high);
    f.get(middle).i64(2n).op("i64.shl").get(low).i64(62n).op("i64.shr_u").op("i64.or").set(middle);
    // The fraction is high:middle / 2^128, read as a signed number; its sign bit carries into the quadrant.
    f.get(quadrant).get(high).i64(63n).op("i64.shr_u").op("i32.wrap_i64").op("i32.add").set(
      quadrant,
    );
    const [a, b, c, y0, y1] = f.locals("f64", 5);
    // Signed high, upper and lower half of middle, each exact: high loses bits, so it is cut in two.
    const scaled = (emit: () => void, power: number, signed: boolean, to: Local) => {
      emit();
      f.op(signed ? "f64.convert_i64_s" : "f64.convert_i64_u").f64(2 ** power).op("f64.mul").set(
        to,
      );
    };
    // When high is tiny (x near a multiple of π/2) the bits of middle count: three parts of 32, 32 and 64 bits.
    scaled(() => f.get(high).i64(32n).op("i64.shr_s"), -32, true, a);
    scaled(() => f.get(high).i64(0xffffffffn).op("i64.and"), -64, false, b);
    scaled(() => f.get(middle).i64(11n).op("i64.shr_u"), -117, false, c);
    // y = (a + b + c)·π/2 in two parts. a + b as a sum and its error, then Dekker's product.
    const [s, t, p, sh, sl] = f.locals("f64", 5);
    f.get(a).get(b).op("f64.add").set(s);
    f.get(b).get(s).get(a).op("f64.sub").op("f64.sub").get(c).op("f64.add").set(t);
    f.get(s).get(t).op("f64.add").set(a);
    f.get(t).get(a).get(s).op("f64.sub").op("f64.sub").set(t);
    f.get(a).set(s);
    const pi = 1.5707963267948966;
    const piLow = 6.123233995736766e-17;
    const splitter = 134217729;
    const piHead = splitter * pi - (splitter * pi - pi);
    const piTail = pi - piHead;
    f.get(s).f64(pi).op("f64.mul").set(p);
    f.get(s).f64(splitter).op("f64.mul").tee(sh).get(sh).get(s).op("f64.sub").op("f64.sub").set(sh);
    f.get(s).get(sh).op("f64.sub").set(sl);
    // ((sh·ph − p) + sh·pl + sl·ph) + sl·pl + s·piLow + t·pi
    f.get(sh).f64(piHead).op("f64.mul").get(p).op("f64.sub");
    f.get(sh).f64(piTail).op("f64.mul").op("f64.add");
    f.get(sl).f64(piHead).op("f64.mul").op("f64.add");
    f.get(sl).f64(piTail).op("f64.mul").op("f64.add");
    f.get(s).f64(piLow).op("f64.mul").op("f64.add");
    f.get(t).f64(pi).op("f64.mul").op("f64.add").set(y1);
    f.get(p).get(y1).op("f64.add").set(y0);
    f.get(y1).get(y0).get(p).op("f64.sub").op("f64.sub").set(y1);
    // A negative x mirrors.
    f.get(bits).i64(0n).op("i64.lt_s").if_(() => {
      f.get(y0).op("f64.neg").set(y0);
      f.get(y1).op("f64.neg").set(y1);
      f.i32(0).get(quadrant).op("i32.sub").set(quadrant);
    });
    f.get(y0).get(y1).get(quadrant);
  });
}

/** The upper 64 bits of the product of a (below 2^53) and b, into a local. */
function multiplyHigh(f: FunctionBuilder, a: Local, b: Local, to: Local): void {
  const [ah, al, bh, bl, mid] = f.locals("i64", 5);
  f.get(a).i64(32n).op("i64.shr_u").set(ah).get(a).i64(0xffffffffn).op("i64.and").set(al);
  f.get(b).i64(32n).op("i64.shr_u").set(bh).get(b).i64(0xffffffffn).op("i64.and").set(bl);
  f.get(al).get(bl).op("i64.mul").i64(32n).op("i64.shr_u").get(ah).get(bl).op("i64.mul").op(
    "i64.add",
  ).set(mid);
  f.get(mid).i64(0xffffffffn).op("i64.and").get(al).get(bh).op("i64.mul").op("i64.add");
  f.i64(32n).op("i64.shr_u").get(mid).i64(32n).op("i64.shr_u").op("i64.add");
  f.get(ah).get(bh).op("i64.mul").op("i64.add").set(to);
}

/** x of two float64 lanes → y0, y1 and the quadrant as a float64 integer, with huge lanes redone one by one. */
function reduceByHalfPi(l: Lanes, x: Local, huge: FunctionReference): [Local, Local, Local] {
  const f = l.f;
  const magic = 6755399441055744;
  const n = l.keep(l.sub(l.add(l.mul(x, 0.6366197723675814), magic), magic));
  const r0 = l.keep(l.sub(x, l.mul(n, halfPi[0])));
  const w = l.keep(l.mul(n, halfPi[1]));
  const [r1, e1] = twoSum(l, r0, l.keep(l.neg(w)));
  const t = l.keep(l.sub(e1, l.mul(n, halfPi[2])));
  const [y0, e2] = twoSum(l, r1, t);
  const y1 = l.keep(l.sub(e2, l.mul(n, halfPi[3])));
  const large = l.keep(l.float("gt", l.abs(n), largestReduced));
  l.anyTrue(large);
  f.if_(() => {
    for (const lane of [0, 1]) {
      const value = f.local("f64");
      f.get(x).lane("f64x2.extract_lane", lane).set(value);
      f.get(large).lane("i64x2.extract_lane", lane).op("i32.wrap_i64");
      // Infinity and NaN are left to the arithmetic, which makes them NaN.
      f.get(value).op("f64.abs").f64(Infinity).op("f64.lt").op("i32.and");
      f.if_(() => {
        const quadrant = f.local("i32");
        const parts = f.locals("f64", 2);
        f.get(value).call(huge).set(quadrant).set(parts[1]).set(parts[0]);
        f.get(y0).get(parts[0]).lane("f64x2.replace_lane", lane).set(y0);
        f.get(y1).get(parts[1]).lane("f64x2.replace_lane", lane).set(y1);
        f.get(n).get(quadrant).op("f64.convert_i32_s").lane("f64x2.replace_lane", lane).set(n);
      }, () => {
        // n·(π/2) may have overflowed into a finite number minus itself: make sure of NaN for infinity.
        f.get(large).lane("i64x2.extract_lane", lane).op("i32.wrap_i64").if_(() => {
          f.get(y0).f64(NaN).lane("f64x2.replace_lane", lane).set(y0);
        });
      });
    }
  });
  return [y0, y1, n];
}

/** a + b and its rounding error. */
function twoSum(l: Lanes, a: Local, b: Local): [Local, Local] {
  const s = l.keep(l.add(a, b));
  const bb = l.keep(l.sub(s, a));
  return [s, l.keep(l.add(l.sub(a, l.sub(s, bb)), l.sub(b, bb)))];
}

/** The integer lanes of a float64 integer below 2^51: bit 0 and bit 1 are the quadrant's. */
function quadrantBits(l: Lanes, n: Local): Local {
  return l.keep(l.add(n, 6755399441055744));
}

/** All ones where the bit of the 64-bit lanes is set. */
function bitMask(l: Lanes, lanes: Local, bit: number): Term {
  const value = l.integerSplat(BigInt(1 << bit));
  return l.integer("eq", l.bits("and", lanes, value), value);
}

/** sin or cos of two float64 lanes. */
export function sineOrCosine(l: Lanes, x: Local, cosine: boolean, huge: FunctionReference): Term {
  return () => {
    const [y, tail, n] = reduceByHalfPi(l, x, huge);
    if (cosine) l.f.get(n).f64x2Splat(1).op("f64x2.add").set(n);
    const quadrant = quadrantBits(l, n);
    const z = l.keep(l.mul(y, y));
    // sin(y + tail) = y + (y³·S + tail·(1 − z/2)), with S from −1/6 on.
    const cube = l.keep(l.mul(z, y));
    const rest = l.keep(l.polynomial(z, [
      8.33333333332248946124e-03,
      -1.98412698298579493134e-04,
      2.75573137070700676789e-06,
      -2.50507602534068634195e-08,
      1.58969099521155010221e-10,
    ]));
    const sine = l.keep(
      l.sub(
        y,
        l.sub(
          l.sub(l.mul(z, l.sub(l.mul(tail, 0.5), l.mul(cube, rest))), tail),
          l.mul(cube, -1.66666666666666324348e-01),
        ),
      ),
    );
    // cos(y + tail) = w + (((1 − w) − z/2) + (z²·C − y·tail)), w = 1 − z/2.
    const half = l.keep(l.mul(z, 0.5));
    const w = l.keep(l.sub(1, half));
    const polynomial = l.mul(
      l.mul(z, z),
      l.polynomial(z, [
        4.16666666666666019037e-02,
        -1.38888888888741095749e-03,
        2.48015872894767294178e-05,
        -2.75573143513906633035e-07,
        2.08757232129817482790e-09,
        -1.13596475577881948265e-11,
      ]),
    );
    const cosineValue = l.keep(
      l.add(w, l.add(l.sub(l.sub(1, w), half), l.sub(polynomial, l.mul(y, tail)))),
    );
    const value = l.keep(l.pick(bitMask(l, quadrant, 0), cosineValue, sine));
    const result = l.bits(
      "xor",
      value,
      l.shift("shl", l.bits("and", quadrant, l.integerSplat(2n)), 62),
    );
    // sin of −0 is −0, which the sums above lose.
    l.push(cosine ? result : l.pick(l.float("eq", x, 0), x, result));
  };
}

/** The float64 reduction that a module's sin and cos share. */
export { addReduceHuge };

/** sin or cos of four float32 lanes: reduced in float64, evaluated in float32. */
export function sineOrCosine32(
  l: Lanes,
  x: Local,
  cosine: boolean,
  huge: FunctionReference,
): Term {
  return () => {
    const { f, fused } = l;
    const d = new Lanes(f, "f64x2", { fused, pool: null });
    const halves = [false, true].map((upper) => {
      const wide = d.keep(promoteHalf(f, x, upper));
      const magic = 6755399441055744;
      const n = d.keep(d.sub(d.add(d.mul(wide, 0.6366197723675814), magic), magic));
      const y = d.keep(
        d.sub(d.sub(wide, d.mul(n, halfPi[0])), d.mul(n, halfPi[1] + halfPi[2])),
      );
      const large = d.keep(d.float("gt", d.abs(n), largestReduced));
      d.anyTrue(large);
      f.if_(() => {
        const parts = reduceByHalfPi(d, wide, huge);
        f.get(parts[0]).set(y).get(parts[2]).set(n);
      });
      if (cosine) f.get(n).f64x2Splat(1).op("f64x2.add").set(n);
      return { y, quadrant: quadrantBits(d, n) };
    });
    const y = l.keep(() => {
      for (const { y } of halves) f.get(y).op("f32x4.demote_f64x2_zero");
      f.shuffle32([0, 1, 4, 5]);
    });
    const quadrant = l.keep(() => {
      f.get(halves[0].quadrant).get(halves[1].quadrant).shuffle32([0, 2, 4, 6]);
    });
    const z = l.keep(l.mul(y, y));
    const sine = l.keep(
      l.add(
        y,
        l.mul(
          l.mul(z, y),
          l.polynomial(z, sineCurve),
        ),
      ),
    );
    const cosineValue = l.keep(
      l.add(
        l.sub(1, l.mul(z, 0.5)),
        l.mul(
          l.mul(z, z),
          l.polynomial(z, cosineCurve),
        ),
      ),
    );
    const value = l.pick(bitMask(l, quadrant, 0), cosineValue, sine);
    const result = l.bits(
      "xor",
      value,
      l.shift("shl", l.bits("and", quadrant, l.integerSplat(2n)), 30),
    );
    l.push(cosine ? result : l.pick(l.float("eq", x, 0), x, result));
  };
}

/** Two of the four float32 lanes as float64. */
export function promoteHalf(f: FunctionBuilder, x: Local, upper: boolean): Term {
  return () => {
    f.get(x);
    if (upper) f.get(x).shuffle32([2, 3, 2, 3]);
    f.op("f64x2.promote_low_f32x4");
  };
}

/** atan of two float64 lanes. */
export function arcTangent(l: Lanes, x: Local): Term {
  return () => {
    const a = l.keep(l.abs(x));
    const ranges = [0.4375, 0.6875, 1.1875, 2.4375].map((edge) => l.keep(l.float("ge", a, edge)));
    const choose = (values: readonly Term[]): Term => {
      let term = values[0];
      for (let i = 1; i < values.length; i++) term = l.pick(ranges[i - 1], values[i], term);
      return term;
    };
    const numerator = choose([
      a,
      l.sub(l.add(a, a), 1),
      l.sub(a, 1),
      l.sub(a, 1.5),
      -1,
    ]);
    const denominator = choose([1, l.add(a, 2), l.add(a, 1), l.add(l.mul(a, 1.5), 1), a]);
    const base = choose([
      0,
      0.4636476090008061,
      0.7853981633974483,
      0.982793723247329,
      1.5707963267948966,
    ]);
    const baseLow = choose([
      0,
      2.2698777452961687e-17,
      3.061616997868383e-17,
      1.3903311031230998e-17,
      6.123233995736766e-17,
    ]);
    const t = l.keep(l.div(numerator, denominator));
    const z = l.keep(l.mul(t, t));
    const p = l.mul(
      z,
      l.polynomialFast(z, [
        3.33333333333329318027e-01,
        -1.99999999998764832476e-01,
        1.42857142725034663711e-01,
        -1.11111104054623557880e-01,
        9.09088713343650656196e-02,
        -7.69187620504482999495e-02,
        6.66107313738753120669e-02,
        -5.83357013379057348645e-02,
        4.97687799461593236017e-02,
        -3.65315727442169155270e-02,
        1.62858201153657823623e-02,
      ]),
    );
    const result = l.sub(base, l.sub(l.sub(l.mul(t, p), baseLow), t));
    l.push(l.withSign(l.abs(result), l.signOf(x)));
  };
}

/** The angle of the point (x, y), of two float64 lanes. */
export function arcTangent2(l: Lanes, y: Local, x: Local): Term {
  return () => {
    const ay = l.keep(l.abs(y));
    const ax = l.keep(l.abs(x));
    // 0/0 stands for the angle 0 and ∞/∞ for π/4.
    const bothZero = l.float("eq", l.add(ax, ay), 0);
    const bothInfinite = l.float("eq", l.float("min", ax, ay), Infinity);
    const one = l.keep(l.bits("or", bothZero, bothInfinite));
    const top = l.pick(l.bits("and", one, l.float("eq", ay, Infinity)), 1, ay);
    const bottom = l.pick(one, 1, ax);
    const angle = l.keep(arcTangent(l, l.keep(l.div(top, bottom))));
    const negative = l.integer("lt_s", x, l.integerSplat(0n));
    const turned = l.sub(3.141592653589793, l.sub(angle, 1.2246467991473532e-16));
    const result = l.keep(l.pick(negative, turned, angle));
    // NaN in either operand: the quotient has it, except where the operand's sign was all that was used.
    const nan = l.float("ne", l.add(ax, ay), l.add(ax, ay));
    l.push(l.pick(nan, l.add(ax, ay), l.withSign(l.abs(result), l.signOf(y))));
  };
}
