/**
 * Makes the engine's garbage collector aware of memory that it does not see: of buffers in a WebAssembly memory or on a device.
 *
 * @module
 */

/** Buffers are given ballast when this many bytes were allocated since the last that was. */
const ballastBytes = 2 ** 18;
/**
 * Ballast is this many times the size of what it stands for, up to the limit after it. The engine collects when some 64 MB
 * were allocated; a loop of small programs would hold that much more than it needs.
 */
const ballastFactor = 4;
/** Most bytes of ballast that are more than what it stands for. */
const mostAdded = 2 ** 28;
/** Bytes of buffers that were made and not disposed, after which collected ones should be given a chance to go. */
const turnBytes = 2 ** 24;

/**
 * An array buffer of a size that is never touched, so that it takes addresses but no memory; null where the engine
 * cannot.
 *
 * The engine's garbage collector sees only the small object that stands for a large piece of our memory, and would
 * wait until we run out. Holding ballast makes it collect as if the memory were its own, and more. A
 * resizable buffer has pages of its own, while others may be carved from a pool that has to be cleared.
 */
function makeBallast(bytes: number): ArrayBuffer | null {
  if (typeof ArrayBuffer.prototype.transferToFixedLength !== "function") return null;
  try {
    return new ArrayBuffer(bytes, { maxByteLength: bytes });
  } catch {
    return null;
  }
}

/** Takes ballast back at once, of a buffer that is disposed of. */
export function dropBallast(ballast: ArrayBuffer | null): void {
  // What remains is empty: the engine takes the ballast's size back.
  ballast?.transferToFixedLength(0);
}

/** Counts the bytes of buffers as they are made and disposed of. */
export class MemoryPressure {
  #withoutBallast = 0;
  #sinceTurn = 0;

  /** A buffer of so many bytes was made: ballast for it to hold, or null. */
  allocated(bytes: number): ArrayBuffer | null {
    this.#sinceTurn += bytes;
    this.#withoutBallast += bytes;
    if (this.#withoutBallast < ballastBytes) return null;
    const more = Math.min((ballastFactor - 1) * this.#withoutBallast, mostAdded);
    const ballast = makeBallast(this.#withoutBallast + more);
    this.#withoutBallast = 0;
    return ballast;
  }

  /** A buffer of so many bytes was disposed of. */
  disposed(bytes: number): void {
    this.#sinceTurn = Math.max(0, this.#sinceTurn - bytes);
  }

  /**
   * Lets the event loop turn if much was allocated: the engine reports collected buffers only between its tasks, and
   * a program that awaits nothing but our promises would never let it.
   */
  async turn(): Promise<void> {
    if (this.#sinceTurn < turnBytes) return;
    this.#sinceTurn = 0;
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
  }
}
