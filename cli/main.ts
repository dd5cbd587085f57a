/**
 * The command line: `deno task ntk`.
 *
 * @module
 */

import configuration from "../deno.json" with { type: "json" };
import { TangentsError } from "../mod.ts";
import { runKernel, runList } from "./kernel.ts";
import { commandOf } from "./options.ts";
import { runTutorial } from "./tutorial.ts";
import { help, UsageError } from "./usage.ts";

/** Runs the command line and returns its exit status: 0 done, 1 a failure, 2 a wrong call. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    const command = commandOf(args);
    switch (command.kind) {
      case "help":
        console.log(help());
        return 0;
      case "version":
        console.log(configuration.version);
        return 0;
      case "tutorial":
        return await runTutorial(command.settings) ? 0 : 1;
      case "list":
        await runList(command);
        return 0;
      case "kernel":
        await runKernel(command);
        return 0;
    }
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`ntk: ${error.message}`);
      return 2;
    }
    if (error instanceof TangentsError || (error instanceof Error && error.name in Deno.errors)) {
      console.error(`ntk: ${error.message}`);
      return 1;
    }
    throw error;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
