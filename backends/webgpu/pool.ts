/**
 * GPU buffers that are used again.
 *
 * Everything runs on one queue, in order, so a buffer can be given to the next user as soon as the commands that use it are
 * recorded.
 *
 * @module
 */

import { OutOfMemoryError } from "../../lib/base/errors.ts";

/** A GPU buffer that the pool made. */
export interface Piece {
  readonly buffer: GPUBuffer;
  /** Its size. */
  readonly bytes: number;
  /** Whether making it failed: it is not used again. */
  failed: boolean;
}

/** Bytes of unused buffers that are kept in any case. */
const keptBytes = 1 << 28;

/** The size of the buffer for so many bytes: in eighths of a power of two. */
export function pieceBytes(bytes: number, most: number): number {
  const wanted = Math.max(bytes, 256);
  const step = Math.max(256, 2 ** (Math.ceil(Math.log2(wanted)) - 4));
  return Math.max(bytes, Math.min(Math.ceil(wanted / step) * step, Math.floor(most / 4) * 4));
}

/** Makes buffers, and keeps those that are not used. */
export class Pool {
  readonly #create: (bytes: number, label: string) => Piece;
  readonly #most: number;
  readonly #maximum: number;
  /** By size; each list's last was released last. */
  readonly #idle = new Map<number, Piece[]>();
  #idleBytes = 0;
  #used = 0;
  #peak = 0;
  #kept = keptBytes;
  /** Hands recorded commands to the device, while some are being recorded. */
  #submit: (() => void) | null = null;

  /**
   * @param create makes a buffer
   * @param most bytes of one buffer
   * @param maximum bytes of all buffers
   */
  constructor(
    create: (bytes: number, label: string) => Piece,
    most: number,
    maximum: number,
  ) {
    this.#create = create;
    this.#most = most;
    this.#maximum = maximum;
  }

  /** Bytes of buffers in use. */
  get used(): number {
    return this.#used;
  }

  /** The most that was in use at once. */
  get peak(): number {
    return this.#peak;
  }

  /** Bytes of buffers that wait to be used again. */
  get idle(): number {
    return this.#idleBytes;
  }

  /**
   * A buffer of at least so many bytes, with any content.
   *
   * @throws OutOfMemoryError when it would be more than all buffers may have.
   */
  acquire(bytes: number, label: string): Piece {
    const size = pieceBytes(bytes, this.#most);
    let piece = this.#idle.get(size)?.pop();
    if (piece === undefined) {
      if (this.#used + this.#idleBytes + size > this.#maximum) {
        this.#submit?.();
        this.trim(0);
      }
      if (this.#used + size > this.#maximum) {
        throw new OutOfMemoryError(
          `webgpu: ${label} needs ${size} bytes more, ${this.#used} are in use and ${this.#maximum} allowed; compute in ` +
            "smaller parts, dispose of tensors, or allow more (maximumMemory)",
        );
      }
      piece = this.#create(size, label);
    } else this.#idleBytes -= size;
    this.#used += size;
    this.#peak = Math.max(this.#peak, this.#used);
    return piece;
  }

  /** Takes a buffer back. */
  release(piece: Piece): void {
    this.#used -= piece.bytes;
    if (piece.failed) return;
    const list = this.#idle.get(piece.bytes);
    if (list === undefined) this.#idle.set(piece.bytes, [piece]);
    else list.push(piece);
    this.#idleBytes += piece.bytes;
    if (this.#submit === null) this.trim(this.#kept);
  }

  /**
   * Runs what records commands. Until they are submitted, no buffer that they may use is destroyed.
   *
   * @param bytes of temporaries that it needs, so that as much is kept for the next
   */
  record(bytes: number, submit: () => void, commands: () => void): void {
    this.#kept = Math.max(keptBytes, bytes * 1.25, this.#kept * 0.95);
    this.#submit = submit;
    try {
      commands();
      submit();
    } finally {
      this.#submit = null;
      this.trim(this.#kept);
    }
  }

  /** Destroys unused buffers until at most so many bytes of them are left. */
  trim(bytes: number): void {
    for (const [size, list] of this.#idle) {
      while (list.length > 0 && this.#idleBytes > bytes) {
        list.shift()!.buffer.destroy();
        this.#idleBytes -= size;
      }
      if (list.length === 0) this.#idle.delete(size);
      if (this.#idleBytes <= bytes) return;
    }
  }
}
