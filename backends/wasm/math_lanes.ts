/**
 * Expressions over vector lanes: terms that emit code when they are used.
 *
 * @module
 */
import type { FunctionBuilder, Local, OpName } from "./assembler.ts";

/** How a vector's lanes are read as floating point numbers. */
export type LaneShape = "f32x4" | "f64x2";

/** Something that leaves one value on the stack: a local, a number (in every lane), or emitted code. */
export type Term = Local | number | (() => void);

/**
 * Constants that a function keeps in locals from its start on, because engines build a vector constant anew wherever it is
 * used. A first pass over throwaway code records them, a second uses them.
 */
export class ConstantPool {
  readonly #vectors = new Map<string, Uint8Array>();
  #locals: Map<string, Local> | null = null;

  /** Ends the recording: the constants recorded so far become locals of the function. */
  define(f: FunctionBuilder): void {
    this.#locals = new Map();
    for (const [key, bytes] of this.#vectors) {
      const local = f.local("v128");
      f.v128Const(bytes).set(local);
      this.#locals.set(key, local);
    }
  }

  /** Pushes a vector of 16 bytes. */
  push(f: FunctionBuilder, bytes: Uint8Array): void {
    const key = bytes.join();
    const local = this.#locals?.get(key);
    if (local !== undefined) {
      f.get(local);
      return;
    }
    // Zero and all ones need no load.
    const plain = bytes.every((byte) => byte === 0) || bytes.every((byte) => byte === 255);
    if (this.#locals === null && !plain) this.#vectors.set(key, bytes.slice());
    f.v128Const(bytes);
  }
}

/** How arithmetic on vectors is written. */
export interface LaneStyle {
  /** Whether relaxed instructions may be used, where multiply-adds are known to round once. */
  readonly fused: boolean;
  /** Where constants come from, if not from the code itself. */
  readonly pool: ConstantPool | null;
  /** Called where nothing is on the stack: other code may come in between. */
  readonly pause?: () => void;
  /**
   * Takes a mask of the lanes for which a shorter form is right. Who gives this computes a vector anew, without it, where
   * one of the lanes is not among these: then the code is right for all operands, and the same to the last bit for these.
   */
  readonly expect?: (usual: Local) => void;
}

/** The bytes of a vector of equal numbers. */
function splatBytes(shape: LaneShape, value: number): Uint8Array {
  const array = shape === "f32x4" ? new Float32Array(4) : new Float64Array(2);
  array.fill(value);
  return new Uint8Array(array.buffer);
}

/** Writes arithmetic on vectors as expressions. Terms are emitted each time they are used: `keep` what is used twice. */
export class Lanes {
  /** The function that receives the code. */
  readonly f: FunctionBuilder;
  /** The lanes' type. */
  readonly shape: LaneShape;
  /** The integer lanes of the same width. */
  readonly integers: "i32x4" | "i64x2";

  /** Whether a multiply-add rounds once. */
  readonly fused: boolean;
  readonly #pool: ConstantPool | null;
  readonly #pause: (() => void) | undefined;
  /** See `LaneStyle`. */
  readonly expect: ((usual: Local) => void) | undefined;
  /** How many operands stand on the stack while others are evaluated. */
  #waiting = 0;

  constructor(f: FunctionBuilder, shape: LaneShape, { fused, pool, pause, expect }: LaneStyle) {
    this.f = f;
    this.shape = shape;
    this.fused = fused;
    this.#pool = pool;
    this.#pause = pause;
    this.expect = expect;
    this.integers = shape === "f32x4" ? "i32x4" : "i64x2";
  }

  /** Leaves the term on the stack. */
  push(term: Term): void {
    if (typeof term === "number") {
      this.#constant(splatBytes(this.shape, term));
    } else if (typeof term === "function") term();
    else this.f.get(term);
  }

  /** Evaluates the term now, into a local. */
  keep(term: Term): Local {
    const local = this.f.local("v128");
    this.push(term);
    this.f.set(local);
    if (this.#waiting === 0) this.#pause?.();
    return local;
  }

  #constant(bytes: Uint8Array): void {
    if (this.#pool === null) this.f.v128Const(bytes);
    else this.#pool.push(this.f, bytes);
  }

  #apply(name: string, terms: readonly Term[]): Term {
    return () => {
      for (const term of terms) {
        this.push(term);
        this.#waiting++;
      }
      this.#waiting -= terms.length;
      this.f.op(name as OpName);
    };
  }

  /** An operation of the lanes' own type: `add`, `mul`, `lt`, `sqrt`, … */
  float(name: string, ...terms: Term[]): Term {
    return this.#apply(`${this.shape}.${name}`, terms);
  }

  /** An operation of the integer lanes of the same width. */
  integer(name: string, ...terms: Term[]): Term {
    return this.#apply(`${this.integers}.${name}`, terms);
  }

  /** An operation of whole vectors: `and`, `or`, `xor`, `andnot`, `not`, `bitselect`. */
  bits(name: string, ...terms: Term[]): Term {
    return this.#apply(`v128.${name}`, terms);
  }

  add(a: Term, b: Term): Term {
    return this.float("add", a, b);
  }

  sub(a: Term, b: Term): Term {
    return this.float("sub", a, b);
  }

  mul(a: Term, b: Term): Term {
    return this.float("mul", a, b);
  }

  div(a: Term, b: Term): Term {
    return this.float("div", a, b);
  }

  /** a·b + c, rounded once where that is one instruction. */
  multiplyAdd(a: Term, b: Term, c: Term): Term {
    return this.fused ? this.float("relaxed_madd", a, b, c) : this.add(this.mul(a, b), c);
  }

  /** c − a·b, likewise. */
  multiplySubtract(a: Term, b: Term, c: Term): Term {
    return this.fused ? this.float("relaxed_nmadd", a, b, c) : this.sub(c, this.mul(a, b));
  }

  neg(a: Term): Term {
    return this.float("neg", a);
  }

  abs(a: Term): Term {
    return this.float("abs", a);
  }

  /** Where the mask holds a, else b; the mask's lanes are all ones or zero. */
  pick(mask: Term, a: Term, b: Term): Term {
    // Equal for such masks, and one instruction of the processor instead of three.
    return this.fused
      ? this.integer("relaxed_laneselect", a, b, mask)
      : this.bits("bitselect", a, b, mask);
  }

  /** Integer lanes of one value, which may be below 2^63. */
  integerSplat(value: bigint): Term {
    return () => {
      const bytes = new DataView(new ArrayBuffer(16));
      if (this.shape === "f64x2") {
        bytes.setBigUint64(0, BigInt.asUintN(64, value), true);
        bytes.setBigUint64(8, BigInt.asUintN(64, value), true);
      } else {
        for (let i = 0; i < 16; i += 4) {
          bytes.setUint32(i, Number(BigInt.asUintN(32, value)), true);
        }
      }
      this.#constant(new Uint8Array(bytes.buffer));
    };
  }

  /** A shift of the integer lanes by a fixed count. */
  shift(name: "shl" | "shr_s" | "shr_u", a: Term, count: number): Term {
    return () => {
      this.push(a);
      this.f.i32(count).op(`${this.integers}.${name}`);
    };
  }

  /** The sign bits of a. */
  signOf(a: Term): Term {
    return this.bits("and", a, -0);
  }

  /** |a| with the sign bits of `sign`; a must not be negative. */
  withSign(a: Term, sign: Term): Term {
    return this.bits("or", a, sign);
  }

  /** c[0] + x·(c[1] + x·(…)), by Horner's rule. */
  polynomial(x: Local, coefficients: readonly number[]): Term {
    let term: Term = coefficients[coefficients.length - 1];
    for (let i = coefficients.length - 2; i >= 0; i--) {
      term = this.multiplyAdd(term, x, coefficients[i]);
    }
    return term;
  }

  /** The same polynomial in two interleaved halves in x², for a shorter chain of dependent operations. */
  polynomialFast(x: Local, coefficients: readonly number[]): Term {
    if (coefficients.length < 5) return this.polynomial(x, coefficients);
    return () => {
      const square = this.keep(this.mul(x, x));
      const even = coefficients.filter((_, i) => i % 2 === 0);
      const odd = coefficients.filter((_, i) => i % 2 === 1);
      this.push(
        this.multiplyAdd(this.polynomial(square, odd), x, this.polynomial(square, even)),
      );
    };
  }

  /** Whether any bit of the mask is set, as an i32 on the stack. */
  anyTrue(mask: Term): void {
    this.push(mask);
    this.f.op("v128.any_true");
  }
}
