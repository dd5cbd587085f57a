/** The stand-ins for `@std/assert` and `@std/cli`: an assertion that never failed would make every other test worthless. */
import {
  assert,
  assertAlmostEquals,
  assertArrayIncludes,
  assertEquals,
  assertExists,
  assertGreater,
  assertGreaterOrEqual,
  assertInstanceOf,
  AssertionError,
  assertLess,
  assertLessOrEqual,
  assertMatch,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
  equal,
  fail,
} from "@std/assert";
import { parseArgs } from "@std/cli/parse-args";

/** Written without the assertions under test. */
function fails(fn: () => unknown): void {
  try {
    fn();
  } catch (error) {
    if (error instanceof AssertionError) return;
    throw error;
  }
  throw new Error(`did not fail: ${fn}`);
}

Deno.test("equal is deep and strict", () => {
  const same: [unknown, unknown][] = [
    [NaN, NaN],
    [0, -0],
    [{ a: [1, { b: 2 }] }, { a: [1, { b: 2 }] }],
    [new Map([["a", { b: 1 }], ["c", { b: 2 }]]), new Map([["c", { b: 2 }], ["a", { b: 1 }]])],
    [new Set([[1], [2]]), new Set([[2], [1]])],
    [new Float32Array([1, NaN]), new Float32Array([1, NaN])],
    [new Date(5), new Date(5)],
    [/a/g, /a/g],
    [Object.assign(Object.create(null), { a: 1 }), { a: 1 }],
  ];
  for (const [a, b] of same) if (!equal(a, b)) throw new Error(Deno.inspect([a, b]));
  const different: [unknown, unknown][] = [
    [1, "1"],
    [null, undefined],
    [null, {}],
    [[1, 2], [1, 2, 3]],
    [[undefined], new Array(1)],
    [{ a: undefined }, {}],
    [{ a: undefined }, { b: undefined }],
    [{ a: 1 }, { a: 2 }],
    [new Float32Array([1]), new Float64Array([1])],
    [new Float32Array([1]), new Float32Array([2])],
    [new Float32Array(1), new Float32Array(2)],
    [[1], new Float32Array([1])],
    [new Map([["a", 1]]), new Map([["a", 2]])],
    [new Set([1, 2]), new Set([1, 3])],
    [new Date(5), new Date(6)],
    [/a/g, /a/],
    [new Error("a"), new Error("b")],
    [new (class A {})(), {}],
    [() => 1, () => 1],
  ];
  for (const [a, b] of different) if (equal(a, b)) throw new Error(Deno.inspect([a, b]));
  const cycle = () => {
    const node: Record<string, unknown> = { n: 1 };
    node.self = node;
    return node;
  };
  if (!equal(cycle(), cycle())) throw new Error("cycle");
});

Deno.test("each assertion passes where it should and fails where it should", () => {
  assert(1);
  fails(() => assert(0));
  fails(() => fail("x"));
  assertEquals([1], [1]);
  fails(() => assertEquals([1], [2]));
  assertNotEquals([1], [2]);
  fails(() => assertNotEquals([1], [1]));
  assertStrictEquals(1, 1);
  fails(() => assertStrictEquals([1], [1]));
  assertAlmostEquals(1, 1 + 5e-8);
  assertAlmostEquals(1, 1.05, 0.1);
  assertAlmostEquals(NaN, NaN);
  fails(() => assertAlmostEquals(1, 1 + 2e-7));
  fails(() => assertAlmostEquals(1, NaN));
  fails(() => assertAlmostEquals(1, Infinity));
  assertExists(0);
  fails(() => assertExists(null));
  assertInstanceOf([], Array);
  fails(() => assertInstanceOf({}, Array));
  assertGreater(2, 1);
  fails(() => assertGreater(1, 1));
  assertGreaterOrEqual(1, 1);
  fails(() => assertGreaterOrEqual(0, 1));
  assertLess(1, 2);
  fails(() => assertLess(1, 1));
  assertLessOrEqual(1, 1);
  fails(() => assertLessOrEqual(NaN, 1));
  assertArrayIncludes([1, [2]], [[2]]);
  fails(() => assertArrayIncludes([1, [2]], [[3]]));
  assertMatch("abc", /b/g);
  fails(() => assertMatch("abc", /d/));
  assertStringIncludes("abc", "bc");
  fails(() => assertStringIncludes("abc", "cb"));
});

Deno.test("assertThrows and assertRejects check the class and the message", async () => {
  const thrower = () => {
    throw new RangeError("too far");
  };
  assertEquals(assertThrows(thrower, RangeError, "far").message, "too far");
  assertThrows(thrower);
  fails(() => assertThrows(() => 1));
  fails(() => assertThrows(thrower, TypeError));
  fails(() => assertThrows(thrower, RangeError, "near"));
  const rejecter = () => Promise.reject(new RangeError("too far"));
  assertEquals((await assertRejects(rejecter, RangeError, "far")).message, "too far");
  for (
    const wrong of [
      () => assertRejects(() => Promise.resolve(1)),
      () => assertRejects(rejecter, TypeError),
      () => assertRejects(rejecter, RangeError, "near"),
      () => assertRejects(thrower as () => Promise<void>),
    ]
  ) {
    let failed: unknown;
    await wrong().catch((error) => failed = error);
    assertInstanceOf(failed, AssertionError);
  }
});

Deno.test("parseArgs: values, flags, numbers and positional arguments", () => {
  assertEquals<unknown>(
    parseArgs(["a", "--n=5", "--s", "x", "-abc", "-k", "3", "--flag", "7", "b", "-", "-1.5"]),
    { _: ["a", "b", "-", -1.5], n: 5, s: "x", a: true, b: true, c: true, k: 3, flag: 7 },
  );
  const flags = parseArgs(["--verbose", "x", "--port", "80", "--quiet=false"], {
    boolean: ["verbose", "quiet", "other"],
    string: ["port", "host"],
    default: { host: "here" },
  });
  const host: string = flags.host;
  const port: string | undefined = flags.port;
  const verbose: boolean = flags.verbose;
  assertEquals<unknown>([host, port, verbose, flags.quiet, flags.other, flags._], [
    "here",
    "80",
    true,
    false,
    false,
    ["x"],
  ]);
});

Deno.test("parseArgs: alias, collect, negatable, double dash, stopEarly, nested names", () => {
  assertEquals<unknown>(
    parseArgs(["-h", "--file", "a", "--file", "b", "--no-color", "--", "--x"], {
      boolean: ["help", "color"],
      string: ["file"],
      collect: ["file", "none"],
      negatable: ["color"],
      alias: { help: "h" },
      default: { color: true },
      "--": true,
    }),
    { _: [], help: true, h: true, file: ["a", "b"], none: [], color: false, "--": ["--x"] },
  );
  assertEquals<unknown>(parseArgs(["x", "--y", "1"], { stopEarly: true }), {
    _: ["x", "--y", "1"],
  });
  assertEquals<unknown>(parseArgs(["--a.b", "1", "--", "--z"]), { _: ["--z"], a: { b: 1 } });
  assertEquals<unknown>(parseArgs(["--s"], { string: "s" }), { _: [], s: "" });
  assertEquals<unknown>(parseArgs(["01", "2"], { string: ["_"] }), { _: ["01", "2"] });
});

Deno.test("parseArgs: unknown hears of what no option declares", () => {
  const heard: unknown[] = [];
  const result = parseArgs(["a", "--known", "1", "--strange", "2", "-q"], {
    string: ["known"],
    unknown: (...given) => {
      heard.push(given);
      return false;
    },
  });
  assertEquals<unknown>(result, { _: [], known: "1" });
  assertEquals(heard, [["a"], ["--strange", "strange", 2], ["-q", "q", true]]);
});
