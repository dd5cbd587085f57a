/**
 * Errors of a GPU. They arise after the call that caused them; unless someone asks, they vanish, and what is read is zeros.
 *
 * @module
 */

import { BackendError } from "../../lib/base/errors.ts";
import type { KernelBackend } from "./load.ts";

/** What is known of a computation later: that nothing was wrong, or what. */
export type Verdict = Promise<BackendError | null>;

const filters = ["validation", "out-of-memory", "internal"] as const;

/** Watches what kernels enqueue on a device. */
export class GpuErrors {
  readonly #backend: KernelBackend;
  /** Why the device is gone; null while it is there. */
  #lost: string | null = null;
  /** Verdicts that are not there yet. */
  readonly #open = new Set<Verdict>();
  /** Errors that nobody has been told of. */
  readonly #unreported = new Set<BackendError>();

  constructor(backend: KernelBackend) {
    this.#backend = backend;
    backend.device?.lost.then(({ reason, message }) => {
      this.#lost = [reason, message].filter((text) => text !== "").join(": ");
    });
  }

  /** Whether the device is gone, and with it what it held. */
  get lost(): boolean {
    return this.#lost !== null;
  }

  /** Throws a `BackendError` if the device is gone. */
  checkDevice(): void {
    if (this.#lost !== null) throw this.lostError();
  }

  /**
   * Calls a function, sends off what it enqueued, and finds out what the device says to it; null where there is no device.
   *
   * @param describe What was computed, in words.
   */
  watch<T>(describe: () => string, f: () => T): { result: T; verdict: Verdict | null } {
    const { device } = this.#backend;
    if (device === undefined) return { result: f(), verdict: null };
    this.checkDevice();
    for (const filter of filters) device.pushErrorScope(filter);
    let verdict: Verdict;
    let result: T;
    try {
      result = f();
    } finally {
      this.#backend.ensureCommandEncoderReady!();
      this.#backend.endComputePassEncoder!();
      this.#backend.submitQueue!();
      verdict = this.#judge(describe, filters.map(() => device.popErrorScope()));
      this.#open.add(verdict);
      verdict.then((error) => {
        this.#open.delete(verdict);
        if (error !== null) this.#unreported.add(error);
      });
    }
    return { result, verdict };
  }

  /** Throws the error that a computation ended with, if any. */
  async check(verdict: Verdict | null): Promise<void> {
    const error = await verdict;
    if (error === null) return;
    this.#unreported.delete(error);
    throw error;
  }

  /** Waits for all that was enqueued, and throws the first error that was not reported. */
  async settle(): Promise<void> {
    await Promise.all(this.#open);
    const [error] = this.#unreported;
    this.#unreported.clear();
    if (error !== undefined) throw error;
  }

  async #judge(
    describe: () => string,
    errors: readonly Promise<{ readonly message: string } | null>[],
  ): Promise<BackendError | null> {
    try {
      const found = (await Promise.all(errors)).find((error) => error !== null);
      if (this.lost) return this.lostError();
      return found === undefined || found === null ? null : new BackendError(
        `tfjs-webgpu: the device refused a program (${describe()}): ${
          found.message.trim().slice(0, 500)
        }`,
      );
    } catch {
      return this.lostError();
    }
  }

  /** The error for a device that is gone. */
  lostError(): BackendError {
    return new BackendError(
      `tfjs-webgpu: the device was lost (${
        this.#lost ?? "unknown reason"
      }), and TensorFlow.js cannot start another one in this process; ` +
        'compute on the backend "wasm" or "webgpu", or start again',
    );
  }
}
