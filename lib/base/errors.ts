/**
 * The errors that Tangents throws. Each names what was given, what was expected, and what to do.
 *
 * @module
 */

/** The base of every error that Tangents throws on purpose: catch this to catch them all. */
export class TangentsError extends Error {
  /** The class name, for messages and logs. */
  override name = "TangentsError";
}

/** A shape, a rank or a size does not fit the operation. */
export class ShapeError extends TangentsError {
  /** The class name, for messages and logs. */
  override name = "ShapeError";
}

/** A dtype does not fit the operation. */
export class DTypeError extends TangentsError {
  /** The class name, for messages and logs. */
  override name = "DTypeError";
}

/** An axis is outside the tensor's rank, or is named twice. */
export class AxisError extends TangentsError {
  /** The class name, for messages and logs. */
  override name = "AxisError";
}

/** An argument has a value that the function cannot take. */
export class ArgumentError extends TangentsError {
  /** The class name, for messages and logs. */
  override name = "ArgumentError";
}

/** Two trees were expected to have the same structure, or a leaf is not a tensor. */
export class TreeError extends TangentsError {
  /** The class name, for messages and logs. */
  override name = "TreeError";
}

/** A value was read where there is none: inside `vmap`, or from a tensor that was disposed. */
export class TraceError extends TangentsError {
  /** The class name, for messages and logs. */
  override name = "TraceError";
}

/** A primitive has no rule for the transform that met it. */
export class MissingRuleError extends TangentsError {
  /** The class name, for messages and logs. */
  override name = "MissingRuleError";
}

/** A backend cannot run a program: it lacks a dtype, a primitive, or memory. */
export class BackendError extends TangentsError {
  /** The class name, for messages and logs. */
  override name = "BackendError";
}

/** A device was lost with what it held: reset, unplugged, or taken away. What is computed afterwards works on a new one. */
export class DeviceLostError extends BackendError {
  /** The class name, for messages and logs. */
  override name = "DeviceLostError";
}

/** A backend has no memory for what was asked. */
export class OutOfMemoryError extends BackendError {
  /** The class name, for messages and logs. */
  override name = "OutOfMemoryError";
}
