/** Every argument of empiricalNtk wrong in each way: a typed error that names it, and nothing computed. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  ArgumentError,
  DTypeError,
  empiricalNtk,
  explainNtk,
  ShapeError,
  TangentsError,
  type Tensor,
  tensor,
  TraceError,
  TreeError,
  zeros,
} from "../mod.ts";

const w = tensor([[1, 2], [3, 4]]);
const ints = tensor([1, 2], { dtype: "int32" });
const params = { w };
const x = tensor([[0.1, 0.2], [0.3, 0.4]]);
const f = ({ w }: { w: Tensor }, x: Tensor): Tensor => w.matmul(x).tanh();

type ErrorClass = new (message: string) => TangentsError;

/** Arguments, the error's class, and what its message holds. */
const calls: Readonly<Record<string, readonly [unknown[], ErrorClass, string]>> = {
  "no arguments": [[], ArgumentError, "expected a function f(params, x)"],
  "f is null": [[null, params, x], ArgumentError, "expected a function f(params, x)"],
  "f is a tensor": [[w, params, x], ArgumentError, "expected a function f(params, x)"],
  "params are missing": [[f], TreeError, "empiricalNtk: params: expected a Tensor"],
  "params are null": [[f, null, x], TreeError, "empiricalNtk: params: expected a Tensor"],
  "params are a number": [[f, 3, x], TreeError, "empiricalNtk: params: expected a Tensor"],
  "params hold a number": [
    [f, { w, deep: [w, 3] }, x],
    TreeError,
    "empiricalNtk: params.deep[1]: expected a Tensor",
  ],
  "params are a Map": [[f, new Map(), x], TreeError, "empiricalNtk: params"],
  "params are empty": [
    [f, {}, x],
    ArgumentError,
    "floating point parameter; params holds no tensors",
  ],
  "params are integers": [
    [f, { w: ints }, x],
    ArgumentError,
    "at least one floating point parameter; params holds only w int32",
  ],
  "params are one tensor of integers": [
    [f, ints, x],
    ArgumentError,
    "at least one floating point parameter; params holds only int32",
  ],
  "x1 is missing": [[f, params], TreeError, "empiricalNtk: x1: expected a Tensor"],
  "x1 is an array of numbers": [
    [f, params, [[1, 2]]],
    TreeError,
    "empiricalNtk: x1[0][0]: expected a Tensor",
  ],
  "x1 is a scalar": [
    [f, params, tensor(1)],
    ShapeError,
    "empiricalNtk: x1: examples stand along the first axis",
  ],
  "x1 is an empty tree": [[f, params, []], TreeError, "empiricalNtk: x1: expected at least one"],
  "x1 has tensors of unlike lengths": [
    [f, params, [zeros([2, 2]), zeros([3, 2])]],
    ShapeError,
    "empiricalNtk: x1: examples stand along the first axis of every tensor; got shapes [2, 2], [3, 2]",
  ],
  "x1 does not fit the network": [[f, params, zeros([2, 3])], ShapeError, "matmul"],
  "x2 is a number": [[f, params, x, 3], TreeError, "empiricalNtk: x2: expected a Tensor"],
  "x2 is a scalar": [[f, params, x, tensor(1)], ShapeError, "empiricalNtk: x2"],
  "x2 has examples of another shape": [
    [f, params, x, zeros([2, 3])],
    ShapeError,
    "an example of x1 is float32 [2], one of x2 is float32 [3]",
  ],
  "x2 has another dtype": [
    [f, params, x, zeros([2, 2], { dtype: "float64" })],
    ShapeError,
    "one of x2 is float64 [2]",
  ],
  "x2 has another structure": [
    [f, params, x, [x]],
    TreeError,
    "x2, which must be like x1: expected a tree of the structure *, got [*]",
  ],
  "options in the place of x2": [
    [f, params, x, { method: "auto" }],
    ArgumentError,
    "the fourth argument is x2, and options were given",
  ],
  "the network returns an empty tree": [[() => [], params, x], TreeError, "returned an empty tree"],
  "the network returns nothing": [
    [() => {}, params, x],
    TreeError,
    "result of the function: expected a Tensor",
  ],
  "the network returns integers": [
    [(p: { w: Tensor }, x: Tensor) => f(p, x).argmax(0), params, x],
    DTypeError,
    "the network returned a int32 tensor",
  ],
  "the network returns integers among others": [
    [(p: { w: Tensor }, x: Tensor) => ({ a: f(p, x), b: [f(p, x).argmax(0)] }), params, x],
    DTypeError,
    "the network returned a int32 tensor (b.0), which has no derivative; cast it to float32 or leave",
  ],
  "the network returns a Promise": [
    [(p: { w: Tensor }, x: Tensor) => Promise.resolve(f(p, x)), params, x],
    TreeError,
    "returned a Promise",
  ],
  "the network reads its example": [
    [(p: { w: Tensor }, x: Tensor) => p.w.mul(x.dataSync()[0]), params, x],
    TraceError,
    "read inside vmap",
  ],
  "options are null": [[f, params, x, x, null], ArgumentError, "options must be an object"],
  "options are an array": [[f, params, x, x, []], ArgumentError, "got an array"],
  "options are a string": [[f, params, x, x, "trace"], ArgumentError, "options must be an object"],
  "an unknown option": [
    [f, params, x, x, { Compute: "trace" }],
    ArgumentError,
    "no option is called Compute; there are method, compute, traceAxes, diagonalAxes, normalize, perParameter, crossOutputs, parameters, memoryLimit, backend, check, errorEstimate, spectrum, onReport",
  ],
  "an unknown method": [
    [f, params, x, x, { method: "fast" }],
    ArgumentError,
    "method must be one of auto, jacobian-contraction, ntk-vector-products, structured-derivatives, got fast",
  ],
  "an unknown compute": [
    [f, params, x, x, { compute: "half" }],
    ArgumentError,
    "compute must be one of full, trace, diagonal, got half",
  ],
  "perParameter is no switch": [
    [f, params, x, x, { perParameter: "w" }],
    ArgumentError,
    "perParameter must be true or false, got w",
  ],
  "traces between unlike outputs": [
    [f, params, x, x, { crossOutputs: true, compute: "trace" }],
    ArgumentError,
    'crossOutputs gives full kernels between outputs of any shapes; leave out compute: "trace"',
  ],
  "axes of unlike outputs": [
    [f, params, x, x, { crossOutputs: true, traceAxes: [] }],
    ArgumentError,
    "leave out traceAxes and diagonalAxes",
  ],
  "outputs of two dtypes with their cross blocks": [
    [
      (p: { w: Tensor }, x: Tensor) => [f(p, x), f(p, x).to("float64")],
      params,
      x,
      x,
      { crossOutputs: true },
    ],
    DTypeError,
    "crossOutputs needs outputs of one dtype, got float32 and float64; cast them",
  ],
  "names of no parameters": [
    [f, params, x, x, { parameters: ["w", "v", "u"] }],
    ArgumentError,
    "no parameters named v, u; there are w",
  ],
  "no names": [[f, params, x, x, { parameters: [] }], ArgumentError, "chosen were none of w"],
  "a pattern that fits no name": [
    [f, params, x, x, { parameters: /bias/ }],
    ArgumentError,
    "chosen were none of w",
  ],
  "a function that chooses none": [
    [f, params, x, x, { parameters: () => false }],
    ArgumentError,
    "chosen were none of w",
  ],
  "one name without an array": [
    [f, params, x, x, { parameters: "w" }],
    ArgumentError,
    "parameters must be an array of names",
  ],
  "the name of an integer parameter": [
    [f, { w, ints }, x, x, { parameters: ["w", "ints"] }],
    DTypeError,
    "parameter ints is int32",
  ],
  "check is a string": [[f, params, x, x, { check: "yes" }], ArgumentError, "check must be true"],
  "a negative tolerance": [
    [f, params, x, x, { check: { rtol: -1 } }],
    ArgumentError,
    "check.rtol must be a number of at least 0, got -1",
  ],
  "a tolerance that is no number": [
    [f, params, x, x, { check: { atol: NaN } }],
    ArgumentError,
    "check.atol must be a number of at least 0, got NaN",
  ],
  "an unknown tolerance": [
    [f, params, x, x, { check: { tol: 1 } }],
    ArgumentError,
    "no tolerance is called tol",
  ],
  "onReport is no function": [
    [f, params, x, x, { onReport: 3 }],
    ArgumentError,
    "onReport must be a function",
  ],
};

const call = empiricalNtk as (...args: unknown[]) => Promise<Tensor>;

for (const [name, [args, errorClass, message]] of Object.entries(calls)) {
  Deno.test(`empiricalNtk refuses: ${name}`, async () => {
    const error = await assertRejects(() => call(...args), errorClass, message);
    assert(error instanceof TangentsError && error.constructor === errorClass, `${error}`);
  });
}

Deno.test("empiricalNtk refuses tensors that were disposed of", async () => {
  const gone = x.add(1);
  await gone.data();
  gone.dispose();
  await assertRejects(() => empiricalNtk(f, params, gone), TraceError, "disposed of");
  await assertRejects(() => empiricalNtk(f, { w: gone }, x), TraceError, "disposed of");
});

Deno.test("an error of the network itself comes through as it is", async () => {
  const own = new RangeError("mine");
  const failing = (): Tensor => {
    throw own;
  };
  assertEquals(await empiricalNtk(failing, params, x).catch((error) => error), own);
});

Deno.test("explainNtk refuses what it cannot explain", async () => {
  const explain = explainNtk as (...args: unknown[]) => Promise<unknown>;
  const tree = (p: typeof params, x: Tensor): Tensor[] => [f(p, x), x];
  const refused: readonly (readonly [unknown[], string])[] = [
    [[f, params, x, x, null], "explainNtk: options must be an object"],
    [[f, params, x, { measure: true }], "explainNtk: the fourth argument is x2"],
    [[f, params, x, x, { measure: "yes" }], "explainNtk: measure must be true or false, got yes"],
    [[f, params, x, x, { measures: true }], "explainNtk: no option is called measures"],
    [[tree, params, x], "explains the kernel of one output, and the network has 2"],
    [[f, params, x, x, { crossOutputs: true }], "joined by crossOutputs"],
  ];
  for (const [args, message] of refused) {
    await assertRejects(() => explain(...args), ArgumentError, message);
  }
});
