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
/**
 * Ballasts of disposed buffers that are kept for the next ones. Making one and taking it back changes the process's table of
 * pages: some 60 µs a call, and what was running beside it waits too.
 */
const mostSpare = 4;
/** Most bytes of a ballast that is kept. */
const largestSpare = 2 ** 26;
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

/** Takes ballast back at once: what remains is empty, and the engine no longer counts it. */
function dropBallast(ballast: ArrayBuffer): void {
  ballast.transferToFixedLength(0);
}

/** Counts the bytes of buffers as they are made and disposed of. */
export class MemoryPressure {
  #withoutBallast = 0;
  #sinceTurn = 0;
  /** The youngest last. */
  readonly #spare: ArrayBuffer[] = [];

  /** A buffer of so many bytes was made: ballast for it to hold, or null. */
  allocated(bytes: number): ArrayBuffer | null {
    this.#sinceTurn += bytes;
    this.#withoutBallast += bytes;
    if (this.#withoutBallast < ballastBytes) return null;
    const more = Math.min((ballastFactor - 1) * this.#withoutBallast, mostAdded);
    const wanted = this.#withoutBallast + more;
    this.#withoutBallast = 0;
    return this.#takeSpare(wanted) ?? makeBallast(wanted);
  }

  /** A buffer of so many bytes was disposed of, with its ballast. */
  disposed(bytes: number, ballast: ArrayBuffer | null): void {
    this.#sinceTurn = Math.max(0, this.#sinceTurn - bytes);
    if (ballast === null) return;
    if (ballast.byteLength > largestSpare) {
      dropBallast(ballast);
      return;
    }
    this.#spare.push(ballast);
    if (this.#spare.length > mostSpare) dropBallast(this.#spare.shift()!);
  }

  /** A spare ballast of about so many bytes. */
  #takeSpare(bytes: number): ArrayBuffer | null {
    const at = this.#spare.findLastIndex(({ byteLength }) =>
      byteLength >= bytes && byteLength <= 2 * bytes
    );
    return at < 0 ? null : this.#spare.splice(at, 1)[0];
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
