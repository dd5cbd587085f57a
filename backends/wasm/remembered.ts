/** Values that are found out once for each object and number, as long as the object lives. */
export class Remembered<Subject extends WeakKey, Value> {
  readonly #known = new WeakMap<Subject, Map<number, Value>>();

  /** The value for a subject and a number; `find` is called the first time. */
  of(subject: Subject, number: number, find: () => Value): Value {
    let own = this.#known.get(subject);
    if (own === undefined) this.#known.set(subject, own = new Map());
    if (!own.has(number)) own.set(number, find());
    return own.get(number)!;
  }
}
