/**
 * Times taken in turn: every contender runs once a round, so that what the machine does meanwhile meets all of them.
 *
 * @module
 */

/** Something to time. */
export interface Contender {
  /** Its name. */
  readonly name: string;
  /** One measured call. It may return the seconds that it took, where it knows better than the caller. */
  readonly run: () => number | void | Promise<number | void>;
}

/** How long to measure. */
export interface TurnOptions {
  /** Rounds. */
  readonly rounds: number;
  /** Milliseconds that a turn lasts at least, by repeating its call. */
  readonly slice: number;
  /** Milliseconds of rest before each turn, in which threads of the contender before go to sleep. */
  readonly rest: number;
  /** Calls that are not measured at the begin of a turn; 1 by default. */
  readonly warmUp?: number;
  /** Seconds after which a contender sits out the rest. */
  readonly enough?: number;
}

/** The value in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Waits. */
export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Median seconds of each contender, over rounds in which each has its turn. */
export async function inTurn(
  contenders: readonly Contender[],
  { rounds, slice, rest, warmUp = 1, enough = Infinity }: TurnOptions,
): Promise<Map<string, number>> {
  const times = new Map<string, number[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const { name, run } of contenders) {
      if (times.get(name)!.reduce((a, b) => a + b, 0) > enough) continue;
      await sleep(rest);
      const before = performance.now();
      for (let i = 0; i < warmUp; i++) await run();
      // What takes long has no need of it from now on.
      const warmed = (performance.now() - before) / 1000;
      if (warmed > enough) {
        times.get(name)!.push(warmed / warmUp);
        continue;
      }
      const start = performance.now();
      do {
        const from = performance.now();
        // Not awaited where there is no promise: a turn of the event loop is no part of the work.
        const result = run();
        const told = result instanceof Promise ? await result : result;
        times.get(name)!.push(told ?? (performance.now() - from) / 1000);
      } while (performance.now() - start < slice);
    }
  }
  return new Map([...times].map(([name, list]) => [name, median(list)]));
}
