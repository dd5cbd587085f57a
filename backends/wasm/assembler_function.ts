/**
 * The body of one function, instruction by instruction.
 *
 * It checks what the types of TypeScript cannot (lanes, label scopes) and leaves validation of stack types to the engine.
 */
import {
  atomicAccesses,
  saturatingOpcodes,
  scalarLoads,
  scalarOpcodes,
  scalarStores,
} from "./assembler_opcodes.ts";
import {
  laneLoads,
  laneOpcodes,
  laneStores,
  relaxedSimdOpcodes,
  simdLoads,
  simdOpcodes,
  simdStores,
} from "./assembler_simd_opcodes.ts";
import { ByteWriter, typeCodes, type ValueType } from "./assembler_encoding.ts";

/** Instructions without immediates. */
export type OpName =
  | keyof typeof scalarOpcodes
  | keyof typeof saturatingOpcodes
  | keyof typeof simdOpcodes
  | keyof typeof relaxedSimdOpcodes;
/** Loads that take an address. */
export type LoadName = keyof typeof scalarLoads | keyof typeof simdLoads;
/** Stores that take an address and a value. */
export type StoreName = keyof typeof scalarStores | keyof typeof simdStores;
/** Instructions with a lane index. */
export type LaneName = keyof typeof laneOpcodes;
/** Loads that replace one lane. */
export type LoadLaneName = keyof typeof laneLoads;
/** Stores of one lane. */
export type StoreLaneName = keyof typeof laneStores;
/** Atomic loads, stores, read-modify-writes, wait and notify. */
export type AtomicName = keyof typeof atomicAccesses;

/** A function that code can call, imported or defined. */
export interface FunctionReference {
  readonly index: number;
  readonly name: string;
  readonly parameters: readonly ValueType[];
  readonly results: readonly ValueType[];
}

/** A parameter or local variable of one function. */
export interface Local {
  readonly index: number;
  readonly type: ValueType;
}

/** The target of a branch: leaving a block, or starting a loop again. */
export interface Label {
  readonly depth: number;
}

/** The encoded bytes of every instruction without its immediates, and its alignment. */
const encodings = new Map<string, { bytes: Uint8Array; alignment: number }>();

/** Enters one opcode table into the encodings. */
function register(
  prefix: number | undefined,
  table: Readonly<Record<string, number | readonly [number, number]>>,
): void {
  for (const [name, entry] of Object.entries(table)) {
    const [opcode, alignment] = typeof entry === "number" ? [entry, 0] : entry;
    const bytes = new ByteWriter();
    if (prefix === undefined) bytes.push(opcode);
    else bytes.push(prefix).unsigned(opcode);
    encodings.set(name, { bytes: bytes.copy(), alignment });
  }
}
for (const table of [scalarOpcodes, scalarLoads, scalarStores]) register(undefined, table);
register(0xfc, saturatingOpcodes);
for (const table of [simdOpcodes, relaxedSimdOpcodes, laneOpcodes]) register(0xfd, table);
for (const table of [simdLoads, simdStores, laneLoads, laneStores]) register(0xfd, table);
register(0xfe, atomicAccesses);

/** The four or eight bytes of a number, through one shared buffer. */
const scratchView = new DataView(new ArrayBuffer(16));
const scratchBytes = new Uint8Array(scratchView.buffer);

/** Builds the body of one function: every method appends an instruction and returns the builder. */
export class FunctionBuilder {
  /** The function being built, for recursive calls. */
  readonly reference: FunctionReference;
  #code = new ByteWriter();
  #locals: ValueType[] = [];
  #depth = 0;

  constructor(reference: FunctionReference) {
    this.reference = reference;
  }

  /** The parameter at position `i`. */
  parameter(i: number): Local {
    const type = this.reference.parameters[i];
    if (type === undefined) {
      throw new RangeError(
        `function ${this.reference.name} has ${this.reference.parameters.length} parameters, and none at ${i}`,
      );
    }
    return { index: i, type };
  }

  /** A new local variable, zero at the start of the function. */
  local(type: ValueType): Local {
    this.#locals.push(type);
    return { index: this.reference.parameters.length + this.#locals.length - 1, type };
  }

  /** `count` new local variables of one type. */
  locals(type: ValueType, count: number): Local[] {
    return Array.from({ length: count }, () => this.local(type));
  }

  /**
   * Builds several pieces of code and weaves them together: each is cut where it calls `cut`, and the cuts are taken in
   * turn. Nothing may be left on the stack at a cut, nor a block open.
   */
  weave(pieces: readonly ((cut: () => void) => void)[]): this {
    const outer = this.#code;
    const built = pieces.map((build) => {
      this.#code = new ByteWriter();
      const cuts = [0];
      const cut = () => void cuts.push(this.#code.length);
      build(cut);
      cut();
      return { bytes: this.#code.written, cuts };
    });
    this.#code = outer;
    for (let i = 1; built.some(({ cuts }) => i < cuts.length); i++) {
      for (const { bytes, cuts } of built) {
        if (i < cuts.length) outer.append(bytes.subarray(cuts[i - 1], cuts[i]));
      }
    }
    return this;
  }

  #indexed(opcode: number, index: number): this {
    this.#code.push(opcode).unsigned(index);
    return this;
  }

  /** Pushes a local. */
  get(local: Local): this {
    return this.#indexed(0x20, local.index);
  }

  /** Pops into a local. */
  set(local: Local): this {
    return this.#indexed(0x21, local.index);
  }

  /** Copies the top of the stack into a local and leaves it there. */
  tee(local: Local): this {
    return this.#indexed(0x22, local.index);
  }

  /** Pushes a 32-bit constant: any integer from -2^31 to 2^32 - 1. */
  i32(value: number): this {
    if (!Number.isInteger(value) || value < -0x80000000 || value > 0xffffffff) {
      throw new RangeError(`i32 constant ${value} is not an integer of 32 bits`);
    }
    this.#code.push(0x41);
    this.#code.signed(value | 0);
    return this;
  }

  /** Pushes a 64-bit constant, wrapped to 64 bits. */
  i64(value: bigint): this {
    this.#code.push(0x42);
    this.#code.signed64(BigInt.asIntN(64, value));
    return this;
  }

  /** Pushes a float32 constant. */
  f32(value: number): this {
    scratchView.setFloat32(0, value, true);
    this.#code.push(0x43).append(scratchBytes.subarray(0, 4));
    return this;
  }

  /** Pushes a float64 constant. */
  f64(value: number): this {
    scratchView.setFloat64(0, value, true);
    this.#code.push(0x44).append(scratchBytes.subarray(0, 8));
    return this;
  }

  /** Pushes a vector of 16 given bytes. */
  v128Const(bytes: Uint8Array): this {
    if (bytes.length !== 16) {
      throw new RangeError(`v128Const takes 16 bytes, not ${bytes.length}`);
    }
    this.#code.push(0xfd).push(0x0c).append(bytes);
    return this;
  }

  /** Pushes a constant vector of four equal float32 lanes. */
  f32x4Splat(value: number): this {
    for (let i = 0; i < 16; i += 4) scratchView.setFloat32(i, value, true);
    return this.v128Const(scratchBytes);
  }

  /** Pushes a constant vector of two equal float64 lanes. */
  f64x2Splat(value: number): this {
    for (let i = 0; i < 16; i += 8) scratchView.setFloat64(i, value, true);
    return this.v128Const(scratchBytes);
  }

  /** Pushes a constant vector of four equal 32-bit lanes. */
  i32x4Splat(value: number): this {
    for (let i = 0; i < 16; i += 4) scratchView.setInt32(i, value, true);
    return this.v128Const(scratchBytes);
  }

  #encode(name: string): { alignment: number } {
    const encoding = encodings.get(name);
    if (encoding === undefined) throw new RangeError(`there is no instruction "${name}"`);
    const { bytes } = encoding;
    for (let i = 0; i < bytes.length; i++) this.#code.push(bytes[i]);
    return encoding;
  }

  #access(name: string, offset: number): this {
    if (!Number.isInteger(offset) || offset < 0 || offset > 0xffffffff) {
      throw new RangeError(`${name}: offset ${offset} is not an unsigned integer of 32 bits`);
    }
    const { alignment } = this.#encode(name);
    this.#code.push(alignment);
    this.#code.unsigned(offset);
    return this;
  }

  /** An instruction without immediates. */
  op(name: OpName): this {
    this.#encode(name);
    return this;
  }

  /** address → value, read at the address plus `offset`. */
  load(name: LoadName, offset = 0): this {
    return this.#access(name, offset);
  }

  /** address, value → nothing, written at the address plus `offset`. */
  store(name: StoreName, offset = 0): this {
    return this.#access(name, offset);
  }

  /** vector → scalar for extract, vector, scalar → vector for replace. */
  lane(name: LaneName, lane: number): this {
    this.#encode(name);
    this.#code.push(
      this.#checkLane(name, lane, Number(name.slice(name.indexOf("x") + 1, name.indexOf(".")))),
    );
    return this;
  }

  /** address, vector → vector with one lane read from memory. */
  loadLane(name: LoadLaneName, lane: number, offset = 0): this {
    this.#access(name, offset);
    this.#code.push(this.#checkLane(name, lane, 16 >> laneLoads[name][1]));
    return this;
  }

  /** address, vector → nothing, one lane written to memory. */
  storeLane(name: StoreLaneName, lane: number, offset = 0): this {
    this.#access(name, offset);
    this.#code.push(this.#checkLane(name, lane, 16 >> laneStores[name][1]));
    return this;
  }

  #checkLane(name: string, lane: number, count: number): number {
    if (!Number.isInteger(lane) || lane < 0 || lane >= count) {
      throw new RangeError(`${name}: lane ${lane} is not in 0..${count - 1}`);
    }
    return lane;
  }

  /** a, b → the 16 bytes chosen by `lanes`: 0 to 15 from a, 16 to 31 from b. */
  shuffle(lanes: readonly number[]): this {
    if (lanes.length !== 16) throw new RangeError(`shuffle takes 16 lanes, not ${lanes.length}`);
    this.#code.push(0xfd).push(0x0d);
    for (const lane of lanes) this.#code.push(this.#checkLane("shuffle", lane, 32));
    return this;
  }

  /** `shuffle` by 32-bit lanes: four numbers, 0 to 3 from a, 4 to 7 from b. */
  shuffle32(lanes: readonly number[]): this {
    if (lanes.length !== 4) throw new RangeError(`shuffle32 takes 4 lanes, not ${lanes.length}`);
    this.#code.push(0xfd).push(0x0d);
    for (const lane of lanes) {
      const first = 4 * this.#checkLane("shuffle32", lane, 8);
      for (let byte = 0; byte < 4; byte++) this.#code.push(first + byte);
    }
    return this;
  }

  /** An atomic access at the address plus `offset`, which must be aligned to its size. */
  atomic(name: AtomicName, offset = 0): this {
    return this.#access(name, offset);
  }

  /** Orders all memory accesses before it with those after it. */
  atomicFence(): this {
    this.#code.push(0xfe).push(0x03).push(0x00);
    return this;
  }

  #enter(opcode: number, result: ValueType | undefined): Label {
    this.#code.push(opcode).push(result === undefined ? 0x40 : typeCodes[result]);
    this.#depth++;
    return { depth: this.#depth };
  }

  #leave(): this {
    this.#code.push(0x0b);
    this.#depth--;
    return this;
  }

  /** A block: branching to its label leaves it. */
  block(body: (label: Label) => void, result?: ValueType): this {
    body(this.#enter(0x02, result));
    return this.#leave();
  }

  /** A loop: branching to its label starts it again, falling off its end leaves it. */
  loop(body: (label: Label) => void, result?: ValueType): this {
    body(this.#enter(0x03, result));
    return this.#leave();
  }

  /** condition → the first body when it is not zero, else the second: branching to the label leaves. */
  if_(then: (label: Label) => void, otherwise?: (label: Label) => void, result?: ValueType): this {
    const label = this.#enter(0x04, result);
    then(label);
    if (otherwise !== undefined) {
      this.#code.push(0x05);
      otherwise(label);
    }
    return this.#leave();
  }

  #relative(target: Label | number): number {
    const depth = typeof target === "number" ? target : this.#depth - target.depth;
    if (!Number.isInteger(depth) || depth < 0 || depth > this.#depth) {
      throw new RangeError(
        `function ${this.reference.name}: branch to a label that is not in scope`,
      );
    }
    return depth;
  }

  /** Branches to a label, or to the construct that many levels out. */
  br(target: Label | number): this {
    return this.#indexed(0x0c, this.#relative(target));
  }

  /** condition → branches when it is not zero. */
  brIf(target: Label | number): this {
    return this.#indexed(0x0d, this.#relative(target));
  }

  /** index → branches to the label at that index, or to `otherwise` beyond the last. */
  brTable(targets: readonly (Label | number)[], otherwise: Label | number): this {
    this.#code.push(0x0e);
    this.#code.unsigned(targets.length);
    for (const target of targets) this.#code.unsigned(this.#relative(target));
    this.#code.unsigned(this.#relative(otherwise));
    return this;
  }

  /** arguments → results of a function. */
  call(target: FunctionReference): this {
    return this.#indexed(0x10, target.index);
  }

  /** Leaves the function with the results on the stack. */
  return_(): this {
    this.#code.push(0x0f);
    return this;
  }

  /** Pops a value. */
  drop(): this {
    this.#code.push(0x1a);
    return this;
  }

  /** a, b, condition → a when it is not zero, else b. Vectors need their type named. */
  select(type?: ValueType): this {
    if (type === undefined) this.#code.push(0x1b);
    else this.#code.push(0x1c).push(1).push(typeCodes[type]);
    return this;
  }

  /** Traps. */
  unreachable(): this {
    this.#code.push(0x00);
    return this;
  }

  /** → the size of the memory in pages of 65,536 bytes. */
  memorySize(): this {
    this.#code.push(0x3f).push(0x00);
    return this;
  }

  /** pages → the size before growing, or -1 when the memory cannot grow. */
  memoryGrow(): this {
    this.#code.push(0x40).push(0x00);
    return this;
  }

  /** destination, byte value, length → nothing. */
  memoryFill(): this {
    this.#code.push(0xfc).push(0x0b).push(0x00);
    return this;
  }

  /** destination, source, length → nothing: the ranges may overlap. */
  memoryCopy(): this {
    this.#code.push(0xfc).push(0x0a).push(0x00).push(0x00);
    return this;
  }

  /** The function's entry of the code section: its locals and instructions. */
  encode(): Uint8Array {
    const groups: { type: ValueType; count: number }[] = [];
    for (const type of this.#locals) {
      const last = groups.at(-1);
      if (last !== undefined && last.type === type) last.count++;
      else groups.push({ type, count: 1 });
    }
    const bytes = new ByteWriter().unsigned(groups.length);
    for (const { type, count } of groups) bytes.unsigned(count).push(typeCodes[type]);
    return bytes.append(this.#code.written).push(0x0b).written;
  }
}
