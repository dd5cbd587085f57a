/** Deep equality: same prototype, same own enumerable keys, equal values; NaN equals NaN and 0 equals -0. */
export function equal(a: unknown, b: unknown): boolean {
  return compare(a, b, new Map());
}

function compare(a: unknown, b: unknown, seen: Map<unknown, unknown>): boolean {
  if (a === b || Object.is(a, b)) return true;
  if (!isObject(a) || !isObject(b)) return false;
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) {
    // Objects without a prototype equal plain ones.
    if (!isPlain(a) || !isPlain(b)) return false;
  }
  if (a instanceof Date) return Object.is(a.getTime(), (b as Date).getTime());
  if (a instanceof RegExp || a instanceof URL) return String(a) === String(b);
  if (a instanceof WeakMap || a instanceof WeakSet) {
    throw new TypeError("Cannot compare WeakMap or WeakSet instances");
  }
  if (a instanceof WeakRef) return compare(a.deref(), (b as WeakRef<object>).deref(), seen);
  if (typeof a === "function") return false;
  if (ArrayBuffer.isView(a) && !(a instanceof DataView)) {
    return sameElements(a as Uint8Array, b as unknown as Uint8Array);
  }
  // A cycle: what is being compared further up is taken as equal here.
  if (seen.get(a) === b) return true;
  seen.set(a, b);
  if (a instanceof Set) return sameMembers([...a], [...(b as Set<unknown>)], seen);
  if (a instanceof Map) return sameMembers([...a], [...(b as Map<unknown, unknown>)], seen);
  return sameProperties(a, b, seen);
}

function isObject(value: unknown): value is object {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}

function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

function sameElements(a: ArrayLike<unknown>, b: ArrayLike<unknown>): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i] && !Object.is(a[i], b[i])) return false;
  }
  return true;
}

/** Whether each member of one has a partner in the other, in any order. */
function sameMembers(a: unknown[], b: unknown[], seen: Map<unknown, unknown>): boolean {
  if (a.length !== b.length) return false;
  const rest = [...b];
  for (const member of a) {
    const at = rest.findIndex((other) => compare(member, other, new Map(seen)));
    if (at < 0) return false;
    rest.splice(at, 1);
  }
  return true;
}

function sameProperties(a: object, b: object, seen: Map<unknown, unknown>): boolean {
  if (a instanceof Error && a.message !== (b as Error).message) return false;
  if (Array.isArray(a) && a.length !== (b as unknown[]).length) return false;
  const keys = enumerableKeys(a);
  if (keys.length !== enumerableKeys(b).length) return false;
  return keys.every((key) =>
    Object.hasOwn(b, key) && compare(Reflect.get(a, key), Reflect.get(b, key), seen)
  );
}

function enumerableKeys(value: object): PropertyKey[] {
  return Reflect.ownKeys(value).filter((key) =>
    Object.prototype.propertyIsEnumerable.call(value, key)
  );
}
