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
    const reason = error instanceof TangentsError ? error.message : `${error}`;
    console.error(`ntk: ${reason.replaceAll("\n", " ")}`);
    return 1;
  }
}

/** Goes back to where the user stands: `deno task` runs in the folder of deno.json, and file names are meant from there. */
function leaveProjectFolder(): void {
  const { state } = Deno.permissions.querySync({ name: "env", variable: "INIT_CWD" });
  const from = state === "granted" ? Deno.env.get("INIT_CWD") : undefined;
  const project = import.meta.dirname?.replace(/[\\/]cli$/, "");
  if (from !== undefined && Deno.cwd() === project) Deno.chdir(from);
}

if (import.meta.main) {
  leaveProjectFolder();
  Deno.exit(await main(Deno.args));
}
