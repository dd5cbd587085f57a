/**
 * Sessions of onnxruntime: made, run one after the other, and freed.
 *
 * @module
 */

import type { DType, TypedArray } from "../../lib/base/dtype.ts";
import { BackendError } from "../../lib/base/errors.ts";
import type { Shape } from "../../lib/base/shape.ts";
import { messageOf } from "../message.ts";
import type { Ort, OrtSession, OrtTensor } from "./load.ts";

/** What failed, in our words: onnxruntime names the node, whose name begins with the primitive that it belongs to. */
function failure(doing: string, error: unknown): BackendError {
  if (error instanceof BackendError) return error;
  const message = messageOf(error);
  const name = /name:?\s*'?"?([\w]+)_\d+\/(\w+)/i.exec(message);
  const where = name === null ? "" : ` ${name[1]} (${name[2]})`;
  return new BackendError(`onnxruntime: ${doing}${where} failed: ${message}`, { cause: error });
}

/** A session, which may fail to come about. */
export type PendingSession = Promise<OrtSession>;

/** All sessions of a backend. The package computes one thing at a time, so that they share a queue. */
export class Sessions {
  readonly #ort: Ort;
  readonly #registry: FinalizationRegistry<PendingSession>;
  #queue: Promise<unknown> = Promise.resolve();
  /** The first error that nobody was told of yet. */
  #failed: BackendError | null = null;

  constructor(ort: Ort) {
    this.#ort = ort;
    this.#registry = new FinalizationRegistry((session) => {
      this.#enqueue(async () => (await session).release()).catch(() => {});
    });
  }

  #enqueue<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(task);
    this.#queue = result.catch(() => {});
    return result;
  }

  /** Makes a model ready to run. */
  create(model: Uint8Array): PendingSession {
    const session = this.#enqueue(async () => {
      try {
        return await this.#ort.InferenceSession.create(model, {
          executionProviders: ["wasm"],
          logSeverityLevel: 3,
        });
      } catch (error) {
        throw failure("making a program ready", error);
      }
    });
    session.catch(() => {});
    return session;
  }

  /** Frees a session when what it is for was collected. */
  releaseWith(owner: object, session: PendingSession): void {
    this.#registry.register(owner, session);
  }

  /** Elements as onnxruntime takes them. */
  tensor(dtype: DType, data: TypedArray, shape: Shape): OrtTensor {
    return new this.#ort.Tensor(dtype, data, shape);
  }

  /** Runs a session when everything before it is done; gives the outputs of these names, in order. */
  run(
    pending: PendingSession,
    feeds: Promise<Readonly<Record<string, OrtTensor>>>,
    outputs: readonly string[],
  ): Promise<TypedArray[]> {
    feeds.catch(() => {});
    const result = this.#enqueue(async () => {
      const [session, given] = [await pending, await feeds];
      try {
        const results = await session.run(given);
        return outputs.map((name) => results[name].data);
      } catch (error) {
        throw failure("running", error);
      }
    });
    result.catch((error) => void (this.#failed ??= error));
    return result;
  }

  /** Waits for all that was enqueued. Rejects with the first error since it was last asked. */
  async settle(): Promise<void> {
    await this.#queue;
    const failed = this.#failed;
    this.#failed = null;
    if (failed !== null) throw failed;
  }
}
