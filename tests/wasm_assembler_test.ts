import { assert, assertEquals, assertThrows } from "@std/assert";
import { ModuleBuilder } from "../backends/wasm/assembler.ts";
import type { FunctionBuilder, OpName, ValueType } from "../backends/wasm/assembler.ts";
import {
  atomicAccesses,
  saturatingOpcodes,
  scalarLoads,
  scalarOpcodes,
  scalarStores,
} from "../backends/wasm/assembler_opcodes.ts";
import {
  laneLoads,
  laneOpcodes,
  laneStores,
  relaxedSimdOpcodes,
  simdLoads,
  simdOpcodes,
  simdStores,
} from "../backends/wasm/assembler_simd_opcodes.ts";

type Exports = Record<string, (...values: (number | bigint)[]) => number | bigint | undefined>;

/** A memory of one page, shared or not, and a module of functions over it. */
function instantiate(
  shared: boolean,
  define: (module: ModuleBuilder) => void,
): { exports: Exports; memory: WebAssembly.Memory } {
  const module = new ModuleBuilder();
  module.importMemory("env", "memory", 1, 1, shared);
  define(module);
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.build()), {
    env: { memory },
  });
  return { exports: instance.exports as unknown as Exports, memory };
}

/** One exported function over a page of memory. */
function compile(
  parameters: ValueType[],
  results: ValueType[],
  body: (f: FunctionBuilder) => void,
): Exports[string] {
  return instantiate(
    false,
    (module) => module.addFunction("main", parameters, results, body, { export: true }),
  ).exports.main;
}

Deno.test("assembler: constants survive their encodings", () => {
  for (
    const n of [0, 1, -1, 63, 64, -64, -65, 127, 128, 8191, 8192, -8192, 2 ** 31 - 1, -(2 ** 31)]
  ) {
    assertEquals(compile([], ["i32"], (f) => f.i32(n))(), n);
    assertEquals(compile([], ["i64"], (f) => f.i64(BigInt(n)))(), BigInt(n));
  }
  assertEquals(compile([], ["i32"], (f) => f.i32(0xffffffff))(), -1);
  for (const n of [2n ** 63n - 1n, -(2n ** 63n), 0x123456789abcdefn]) {
    assertEquals(compile([], ["i64"], (f) => f.i64(n))(), n);
  }
  assertEquals(compile([], ["f32"], (f) => f.f32(0.1))(), Math.fround(0.1));
  assertEquals(compile([], ["f64"], (f) => f.f64(-Math.PI))(), -Math.PI);
  assertThrows(() => compile([], ["i32"], (f) => f.i32(2 ** 32)), RangeError, "4294967296");
});

Deno.test("assembler: scalar arithmetic", () => {
  const binary = (name: OpName, type: ValueType) =>
    compile([type, type], [type], (f) => f.get(f.parameter(0)).get(f.parameter(1)).op(name));
  assertEquals(binary("i32.sub", "i32")(7, 10), -3);
  assertEquals(binary("i32.rem_s", "i32")(-7, 3), -1);
  assertEquals(binary("i32.shr_u", "i32")(-1, 28), 15);
  assertEquals(binary("i32.rotl", "i32")(0x40000001, 2), 5);
  assertEquals(binary("i64.mul", "i64")(1n << 40n, 3n), 3n << 40n);
  assertEquals(binary("f64.copysign", "f64")(2, -0), -2);
  assertEquals(binary("f32.div", "f32")(1, 3), Math.fround(1 / 3));
  const unary = (name: OpName, from: ValueType, to: ValueType) =>
    compile([from], [to], (f) => f.get(f.parameter(0)).op(name));
  assertEquals(unary("i32.trunc_sat_f32_s", "f32", "i32")(1e20), 2 ** 31 - 1);
  assertEquals(unary("f64.nearest", "f64", "f64")(2.5), 2);
  assertEquals(unary("i64.extend_i32_u", "i32", "i64")(-1), 0xffffffffn);
  assertEquals(unary("i32.reinterpret_f32", "f32", "i32")(1), 0x3f800000);
  assertEquals(unary("i32.popcnt", "i32", "i32")(0xff), 8);
});

Deno.test("assembler: loops, branches and calls", () => {
  const { exports } = instantiate(false, (module) => {
    // The sum of 1..n, leaving the block from inside the loop.
    module.addFunction("triangle", ["i32"], ["i32"], (f) => {
      const n = f.parameter(0);
      const sum = f.local("i32");
      f.block((done) => {
        f.loop((again) => {
          f.get(n).op("i32.eqz").brIf(done);
          f.get(sum).get(n).op("i32.add").set(sum);
          f.get(n).i32(1).op("i32.sub").set(n);
          f.br(again);
        });
      });
      f.get(sum);
    }, { export: true });
    const factorial = module.addFunction("factorial", ["f64"], ["f64"], (f) => {
      const n = f.parameter(0);
      f.get(n).f64(2).op("f64.lt").if_(
        () => f.f64(1),
        () => f.get(n).get(n).f64(1).op("f64.sub").call(f.reference).op("f64.mul"),
        "f64",
      );
    });
    module.addFunction("binomial", ["f64", "f64"], ["f64"], (f) => {
      const n = f.parameter(0);
      const k = f.parameter(1);
      f.get(n).call(factorial);
      f.get(k).call(factorial).get(n).get(k).op("f64.sub").call(factorial).op("f64.mul");
      f.op("f64.div");
    }, { export: true });
    module.addFunction("choose", ["i32"], ["i32"], (f) => {
      f.block(() => {
        f.block((one) => {
          f.block((zero) => f.get(f.parameter(0)).brTable([zero, one], 2));
          f.i32(10).return_();
        });
        f.i32(11).return_();
      });
      f.i32(12);
    }, { export: true });
  });
  assertEquals(exports.triangle(100), 5050);
  assertEquals(exports.binomial(10, 3), 120);
  assertEquals([0, 1, 2, 3].map((i) => exports.choose(i)), [10, 11, 12, 12]);
  assertThrows(() => compile([], [], (f) => f.br(1)), RangeError, "not in scope");
});

Deno.test("assembler: woven pieces take turns and keep their own order", () => {
  const module = new ModuleBuilder();
  module.addFunction("digits", [], ["i32"], (f) => {
    const sum = f.local("i32");
    const digit = (d: number) => f.get(sum).i32(10).op("i32.mul").i32(d).op("i32.add").set(sum);
    digit(9).weave([
      (cut) => {
        digit(1);
        cut();
        f.weave([() => digit(2), () => digit(3)]);
        cut();
        digit(4);
      },
      () => digit(5),
      (cut) => {
        digit(6);
        cut();
        digit(7);
      },
    ]);
    digit(8).get(sum);
  }, { export: true });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.build()));
  assertEquals((instance.exports.digits as () => number)(), 915623748);
});

Deno.test("assembler: imported functions", () => {
  const seen: number[] = [];
  const module = new ModuleBuilder();
  const report = module.importFunction("host", "report", ["i32"], []);
  module.addFunction("main", [], [], (f) => f.i32(3).call(report).i32(4).call(report), {
    export: true,
  });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.build()), {
    host: { report: (n: number) => seen.push(n) },
  });
  (instance.exports.main as () => void)();
  assertEquals(seen, [3, 4]);
  assertThrows(() => module.importFunction("host", "late", [], []), RangeError, "late");
});

Deno.test("assembler: vectors", () => {
  const { exports, memory } = instantiate(false, (module) => {
    module.addFunction("axpy", ["f32"], [], (f) => {
      f.i32(32).get(f.parameter(0)).op("f32x4.splat").i32(0).load("v128.load").i32(0).load(
        "v128.load",
        16,
      ).op("f32x4.relaxed_madd").store("v128.store");
    }, { export: true });
    module.addFunction("lanes", [], ["f32"], (f) => {
      f.i32(0).load("v128.load").i32(16).load("v128.load").shuffle32([3, 2, 7, 4]);
      f.lane("f32x4.extract_lane", 2);
    }, { export: true });
    module.addFunction("constant", [], ["i32"], (f) => {
      f.f32x4Splat(2.5).op("i32x4.trunc_sat_f32x4_s").i32x4Splat(40).op("i32x4.add");
      f.lane("i32x4.extract_lane", 3);
    }, { export: true });
    module.addFunction("laneAccess", [], [], (f) => {
      f.i32(48);
      f.i32(4).f32x4Splat(0).loadLane("v128.load32_lane", 1);
      f.storeLane("v128.store32_lane", 1);
    }, { export: true });
    module.addFunction("dot", [], ["f64"], (f) => {
      f.f64x2Splat(3).f64x2Splat(0.5).f64x2Splat(1).op("f64x2.relaxed_nmadd");
      f.lane("f64x2.extract_lane", 1);
    }, { export: true });
  });
  const data = new Float32Array(memory.buffer);
  data.set([1, 2, 3, 4, 10, 20, 30, 40]);
  exports.axpy(2);
  assertEquals([...data.subarray(8, 12)], [12, 24, 36, 48]);
  assertEquals(exports.lanes(), 40);
  assertEquals(exports.constant(), 42);
  exports.laneAccess();
  assertEquals(data[12], 2);
  assertEquals(exports.dot(), -0.5);
  assertThrows(() => compile([], [], (f) => f.lane("f64x2.extract_lane", 2)), RangeError, "lane 2");
});

Deno.test("assembler: memory.fill and memory.copy", () => {
  const { exports, memory } = instantiate(false, (module) => {
    module.addFunction("main", [], ["i32"], (f) => {
      f.i32(8).i32(7).i32(4).memoryFill();
      f.i32(10).i32(8).i32(4).memoryCopy();
      f.memorySize();
    }, { export: true });
  });
  assertEquals(exports.main(), 1);
  assertEquals([...new Uint8Array(memory.buffer, 8, 8)], [7, 7, 7, 7, 7, 7, 0, 0]);
});

Deno.test("assembler: atomics on shared memory", () => {
  const { exports, memory } = instantiate(true, (module) => {
    module.addFunction("main", [], ["i32"], (f) => {
      f.i32(0).i32(5).atomic("i32.atomic.store", 4);
      f.i32(4).i32(3).atomic("i32.atomic.rmw.add").drop();
      f.i32(4).i32(8).i32(100).atomic("i32.atomic.rmw.cmpxchg").drop();
      f.atomicFence();
      f.i32(4).i32(1).atomic("memory.atomic.notify").drop();
      // 1 means that the value was not the expected one.
      f.i32(4).i32(0).i64(0n).atomic("memory.atomic.wait32");
    }, { export: true });
  });
  assert(memory.buffer instanceof SharedArrayBuffer);
  assertEquals(exports.main(), 1);
  assertEquals(new Int32Array(memory.buffer)[1], 100);
});

/** A vector name's scalar type on the stack. */
function scalarOf(shape: string): ValueType {
  return shape === "i64x2" ? "i64" : shape === "f32x4" ? "f32" : shape === "f64x2" ? "f64" : "i32";
}

/** The operands and the result of an instruction without immediates, read off its name. */
function signature(name: string): { operands: ValueType[]; result: ValueType } {
  const [prefix, operation] = name.split(".");
  if (prefix.includes("x") || prefix === "v128") {
    if (operation === "splat") return { operands: [scalarOf(prefix)], result: "v128" };
    if (/^(all_true|any_true|bitmask)$/.test(operation)) {
      return { operands: ["v128"], result: "i32" };
    }
    if (/^sh[lr]/.test(operation)) return { operands: ["v128", "i32"], result: "v128" };
    if (/madd|laneselect|dot_.*_add|bitselect/.test(operation)) {
      return { operands: ["v128", "v128", "v128"], result: "v128" };
    }
    const unary =
      /^(not|abs|neg|sqrt|ceil|floor|trunc|nearest|popcnt|demote|promote|convert|extend|extadd|relaxed_trunc)/;
    return { operands: unary.test(operation) ? ["v128"] : ["v128", "v128"], result: "v128" };
  }
  const type = prefix as ValueType;
  const from = operation.match(/_(i32|i64|f32|f64)/)?.[1] as ValueType | undefined;
  if (from !== undefined) return { operands: [from], result: type };
  if (operation === "eqz") return { operands: [type], result: "i32" };
  if (/^(eq|ne|lt|gt|le|ge)(_|$)/.test(operation)) return { operands: [type, type], result: "i32" };
  const unary = /^(clz|ctz|popcnt|abs|neg|ceil|floor|trunc|nearest|sqrt|extend\d)/;
  return { operands: unary.test(operation) ? [type] : [type, type], result: type };
}

Deno.test("assembler: every instruction validates with the types that its name promises", () => {
  const valid = (body: (f: FunctionBuilder) => void) => {
    const module = new ModuleBuilder();
    module.importMemory("env", "memory", 1, 1, true);
    module.addFunction("main", [], [], body);
    return WebAssembly.validate(module.build());
  };
  const names = <T extends object>(table: T) => Object.keys(table) as (keyof T & string)[];
  const push = (f: FunctionBuilder, type: ValueType) => f.get(f.local(type));
  let count = 0;
  const check = (name: string, body: (f: FunctionBuilder) => void) => {
    assert(valid(body), name);
    count++;
  };
  for (const table of [scalarOpcodes, saturatingOpcodes, simdOpcodes, relaxedSimdOpcodes]) {
    for (const name of names(table) as OpName[]) {
      const { operands, result } = signature(name);
      check(name, (f) => {
        for (const type of operands) push(f, type);
        f.op(name).set(f.local(result));
      });
    }
  }
  const typeOf = (name: string) => name.split(".")[0] as ValueType;
  for (const name of [...names(scalarLoads), ...names(simdLoads)]) {
    check(name, (f) => f.i32(0).load(name, 300).set(f.local(typeOf(name))));
  }
  for (const name of [...names(scalarStores), ...names(simdStores)]) {
    check(name, (f) => push(f.i32(0), typeOf(name)).store(name));
  }
  for (const name of names(laneOpcodes)) {
    check(name, (f) => {
      const scalar = scalarOf(name.split(".")[0]);
      push(f, "v128");
      if (name.includes("replace")) push(f, scalar).lane(name, 1).set(f.local("v128"));
      else f.lane(name, 1).set(f.local(scalar));
    });
  }
  for (const name of names(laneLoads)) {
    check(name, (f) => push(f.i32(0), "v128").loadLane(name, 1).set(f.local("v128")));
  }
  for (const name of names(laneStores)) {
    check(name, (f) => push(f.i32(0), "v128").storeLane(name, 1));
  }
  for (const name of names(atomicAccesses)) {
    check(name, (f) => {
      const type = name.includes("64") && !name.startsWith("i32") ? "i64" : "i32";
      const load = name.includes("load");
      f.i32(0);
      if (!load) push(f, name.endsWith("notify") ? "i32" : type);
      if (name.includes("cmpxchg")) push(f, type);
      if (name.includes("wait")) push(f, "i64");
      f.atomic(name);
      if (name.startsWith("memory")) f.drop();
      else if (load || name.includes("rmw")) f.set(f.local(type));
    });
  }
  // 136 numeric, 23 memory, 234 of SIMD (236 less const and shuffle), 20 relaxed, 66 atomic.
  assertEquals(count, 136 + 23 + 234 + 20 + 66);
});
