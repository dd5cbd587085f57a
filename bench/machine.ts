/**
 * The machine that figures were taken on.
 *
 * @module
 */

/** Its processor and system in words. */
export function describeMachine(): string {
  let model = Deno.build.arch as string;
  try {
    const text = Deno.readTextFileSync("/proc/cpuinfo");
    const field = (name: string): string | undefined =>
      text.match(new RegExp(`^${name}\\s*: (.*)$`, "m"))?.[1];
    model = field("model name") ?? model;
    // Virtual machines often name the maker only; family and model say which generation it is.
    const family = field("cpu family");
    if (family !== undefined) model += ` (family ${family}, model ${field("model")})`;
  } catch {
    // Not Linux: the architecture must do.
  }
  return `${model}, ${navigator.hardwareConcurrency} logical processors, ${Deno.build.os}`;
}

/** Deno's version and its engine's. */
export function describeRuntime(): string {
  return `Deno ${Deno.version.deno} (V8 ${Deno.version.v8})`;
}
