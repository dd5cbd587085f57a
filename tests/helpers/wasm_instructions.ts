/**
 * Reads the instructions of a WebAssembly module: enough of the binary format (core specification 2.0, with threads) to
 * find where each begins. Written without the assembler's tables, so that a mistake there does not hide here.
 *
 * @module
 */

/** An instruction: its prefix (0 for none) and its code. */
export interface Instruction {
  readonly prefix: 0 | 0xfc | 0xfd | 0xfe;
  readonly code: number;
}

class Reader {
  constructor(private readonly bytes: Uint8Array, public at = 0) {}

  byte(): number {
    if (this.at >= this.bytes.length) throw new Error("the module ends within an instruction");
    return this.bytes[this.at++];
  }

  /** An unsigned number of up to 32 bits; signed ones of up to 64 bits are as long. */
  number(): number {
    let value = 0;
    for (let shift = 0;; shift += 7) {
      const byte = this.byte();
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
  }

  skip(count: number): void {
    this.at += count;
  }
}

function skipNumbers(reader: Reader, count: number): void {
  for (let i = 0; i < count; i++) reader.number();
}

/** Skips what follows an instruction without prefix. */
function skipPlain(reader: Reader, code: number): void {
  if (code >= 0x02 && code <= 0x04) reader.number(); // block, loop, if: a type
  else if (code === 0x0c || code === 0x0d || code === 0x10) reader.number(); // br, br_if, call
  else if (code === 0x0e) skipNumbers(reader, reader.number() + 1); // br_table
  else if (code === 0x11) skipNumbers(reader, 2); // call_indirect
  else if (code >= 0x20 && code <= 0x26) reader.number(); // locals, globals, tables
  else if (code >= 0x28 && code <= 0x3e) skipNumbers(reader, 2); // loads and stores
  else if (code >= 0x3f && code <= 0x42) reader.number(); // memory.size, memory.grow, i32.const, i64.const
  else if (code === 0x43) reader.skip(4); // f32.const
  else if (code === 0x44) reader.skip(8); // f64.const
  else if (code > 0xc4) throw new Error(`no instruction ${code.toString(16)}`);
}

function skipMisc(reader: Reader, code: number): void {
  if (code === 8 || code === 10) skipNumbers(reader, 2); // memory.init, memory.copy
  else if (code === 9 || code === 11) reader.number(); // data.drop, memory.fill
  else if (code > 7) throw new Error(`no instruction fc ${code.toString(16)}`);
}

function skipVector(reader: Reader, code: number): void {
  if (code <= 11 || code === 92 || code === 93) skipNumbers(reader, 2); // loads and a store
  else if (code === 12 || code === 13) reader.skip(16); // v128.const, i8x16.shuffle
  else if (code >= 21 && code <= 34) reader.skip(1); // lanes
  else if (code >= 84 && code <= 91) {
    skipNumbers(reader, 2); // loads and stores of a lane
    reader.skip(1);
  } else if (code > 0x113) throw new Error(`no instruction fd ${code.toString(16)}`);
}

/** The instructions of all functions. */
export function instructionsOf(module: Uint8Array): Instruction[] {
  const reader = new Reader(module, 8);
  const found: Instruction[] = [];
  while (reader.at < module.length) {
    const section = reader.byte();
    const size = reader.number();
    const end = reader.at + size;
    if (section !== 10) {
      reader.at = end;
      continue;
    }
    for (let functions = reader.number(); functions > 0; functions--) {
      const bodySize = reader.number();
      const bodyEnd = reader.at + bodySize;
      for (let groups = reader.number(); groups > 0; groups--) skipNumbers(reader, 2);
      while (reader.at < bodyEnd) {
        const byte = reader.byte();
        if (byte < 0xfc) {
          skipPlain(reader, byte);
          found.push({ prefix: 0, code: byte });
          continue;
        }
        const code = reader.number();
        if (byte === 0xfc) skipMisc(reader, code);
        else if (byte === 0xfd) skipVector(reader, code);
        else if (code === 3) reader.skip(1); // atomic.fence
        else skipNumbers(reader, 2);
        found.push({ prefix: byte as Instruction["prefix"], code });
      }
      if (reader.at !== bodyEnd) throw new Error("a function ends within an instruction");
    }
  }
  return found;
}

/** Whether an instruction's result depends on the processor: those of the relaxed SIMD proposal. */
export function isRelaxed({ prefix, code }: Instruction): boolean {
  return prefix === 0xfd && code >= 0x100;
}
