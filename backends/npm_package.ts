/**
 * Packages that are fetched when they are asked for, and not before.
 *
 * @module
 */

import { BackendError } from "../lib/base/errors.ts";
import { messageOf } from "./message.ts";

/** What imports a package: it comes from npm in Deno; elsewhere bare names are for the page's import map, or the bundler. */
export function specifierOf(name: string, version: string): string {
  return "Deno" in globalThis ? `npm:${name}@${version}` : name;
}

/**
 * A package.
 *
 * @throws BackendError, which begins with the backend's name, when it cannot be loaded.
 */
export async function importPackage<T>(backend: string, name: string, version: string): Promise<T> {
  // The specifier is computed, so that nobody fetches the package who does not come here.
  const specifier = specifierOf(name, version);
  try {
    return await import(specifier) as T;
  } catch (error) {
    throw new BackendError(
      `${backend}: ${specifier} could not be loaded (${
        messageOf(error)
      }); it is fetched when first asked for, which needs a network, or choose the backend "wasm", which needs none`,
    );
  }
}
