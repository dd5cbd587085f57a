/**
 * The words through which threads coordinate, at fixed addresses at the start of the memory.
 *
 * Words that different threads write at the same time stand on cache lines of their own.
 *
 * @module
 */

/** Where the control block starts. */
const base = 64;

/** Addresses, in bytes, of the words of the control block. */
export const control = {
  /** Counts dispatched programs; idle workers sleep on it. */
  ticket: base,
  /** How many workers sleep on the ticket. */
  idle: base + 4,
  /** 1 while the dispatched program takes in workers. */
  open: base + 64,
  /** Number of the dispatched program. */
  program: base + 68,
  /** Where its module's bytes are. */
  moduleAddress: base + 72,
  /** How many bytes its module has. */
  moduleLength: base + 76,
  /** Address of its frame. */
  frame: base + 80,
  /** How many threads there are, the main one included. */
  threads: base + 84,
  /** How many workers are inside the program or looking at it. */
  active: base + 128,
  /** 1 after a thread failed: all others leave the program. */
  abort: base + 192,
  /** Counts finished segments; threads that wait for others to finish one sleep on it. */
  epoch: base + 196,
  /** How many threads sleep on the epoch. */
  sleepers: base + 200,
  /** 1 where thread 0 may sleep. */
  mainMayBlock: base + 204,
  /** How many workers are up. */
  ready: base + 256,
  /** How many programs were retired so far. */
  retired: base + 320,
  /** A ring of the numbers of the programs retired last. */
  retiredRing: base + 324,
  /** Length of the ring, in words. */
  retiredRingLength: 59,
  /** Bytes of the message of a worker's failure. */
  errorLength: base + 576,
  /** The message, in UTF-8. */
  errorText: base + 580,
  /** Most bytes that the message can have. */
  errorCapacity: 956,
  /** First address after the control block. */
  end: base + 1536,
} as const;

/** The type of the control block's addresses, for code that is handed them. */
export type Control = typeof control;
