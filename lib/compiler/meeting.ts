/**
 * Where the uses of a value come together again.
 *
 * @module
 */

import type { Program } from "./program.ts";

/**
 * For each node, the elementwise node through which all that is computed from it passes, with nothing but elementwise
 * nodes of the same shape in between; −1 where there is none. Loops that compute the meeting node compute the first node
 * once an element, however many uses it has: relu reads its argument twice, but in one place.
 *
 * This is the immediate post-dominator (Cooper, Harvey and Kennedy 2001) among these nodes, found from the end on.
 */
export function meetingNodes(
  program: Program,
  isElementwise: (id: number) => boolean,
): Int32Array {
  const { nodes, outputs } = program;
  const meets = new Int32Array(nodes.length).fill(-1);
  const seen = new Uint8Array(nodes.length);
  const meetOf = (a: number, b: number): number => {
    while (a !== b) {
      // Meeting nodes come later than what meets in them.
      if (a < b) a = meets[a];
      else b = meets[b];
      if (a < 0 || b < 0) return -1;
    }
    return a;
  };
  for (const id of outputs) seen[id] = 1;
  for (let user = nodes.length - 1; user >= 0; user--) {
    // All users of this node are done: what it meets in is known.
    const sameLoops = isElementwise(user);
    for (const input of new Set(nodes[user].inputs)) {
      const joins = sameLoops && nodes[input].shape.join() === nodes[user].shape.join();
      if (seen[input] === 0) meets[input] = joins ? user : -1;
      else if (meets[input] >= 0) meets[input] = joins ? meetOf(meets[input], user) : -1;
      seen[input] = 1;
    }
  }
  return meets;
}
