/// <reference lib="dom" />
/**
 * The page's elements, by name and kind.
 *
 * @module
 */

/** The element with the name. Throws an `Error` where the page has none of the kind. */
export function element<T extends Element>(id: string, kind: new () => T): T {
  const found = document.getElementById(id);
  if (found instanceof kind) return found;
  throw new Error(`the page has no ${kind.name} called ${id}`);
}

/** What is chosen in the list with the name. */
export function chosen<T extends string>(id: string): T {
  return element(id, HTMLSelectElement).value as T;
}

/** The number in the field with the name. */
export function numberIn(id: string): number {
  return element(id, HTMLInputElement).valueAsNumber;
}
