/** Modules: names, state, modes, and functionalCall. */
import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import {
  BatchNorm1d,
  buffer,
  functionalCall,
  type Layer,
  Linear,
  Module,
  MultiheadAttention,
  parameter,
  ReLU,
  Sequential,
  StateDictError,
} from "../lib/nn/mod.ts";
import {
  ArgumentError,
  DTypeError,
  jacrev,
  ones,
  ShapeError,
  type Tensor,
  tensor,
  zeros,
} from "../mod.ts";

class Scale extends Module {
  factor = parameter([1, 2]);
  shift = buffer([10, 20]);
  constant = tensor([7]);
  forward(x: Tensor): Tensor {
    return x.mul(this.factor).add(this.shift);
  }
}

class Nested extends Module {
  blocks: Layer[] = [new Linear(2, 2), new ReLU(), new Scale()];
  heads = { left: new Linear(2, 1), right: new Linear(2, 1, { bias: false }) };
  own = parameter(zeros([3]));
  loose = [parameter([1]), parameter([2])];
  forward(x: Tensor): Tensor {
    for (const block of this.blocks) x = block.forward(x);
    return this.heads.left.forward(x).add(this.heads.right.forward(x));
  }
}

class Tied extends Module {
  first = new Linear(2, 2, { bias: false });
  second = new Linear(2, 2, { bias: false });
  constructor() {
    super();
    this.second.weight = this.first.weight;
  }
  forward(x: Tensor): Tensor {
    return this.second.forward(this.first.forward(x));
  }
}

class Broken extends Module {
  inner = new Scale();
  forward(x: Tensor): Tensor {
    this.inner.forward(x);
    throw new RangeError("broken");
  }
}

Deno.test("names are dotted: a module's own tensors first, then its children in the order of the fields", () => {
  const net = new Nested();
  assertEquals(Object.keys(net.namedParameters()), [
    "own",
    "blocks.0.weight",
    "blocks.0.bias",
    "blocks.2.factor",
    "heads.left.weight",
    "heads.left.bias",
    "heads.right.weight",
    "loose.0",
    "loose.1",
  ]);
  assertEquals(Object.keys(net.namedBuffers()), ["blocks.2.shift"]);
  assertEquals(Object.keys(net.namedModules()), [
    "",
    "blocks.0",
    "blocks.1",
    "blocks.2",
    "heads.left",
    "heads.right",
  ]);
  assertEquals(net.parameterCount(), 3 + 4 + 2 + 2 + 2 + 1 + 2 + 1 + 1);
});

Deno.test("names are PyTorch's where the fields are in camelCase", () => {
  assertEquals(Object.keys(new BatchNorm1d(2).stateDict()), [
    "weight",
    "bias",
    "running_mean",
    "running_var",
  ]);
  assertEquals(Object.keys(new MultiheadAttention(4, 2).stateDict()), [
    "in_proj_weight",
    "in_proj_bias",
    "out_proj.weight",
    "out_proj.bias",
  ]);
});

Deno.test("a tied parameter is listed once, and in a state dict under both names", () => {
  const net = new Tied();
  assertEquals(Object.keys(net.namedParameters()), ["first.weight"]);
  assertEquals(Object.keys(net.stateDict()), ["first.weight", "second.weight"]);
  assertEquals(net.parameterCount(), 4);
});

Deno.test("a shared module is one, and a module that knows its parent is not walked in circles", () => {
  const shared = new Linear(2, 2);
  const net = new Sequential(shared, new ReLU(), shared);
  assertEquals(Object.keys(net.namedParameters()), ["0.weight", "0.bias"]);
  class Child extends Module {
    weight = parameter([1]);
    parent: Module | null = null;
    forward(x: Tensor): Tensor {
      return x;
    }
  }
  class Parent extends Module {
    child = new Child();
    forward(x: Tensor): Tensor {
      return x;
    }
  }
  const parent = new Parent();
  parent.child.parent = parent;
  assertEquals(Object.keys(parent.namedParameters()), ["child.weight"]);
});

Deno.test("a field stays a parameter when another tensor is assigned to it", () => {
  const layer = new Linear(2, 1);
  layer.weight = ones([1, 2]);
  assertEquals(Object.keys(layer.namedParameters()), ["weight", "bias"]);
  const scale = new Scale();
  scale.namedParameters();
  scale.factor = ones([2]);
  assertEquals(Object.keys(scale.namedParameters()), ["factor"]);
});

Deno.test("parameter takes floats only; buffer takes anything but nothing", () => {
  assertThrows(() => parameter(tensor([1], { dtype: "int32" })), DTypeError, "int32");
  assertThrows(() => parameter(null as unknown as Tensor), ArgumentError, "null");
  assertEquals(buffer(tensor([true])).dtype, "bool");
});

Deno.test("train and eval reach every module", () => {
  const net = new Nested();
  const modes = () => Object.values(net.namedModules()).map((m) => m.training);
  assert(modes().every((mode) => mode));
  assertStrictEquals(net.eval(), net);
  assert(modes().every((mode) => !mode));
  assert(net.train().heads.left.training);
});

Deno.test("functionalCall replaces what is named and keeps the rest", async () => {
  const net = new Scale();
  const x = ones([2]);
  assertEquals(await functionalCall(net, {}, x).toArray(), [11, 22]);
  assertEquals(await functionalCall(net, { factor: tensor([3, 4]) }, x).toArray(), [13, 24]);
  const both = { factor: tensor([3, 4]), shift: zeros([2]) };
  assertEquals(await functionalCall(net, both, x).toArray(), [3, 4]);
  assertEquals(await net.forward(x).toArray(), [11, 22]);
});

Deno.test("functionalCall names what stands in the place of a module", () => {
  assertThrows(() => functionalCall(null as never, {}), ArgumentError, "expected a Module");
});

Deno.test("functionalCall restores the module when forward throws", () => {
  const net = new Broken();
  const { factor } = net.inner;
  const params = { "inner.factor": tensor([3, 4]) };
  assertThrows(() => functionalCall(net, params, ones([2])), RangeError, "broken");
  assertStrictEquals(net.inner.factor, factor);
});

Deno.test("functionalCall keeps tied parameters tied", async () => {
  const net = new Tied();
  const weight = tensor([[0, 2], [1, 0]]);
  const x = tensor([1, 10]);
  const expected = [2, 20];
  assertEquals(await functionalCall(net, { "first.weight": weight }, x).toArray(), expected);
  assertEquals(await functionalCall(net, { "second.weight": weight }, x).toArray(), expected);
  const both = { "first.weight": weight, "second.weight": weight };
  assertEquals(await functionalCall(net, both, x).toArray(), expected);
  assertThrows(
    () => functionalCall(net, { "first.weight": weight, "second.weight": ones([2, 2]) }, x),
    ArgumentError,
    "one tied parameter",
  );
});

Deno.test("functionalCall differentiates by both places of a tied parameter", async () => {
  const net = new Tied();
  const f = (p: Record<string, Tensor>) => functionalCall(net, p, tensor([1, 0])).sum();
  const { "first.weight": jacobian } = jacrev(f)({ "first.weight": tensor([[2, 0], [0, 3]]) });
  // The sum of column 0 of W²: w00² + w01 w10 + w10 w00 + w11 w10.
  assertEquals(await jacobian.toArray(), [[4, 0], [5, 0]]);
});

Deno.test("functionalCall says what is wrong with its parameters", () => {
  const net = new Scale();
  const x = ones([2]);
  assertThrows(
    () => functionalCall(net, { weight: x }, x),
    ArgumentError,
    'Scale has no parameter or buffer "weight"; it has factor, shift',
  );
  assertThrows(() => functionalCall(net, { factor: ones([3]) }, x), ShapeError, "[3]");
  const wrong = { factor: 1 } as unknown as Record<string, Tensor>;
  assertThrows(() => functionalCall(net, wrong, x), ArgumentError, '"factor" is 1');
  const none = null as unknown as Record<string, Tensor>;
  assertThrows(() => functionalCall(net, none, x), ArgumentError, "null");
});

Deno.test("loadStateDict copies parameters and buffers in the module's dtype", async () => {
  const net = new Scale();
  net.loadStateDict({ factor: tensor([5, 6], { dtype: "float64" }), shift: zeros([2]) });
  assertEquals(net.factor.dtype, "float32");
  assertEquals(await net.forward(ones([2])).toArray(), [5, 6]);
  const copy = new Scale().loadStateDict(net.stateDict());
  assertEquals(await copy.forward(ones([2])).toArray(), [5, 6]);
});

Deno.test("loadStateDict lists all that does not fit, and then changes nothing", () => {
  const net = new Sequential(new Linear(2, 3), new Linear(3, 1));
  const before = net.stateDict();
  const dict = {
    "0.weight": ones([2, 3]),
    "0.bias": zeros([3]),
    "1.weight": ones([1, 3]),
    w: ones([1]),
  };
  const error = assertThrows(() => net.loadStateDict(dict), StateDictError);
  assertEquals(error.missing, ["1.bias"]);
  assertEquals(error.unexpected, ["w"]);
  assertEquals(error.mismatched, ["0.weight"]);
  assertEquals(
    error.message,
    "loadStateDict: the dictionary does not fit Sequential: missing: 1.bias; unknown: w; " +
      "0.weight has shape [2, 3], expected [3, 2]",
  );
  const after = net.stateDict();
  for (const [name, value] of Object.entries(before)) assertStrictEquals(after[name], value);
});

Deno.test("loadStateDict that is not strict forgives names but not shapes", () => {
  const net = new Linear(2, 1);
  const bias = ones([1]);
  net.loadStateDict({ bias, other: bias }, { strict: false });
  assertStrictEquals(net.bias, bias);
  assertThrows(
    () => net.loadStateDict({ bias: ones([2]) }, { strict: false }),
    StateDictError,
    "bias has shape [2], expected [1]",
  );
});

Deno.test("loadStateDict skips the counter that PyTorch stores with batch statistics", () => {
  const net = new Sequential(new BatchNorm1d(2));
  const dict = { ...net.stateDict(), "0.num_batches_tracked": tensor(3) };
  assertStrictEquals(net.loadStateDict(dict), net);
  assertThrows(
    () => net.loadStateDict({ ...dict, num_batches_tracked: tensor(3) }),
    StateDictError,
    "unknown: num_batches_tracked",
  );
});

Deno.test("loadStateDict takes tensors only", () => {
  const net = new Linear(1, 1, { bias: false });
  const wrong = { weight: [[1]] } as unknown as Record<string, Tensor>;
  assertThrows(() => net.loadStateDict(wrong), ArgumentError, '"weight"');
  const none = undefined as unknown as Record<string, Tensor>;
  assertThrows(() => net.loadStateDict(none), ArgumentError, "undefined");
});

Deno.test("to converts all floats and keeps ties", () => {
  const net = new Tied().to("float64");
  assertEquals(net.first.weight.dtype, "float64");
  assertStrictEquals(net.first.weight, net.second.weight);
  assertThrows(() => net.to("int32"), DTypeError, "int32");
});

Deno.test("Sequential takes modules only", () => {
  const relu = ((x: Tensor) => x.relu()) as unknown as Layer;
  assertThrows(() => new Sequential(relu), ArgumentError, "layer 0");
});

Deno.test("printing a module shows its modules and the shapes of what they hold", () => {
  class Net extends Module {
    scale = parameter(ones([3]));
    layers = new Sequential(new Linear(2, 3), new BatchNorm1d(3));
    heads = [new Linear(3, 1, { bias: false })];
    offsets = [buffer([1]), buffer([2, 3])];
    forward(x: Tensor): Tensor {
      return x;
    }
  }
  assertEquals(
    Deno.inspect(new Net()),
    [
      "Net, 21 parameters, scale [3], offsets.0 [1], offsets.1 [2]",
      "  layers: Sequential",
      "  layers.0: Linear, weight [3, 2], bias [3]",
      "  layers.1: BatchNorm1d, weight [3], bias [3], running_mean [3], running_var [3]",
      "  heads.0: Linear, weight [1, 3]",
    ].join("\n"),
  );
});
