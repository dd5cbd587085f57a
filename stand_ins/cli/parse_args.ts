/** Names: one or several. */
type Names<T extends string> = T | readonly T[];

/** What `parseArgs` is told. */
export interface ParseOptions<
  TBooleans extends string = string,
  TStrings extends string = string,
  TCollectable extends string = string,
  TNegatable extends string = string,
  TDefault extends Record<string, unknown> | undefined = Record<string, unknown> | undefined,
  TAliases extends Record<string, Names<string>> | undefined =
    | Record<string, Names<string>>
    | undefined,
  TDoubleDash extends boolean | undefined = boolean | undefined,
> {
  /** Put what follows `--` into the property `--`, rather than into `_`. */
  "--"?: TDoubleDash;
  /** Other names of an option. */
  alias?: TAliases;
  /** Options that are true or false; `true` stands for all without a value. */
  boolean?: boolean | Names<TBooleans>;
  /** Values of options that were not given. */
  default?: TDefault;
  /** Take everything from the first positional argument on as positional. */
  stopEarly?: boolean;
  /** Options whose value stays text. */
  string?: Names<TStrings>;
  /** Options that may be repeated: their values become an array. */
  collect?: Names<TCollectable>;
  /** Options that `--no-NAME` sets to false. */
  negatable?: Names<TNegatable>;
  /** Called with what no option declares; return false to leave it out. */
  unknown?: (arg: string, key?: string, value?: unknown) => unknown;
}

type Collected<K extends string, TCollectable extends string, V, Absent> = K extends TCollectable
  ? V[]
  : V | Absent;

type WithDefault<K extends string, TDefault, V> = K extends keyof TDefault
  ? Exclude<V, undefined> | TDefault[K]
  : V;

/** The declared options by name, and `_` with the positional arguments. */
export type Args<
  TBooleans extends string = string,
  TStrings extends string = string,
  TCollectable extends string = string,
  TDefault = undefined,
  TDoubleDash extends boolean | undefined = undefined,
> =
  & {
    [K in TStrings]: WithDefault<K, TDefault, Collected<K, TCollectable, string, undefined>>;
  }
  & { [K in TBooleans]: WithDefault<K, TDefault, Collected<K, TCollectable, boolean, never>> }
  & {
    [K in Exclude<TCollectable, TStrings | TBooleans>]: WithDefault<K, TDefault, unknown[]>;
  }
  & { [K in Exclude<keyof TDefault, TStrings | TBooleans | TCollectable>]: unknown }
  & { _: Array<string | number> }
  & (TDoubleDash extends true ? { "--": string[] } : unknown)
  // deno-lint-ignore no-explicit-any
  & ([TBooleans | TStrings] extends [never] ? { [name: string]: any } : unknown);

/** Nested values, as dots in an option's name make them. */
type Values = { [name: string]: unknown };

const numeric = /^(?:0x[0-9a-f]+|[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?)$/i;

/** The options and the positional arguments of a command line such as `Deno.args`. */
export function parseArgs<
  const TBooleans extends string = never,
  const TStrings extends string = never,
  const TCollectable extends string = never,
  const TNegatable extends string = never,
  TDefault extends Record<string, unknown> | undefined = undefined,
  TAliases extends Record<string, Names<string>> | undefined = undefined,
  TDoubleDash extends boolean | undefined = undefined,
>(
  args: string[],
  options: ParseOptions<
    TBooleans,
    TStrings,
    TCollectable,
    TNegatable,
    TDefault,
    TAliases,
    TDoubleDash
  > = {},
): Args<TBooleans, TStrings, TCollectable, TDefault, TDoubleDash> {
  const result = parse(args, options as ParseOptions);
  return result as Args<TBooleans, TStrings, TCollectable, TDefault, TDoubleDash>;
}

function parse(args: string[], options: ParseOptions): Values {
  const aliases = groupAliases(options.alias);
  const booleans = named(typeof options.boolean === "boolean" ? [] : options.boolean, aliases);
  const strings = named(options.string, aliases);
  const collects = named(options.collect, aliases);
  const negatables = named(options.negatable, aliases);
  const declared = new Set([...booleans, ...strings, ...collects, ...negatables]);
  for (const [name, others] of aliases) [name, ...others].forEach((one) => declared.add(one));
  const allBooleans = options.boolean === true;
  const positional: Array<string | number> = [];
  const result: Values = { _: positional };

  const write = (name: string, value: unknown, collect: boolean) => {
    for (const one of [name, ...(aliases.get(name) ?? [])]) assign(result, one, value, collect);
  };
  const convert = (name: string, value: string | boolean): unknown => {
    if (booleans.has(name)) return value !== "false" && value !== false;
    if (strings.has(name)) return value === true ? "" : String(value);
    return typeof value === "string" && numeric.test(value) ? Number(value) : value;
  };
  const set = (name: string, value: string | boolean, argument: string) => {
    const converted = convert(name, value);
    if (
      options.unknown && !declared.has(name) &&
      !(allBooleans && typeof converted === "boolean") &&
      options.unknown(argument, name, converted) === false
    ) return;
    write(name, converted, collects.has(name));
  };
  const addPositional = (argument: string) => {
    if (options.unknown && options.unknown(argument) === false) return;
    positional.push(!strings.has("_") && numeric.test(argument) ? Number(argument) : argument);
  };

  const dashes = args.indexOf("--");
  const before = dashes < 0 ? args : args.slice(0, dashes);
  const after = dashes < 0 ? [] : args.slice(dashes + 1);

  /** Sets an option that has no `=`: its value is the next argument, where that can be one. */
  const setWithNext = (name: string, argument: string, at: number): number => {
    const next = before[at + 1];
    const isFlag = booleans.has(name) || allBooleans;
    if (next !== undefined && (isFlag ? /^(?:true|false)$/.test(next) : isValue(next))) {
      set(name, isFlag ? next === "true" : next, argument);
      return at + 1;
    }
    set(name, true, argument);
    return at;
  };

  for (let i = 0; i < before.length; i++) {
    const argument = before[i];
    const long = /^--([^=]+)(?:=([\s\S]*))?$/.exec(argument);
    if (long) {
      const [, name, value] = long;
      const negated = name.startsWith("no-") ? name.slice(3) : "";
      if (value !== undefined) set(name, value, argument);
      else if (negatables.has(negated)) set(negated, false, argument);
      else i = setWithNext(name, argument, i);
    } else if (/^-[^-]/.test(argument) && !numeric.test(argument)) {
      i = shortOptions(argument, i, set, setWithNext);
    } else {
      addPositional(argument);
      if (options.stopEarly) {
        before.slice(i + 1).forEach((rest) => positional.push(rest));
        break;
      }
    }
  }
  for (const [name, value] of Object.entries(options.default ?? {})) {
    if (!has(result, name)) write(name, value, false);
  }
  for (const name of booleans) {
    if (!has(result, name)) assign(result, name, collects.has(name) ? [] : false, false);
  }
  for (const name of collects) if (!has(result, name)) assign(result, name, [], false);
  if (options["--"]) result["--"] = after;
  else positional.push(...after);
  return result;
}

/** `-abc`, `-n5`, `-n=5` and `-n 5`; returns the index of the last argument it used. */
function shortOptions(
  argument: string,
  at: number,
  set: (name: string, value: string | boolean, argument: string) => void,
  setWithNext: (name: string, argument: string, at: number) => number,
): number {
  const letters = argument.slice(1);
  for (let k = 0; k < letters.length; k++) {
    const rest = letters.slice(k + 1);
    if (rest === "") return setWithNext(letters[k], argument, at);
    if (rest.startsWith("=")) {
      set(letters[k], rest.slice(1), argument);
      return at;
    }
    if (/[A-Za-z]/.test(letters[k]) && numeric.test(rest)) {
      set(letters[k], rest, argument);
      return at;
    }
    set(letters[k], true, argument);
  }
  return at;
}

/** Whether an argument can be the value of the option before it. */
function isValue(argument: string): boolean {
  return !/^-./.test(argument) || numeric.test(argument);
}

/** Each name with all of its other names. */
function groupAliases(alias: Record<string, Names<string>> | undefined): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const [name, others] of Object.entries(alias ?? {})) {
    const group = [name, ...list(others)];
    for (const one of group) groups.set(one, group.filter((other) => other !== one));
  }
  return groups;
}

/** The names with all of their other names. */
function named(names: Names<string> | undefined, aliases: Map<string, string[]>): Set<string> {
  return new Set(list(names).flatMap((name) => [name, ...(aliases.get(name) ?? [])]));
}

function list(names: Names<string> | undefined): string[] {
  return names === undefined ? [] : typeof names === "string" ? [names] : [...names];
}

/** Sets `a.b` as `{ a: { b: value } }`; collected values are appended. */
function assign(result: Values, name: string, value: unknown, collect: boolean): void {
  const { holder, key } = locate(result, name, true)!;
  if (!collect) holder[key] = value;
  else if (Object.hasOwn(holder, key)) (holder[key] as unknown[]).push(value);
  else holder[key] = [value];
}

function has(result: Values, name: string): boolean {
  const place = locate(result, name, false);
  return place !== null && Object.hasOwn(place.holder, place.key);
}

function locate(
  result: Values,
  name: string,
  create: boolean,
): { holder: Values; key: string } | null {
  const keys = name.split(".");
  const key = keys.pop()!;
  let holder = result;
  for (const step of [...keys, key]) {
    if (step === "__proto__" || step === "constructor") throw new TypeError(`option "${name}"`);
  }
  for (const step of keys) {
    if (!Object.hasOwn(holder, step) || typeof holder[step] !== "object") {
      if (!create) return null;
      holder[step] = {};
    }
    holder = holder[step] as Values;
  }
  return { holder, key };
}
