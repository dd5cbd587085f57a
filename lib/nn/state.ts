/**
 * The walk over a module's fields: its parameters, buffers and children, under PyTorch's dotted names.
 *
 * @module
 */

import { Tensor } from "../core/tensor.ts";
import { Module } from "./module.ts";
import { markOf, type StateKind } from "./parameter.ts";

/** A field that holds a parameter or a buffer. */
export interface Slot {
  /** The dotted name, as in PyTorch's state dicts. */
  readonly name: string;
  /** Whether it is trained. */
  readonly kind: StateKind;
  /** The tensor in it now. */
  get(): Tensor;
  /** Puts another tensor there. */
  set(value: Tensor): void;
}

/** A module and everything below it. */
export interface ModuleState {
  /** Parameters and buffers: of each module first its own, then those of its children, in the order of the fields. */
  readonly slots: readonly Slot[];
  /** Modules by their dotted names; the outermost is "". A shared module appears once for each of its names. */
  readonly modules: readonly (readonly [name: string, module: Module])[];
}

type Container = Record<string, unknown>;

/** Fields that were seen to hold a parameter or a buffer keep that meaning when another tensor is assigned to them. */
const known = new WeakMap<object, Map<string, StateKind>>();

/** Remembers what a field holds before anything is assigned to it by others. */
export function registerField(container: object, key: string, kind: StateKind): void {
  let kinds = known.get(container);
  if (kinds === undefined) known.set(container, kinds = new Map());
  kinds.set(key, kind);
}

function kindOf(container: object, key: string, value: Tensor): StateKind | undefined {
  const marked = markOf(value);
  const registered = known.get(container)?.get(key);
  if (registered === undefined && marked !== undefined) registerField(container, key, marked);
  return registered ?? marked;
}

function isContainer(value: unknown): value is Container {
  if (value instanceof Module || Array.isArray(value)) return true;
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Finds all parameters, buffers and modules of a module. Arrays and plain objects of them are walked as well. */
export function stateOf(root: Module): ModuleState {
  const slots: Slot[] = [];
  const modules: (readonly [string, Module])[] = [];
  const path = new Set<object>();
  const visit = (container: Container | Module, prefix: string): void => {
    // A module that refers to its parent is not walked in circles.
    if (path.has(container)) return;
    path.add(container);
    const isModule = container instanceof Module;
    if (isModule) modules.push([prefix.slice(0, -1), container]);
    const renamed = isModule ? (container.constructor as typeof Module).stateNames : {};
    const fields = container as Container;
    const children: (readonly [string, Container])[] = [];
    for (const key of Object.keys(fields)) {
      const value = fields[key];
      const name = Object.hasOwn(renamed, key) ? renamed[key] : key;
      if (value instanceof Tensor) {
        const kind = kindOf(container, key, value);
        if (kind === undefined) continue;
        slots.push({
          name: prefix + name,
          kind,
          get: () => fields[key] as Tensor,
          set: (tensor) => fields[key] = tensor,
        });
      } else if (isContainer(value)) {
        children.push([name === "" ? prefix : `${prefix}${name}.`, value]);
      }
    }
    for (const [name, child] of children) visit(child, name);
    path.delete(container);
  };
  visit(root, "");
  return { slots, modules };
}
