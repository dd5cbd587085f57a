import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import fc from "fast-check";
import {
  formatNpy,
  type NpyData,
  type NpyDType,
  NpyError,
  parseNpy,
  readNpy,
  writeNpy,
} from "../lib/npy/mod.ts";

const folder = new URL("data/npy/", import.meta.url);
const expected: Record<string, { shape: number[]; values: (number | boolean | string)[] }> = JSON
  .parse(await Deno.readTextFile(new URL("expected.json", folder)));
const read = (name: string) => Deno.readFileSync(new URL(`${name}.npy`, folder));

const dtypes: Record<string, NpyDType> = {
  bool: "bool",
  i1: "int8",
  u1: "uint8",
  i2: "int16",
  u2: "uint16",
  i4: "int32",
  u4: "uint32",
  i8: "int32",
  u8: "int32",
  f2: "float32",
  f4: "float32",
  f8: "float64",
};

for (const [name, { shape, values }] of Object.entries(expected)) {
  if (name.endsWith("too-large")) continue;
  Deno.test(`reads ${name}.npy as NumPy does`, async () => {
    const array = await readNpy(new URL(`${name}.npy`, folder));
    const dtype = dtypes[name.split("-").at(-1)!];
    if (dtype) assertEquals(array.dtype, dtype);
    assertEquals(array.shape, shape);
    assertEquals(Array.from(array.data), values.map(Number));
  });
}

Deno.test("a 64-bit integer outside int32 is refused with its value and place", () => {
  const error = assertThrows(() => parseNpy(read("int64-too-large")), NpyError, "2147483648");
  assertStringIncludes(error.message, "element 1");
  assertThrows(() => parseNpy(read("uint64-too-large")), NpyError, "9223372036854775808");
});

Deno.test("types without a dtype here are refused by name", () => {
  assertThrows(() => parseNpy(read("complex")), NpyError, "'<c16'");
  assertThrows(() => parseNpy(read("text")), NpyError, "'<U3'");
  assertThrows(() => parseNpy(read("date")), NpyError, "'<M8[D]'");
  assertThrows(() => parseNpy(read("record")), NpyError, "structured");
});

Deno.test("unaligned bytes are copied, aligned ones are viewed", () => {
  const bytes = read("little-f8");
  for (let shift = 0; shift < 9; shift++) {
    const buffer = new ArrayBuffer(bytes.length + shift);
    const moved = new Uint8Array(buffer, shift);
    moved.set(bytes);
    const { data } = parseNpy(moved);
    assertEquals(data, parseNpy(bytes).data);
    assertEquals(data.buffer === buffer, shift % 8 === 0);
  }
});

Deno.test("writes the bytes that NumPy writes", () => {
  for (
    const name of ["bool", "i1", "u1", "little-i2", "little-u2", "little-i4", "little-u4"]
      .concat(["little-f4", "little-f8", "scalar", "vector", "empty", "high-rank"])
  ) assertEquals(formatNpy(parseNpy(read(name))), read(name), name);
});

Deno.test("every cut of a file is refused, and so is one byte more", () => {
  for (const name of ["little-f4", "version2", "version3", "scalar", "bool", "little-i8"]) {
    const bytes = read(name);
    for (let length = 0; length < bytes.length; length++) {
      assertThrows(() => parseNpy(bytes.subarray(0, length)), NpyError);
    }
    assertThrows(() => parseNpy(new Uint8Array([...bytes, 0])), NpyError, "found");
  }
});

Deno.test("a mutated file is read or refused with an NpyError, never anything else", () => {
  const names = ["little-f4", "version3", "big-f2", "fortran", "little-i8", "high-rank"];
  const change = fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), to: fc.nat(255) });
  let refused = 0;
  fc.assert(
    fc.property(fc.constantFrom(...names), fc.array(change, { minLength: 1 }), (name, changes) => {
      const bytes = read(name);
      for (const { at, to } of changes) bytes[Math.floor(at * Math.min(bytes.length, 128))] = to;
      try {
        const { shape, data } = parseNpy(bytes);
        assertEquals(shape.reduce((a, b) => a * b, 1), data.length);
      } catch (error) {
        assertInstanceOf(error, NpyError);
        refused++;
      }
    }),
    { numRuns: 2000, seed: 1 },
  );
  assert(refused > 100);
});

/** A file of version 1 with this header and this many bytes of data. */
function withHeader(header: string, dataBytes: number): Uint8Array {
  const bytes = new Uint8Array(10 + header.length + dataBytes);
  bytes.set([0x93, ...new TextEncoder().encode("NUMPY"), 1, 0, header.length & 255]);
  bytes[9] = header.length >> 8;
  bytes.set(new TextEncoder().encode(header), 10);
  return bytes;
}

Deno.test("malformed headers are refused with what was found and what was expected", () => {
  const cases: [string, string][] = [
    ["", "found its end"],
    ["[1, 2]", "expected a dictionary"],
    ["{'descr': '<f4', 'fortran_order': False}", "'shape' is missing"],
    ["{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}", "4 fields"],
    ["{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}", "True or False"],
    ["{'descr': 4, 'fortran_order': False, 'shape': (2,)}", "not a string"],
    ["{'descr': '<f4', 'fortran_order': False, 'shape': 2}", "tuple"],
    ["{'descr': '<f4', 'fortran_order': False, 'shape': (-2,)}", 'found "-"'],
    ["{'descr': '<f4', 'fortran_order': False, 'shape': (2.5,)}", 'found "."'],
    ["{'descr': '<f4', 'fortran_order': False, 'shape': (True,)}", "tuple"],
    ["{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", "tuple"],
    ["{'descr': '<f4', 'descr': '<f4', 'shape': (2,)}", "twice"],
    ["{'descr' '<f4'}", 'expected ":"'],
    ["{'descr': '<f4' 'shape': (2,)}", 'expected ","'],
    ["{'descr': f4}", 'found "f4"'],
    ["{'descr': 'f4', 'fortran_order': False, 'shape': (2,)}", "'f4' cannot be read"],
    ["{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} 3", "end of the header"],
    ["((((((((((((1,),),),),),),),),),),),)", "nested"],
    ["{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", "12 bytes of data, found 8"],
    [
      "{'descr': '<f4', 'fortran_order': False, 'shape': (9007199254740991, 9007199254740991)}",
      "found 8",
    ],
  ];
  for (const [header, message] of cases) {
    assertThrows(() => parseNpy(withHeader(header, 8)), NpyError, message, header);
  }
  assertThrows(
    () => parseNpy(new TextEncoder().encode("PK\x03\x04 a zip file")),
    NpyError,
    "50 4b",
  );
  const later = read("vector");
  later[6] = 4;
  assertThrows(() => parseNpy(later), NpyError, "version 4.0");
});

Deno.test("a header as Python 2 wrote it is read", () => {
  const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1L, 2L), }";
  assertEquals(parseNpy(withHeader(header, 8)).shape, [1, 2]);
});

Deno.test("arrays that do not fit are not written", () => {
  const data = new Float32Array(6);
  assertThrows(() => formatNpy({ shape: [2, 2], data }), NpyError, "needs 4 elements");
  assertThrows(() => formatNpy({ shape: [-2, -3], data }), NpyError, "[-2, -3]");
  assertThrows(() => formatNpy({ shape: [1.5, 4], data }), NpyError, "[1.5, 4]");
  assertThrows(() => formatNpy({ shape: new Array(65).fill(1), data }), NpyError, "64");
  assertThrows(() => formatNpy({ dtype: "float64", shape: [6], data }), NpyError, "Float64Array");
  assertThrows(
    () => formatNpy({ dtype: "complex64" as NpyDType, shape: [6], data }),
    NpyError,
    "complex64",
  );
  assertThrows(
    () => formatNpy({ shape: [1], data: [1] as unknown as NpyData }),
    NpyError,
    "type Array",
  );
  assertThrows(
    () => formatNpy({ shape: [1], data: new BigInt64Array(1) as unknown as NpyData }),
    NpyError,
    "BigInt64Array",
  );
});

Deno.test("writeNpy replaces whole files, leaves nothing behind, and readNpy names the file", async () => {
  const path = await Deno.makeTempDir();
  const list = () => Array.from(Deno.readDirSync(path), (entry) => entry.name).sort();
  try {
    const array = { shape: [2, 3], data: new Float32Array([1, 2, 3, 4, 5, 6]) };
    await writeNpy(`${path}/a b%.npy`, array);
    await writeNpy(`${path}/a b%.npy`, { shape: [1], data: new Int8Array([7]) });
    assertEquals(await readNpy(`${path}/a b%.npy`), {
      dtype: "int8",
      shape: [1],
      data: new Int8Array([7]),
    });
    const url = new URL(`file://${path}/c.npy`);
    await writeNpy(url, array);
    assertEquals((await readNpy(url)).data, array.data);
    assertEquals(list(), ["a b%.npy", "c.npy"]);

    await assertRejects(() => writeNpy(`${path}/c.npy`, { ...array, shape: [7] }), NpyError);
    await Deno.mkdir(`${path}/taken`);
    await Deno.writeTextFile(`${path}/taken/file`, "");
    await assertRejects(() => writeNpy(`${path}/taken`, array));
    await assertRejects(() => writeNpy(`${path}/none/c.npy`, array), Deno.errors.NotFound);
    assertEquals(list(), ["a b%.npy", "c.npy", "taken"]);

    await Deno.writeTextFile(`${path}/text.npy`, "this is no array");
    await assertRejects(() => readNpy(`${path}/text.npy`), NpyError, `${path}/text.npy`);
    await assertRejects(() => readNpy(`${path}/none.npy`), Deno.errors.NotFound);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
});
