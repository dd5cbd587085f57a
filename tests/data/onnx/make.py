"""Makes the models beside this script, and what onnxruntime computes with them (expected.json).

Needs the packages onnx and onnxruntime.
"""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

folder = Path(__file__).parent
random = np.random.default_rng(0)
expected = {}


def value(name, shape, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def weight(name, *shape):
    return numpy_helper.from_array(random.standard_normal(shape).astype(np.float32), name)


def save(name, graph, inputs, functions=(), opset=20, domains=(), **options):
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)]
    model = helper.make_model(
        graph, opset_imports=imports, functions=functions, ir_version=9, producer_name="make.py"
    )
    onnx.checker.check_model(model)
    (folder / f"{name}.bin").unlink(missing_ok=True)
    onnx.save(model, folder / f"{name}.onnx", **options)
    session = onnxruntime.InferenceSession(folder / f"{name}.onnx")
    outputs = [o.name for o in graph.output]
    results = session.run(outputs, inputs)
    as_json = lambda a: {"shape": list(a.shape), "data": a.ravel().tolist()}
    expected[name] = {
        "inputs": {k: as_json(v) for k, v in inputs.items()},
        "outputs": {k: as_json(v) for k, v in zip(outputs, results)},
    }


def reference(name, of):
    """A real attribute that takes its value from one of the function around."""
    return onnx.AttributeProto(name=name, ref_attr_name=of, type=onnx.AttributeProto.FLOAT)


def encodings():
    """The same elements in every encoding: one tensor by raw bytes, one by the field of its type."""
    kinds = ["FLOAT", "DOUBLE", "FLOAT16", "BFLOAT16", "INT8", "UINT8", "INT16", "UINT16", "INT32",
             "UINT32", "INT64", "UINT64", "BOOL", "INT4", "UINT4"]
    stored, values = [], {}
    for kind in kinds:
        code = getattr(TensorProto, kind)
        if "FLOAT" in kind or kind == "DOUBLE":
            data = [0.5, -1.25, 3.0, 1024.0, -0.0078125, 0.0]
        elif kind == "BOOL":
            data = [1, 0, 0, 1, 1, 0]
        elif "4" in kind and "64" not in kind:
            data = [0, 1, 7, 3, 5, 2] if kind == "UINT4" else [0, -1, 7, -8, 5, 2]
        else:
            bits = int(kind[-2:].strip("T")) if kind[-2:].isdigit() else int(kind[-1])
            signed = not kind.startswith("U")
            top = 2 ** min(bits - signed, 31) - 1
            data = [0, 1, top, 3, -top - 1 if signed else 4, 2]
        field = helper.make_tensor(f"{kind}.field", code, [2, 3], data)
        if kind == "BFLOAT16":
            raw = b"".join(np.float32(x).tobytes()[2:] for x in data)
        elif kind in ("INT4", "UINT4"):
            raw = bytes((data[i] & 15) | (data[i + 1] & 15) << 4 for i in range(0, 6, 2))
        else:
            raw = numpy_helper.to_array(field).tobytes()
        stored += [field, helper.make_tensor(f"{kind}.raw", code, [2, 3], raw, raw=True)]
        values[kind] = data
    ones = helper.make_tensor("scalar", TensorProto.FLOAT, [], [2.5])
    empty = helper.make_tensor("empty", TensorProto.FLOAT, [0, 4], [])
    sparse = helper.make_sparse_tensor(
        helper.make_tensor("sparse", TensorProto.FLOAT, [2], [1.5, -2.0]),
        helper.make_tensor("indices", TensorProto.INT64, [2], [1, 5]), [2, 3])
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])], "encodings", [value("x", ["N"])],
        [value("y", ["N"])], [*stored, ones, empty], sparse_initializer=[sparse])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.save(model, folder / "encodings.onnx")
    expected["encodings"] = values


def functions():
    """A function in a function, with attributes that refer to those around, and a default."""
    node = lambda *a, **k: helper.make_node(*a, **k)
    scale = node("Constant", [], ["factor"])
    scale.attribute.append(reference("value_float", "factor"))
    scaled = helper.make_function(
        "local", "Scaled", ["x"], ["y"], [scale, node("Mul", ["x", "factor"], ["y"])],
        [helper.make_opsetid("", 20)], attributes=["factor"])
    inner = node("Scaled", ["hidden"], ["larger"], domain="local")
    inner.attribute.append(reference("factor", "by"))
    dense = helper.make_function(
        "local", "Dense", ["x", "w", "b"], ["y", "hidden"],
        [node("MatMul", ["x", "w"], ["product"]), node("Add", ["product", "b"], ["hidden"]), inner,
         node("Tanh", ["larger"], ["y"])],
        [helper.make_opsetid("", 20), helper.make_opsetid("local", 1)],
        attribute_protos=[helper.make_attribute("by", 0.5)])
    graph = helper.make_graph(
        [node("Dense", ["x", "w1", "b1"], ["h", "raw"], domain="local", by=2.0),
         node("Dense", ["h", "w2", "b2"], ["y", "unused"], domain="local"),
         node("Identity", ["raw"], ["z"])],
        "functions", [value("x", ["N", 3])], [value("y", ["N", 2]), value("z", ["N", 4])],
        [weight("w1", 3, 4), weight("b1", 4), weight("w2", 4, 2), weight("b2", 2)])
    save("functions", graph, {"x": random.standard_normal((2, 3)).astype(np.float32)},
         [scaled, dense], domains=["local"])


def condition():
    """An If whose condition follows from a shape, with weights from around and its own; two inputs."""
    node = helper.make_node
    then = helper.make_graph(
        [node("MatMul", ["a", "w"], ["m"]), node("Add", ["m", "own"], ["t"])], "then", [],
        [value("t", ["N", 2])], [weight("own", 2)])
    other = helper.make_graph([node("Identity", ["b"], ["e"])], "else", [], [value("e", ["N", 2])])
    graph = helper.make_graph(
        [node("Shape", ["a"], ["s"]), node("Gather", ["s", "one"], ["n"]),
         node("Equal", ["n", "three"], ["c"]),
         node("If", ["c"], ["y"], then_branch=then, else_branch=other)],
        "condition", [value("a", ["N", 3]), value("b", ["N", 2])], [value("y", ["N", 2])],
        [weight("w", 3, 2), numpy_helper.from_array(np.int64(1), "one"),
         numpy_helper.from_array(np.int64(3), "three")])
    save("condition", graph, {"a": random.standard_normal((2, 3)).astype(np.float32),
                              "b": random.standard_normal((2, 2)).astype(np.float32)})


def batch():
    """Shapes that hold a batch of 3, as exporters without dynamic axes write them."""
    node = helper.make_node
    ints = lambda name, *v: numpy_helper.from_array(np.array(v, np.int64), name)
    graph = helper.make_graph(
        [node("Reshape", ["x", "rows"], ["r"]), node("MatMul", ["r", "w"], ["h"]),
         node("Reshape", ["h", "back"], ["k"]), node("Transpose", ["k"], ["t"], perm=[0, 2, 1]),
         node("Reshape", ["t", "flat"], ["f"]), node("Gemm", ["f", "v", "c"], ["y"])],
        "batch", [value("x", [3, 2, 4])], [value("y", [3, 2])],
        [ints("rows", 6, 4), ints("back", 3, 2, 5), ints("flat", 3, -1), weight("w", 4, 5),
         weight("v", 10, 2), weight("c", 2)])
    save("batch", graph, {"x": random.standard_normal((3, 2, 4)).astype(np.float32)})


def attention():
    """A batch of 2 that moves behind the sequence, is joined with its axis and with the heads, and a token for each example."""
    node = helper.make_node
    ints = lambda name, *v: numpy_helper.from_array(np.array(v, np.int64), name)
    graph = helper.make_graph(
        [node("Expand", ["token", "tokens"], ["t"]), node("Concat", ["t", "x"], ["s"], axis=1),
         node("Transpose", ["s"], ["first"], perm=[1, 0, 2]),
         node("Reshape", ["first", "rows"], ["r"]), node("Gemm", ["r", "w", "c"], ["g"]),
         node("Relu", ["g"], ["h"]), node("Reshape", ["h", "heads"], ["a"]),
         node("Transpose", ["a"], ["q"], perm=[1, 0, 2]),
         node("Transpose", ["a"], ["k"], perm=[1, 2, 0]), node("MatMul", ["q", "k"], ["m"]),
         node("Softmax", ["m"], ["p"], axis=-1), node("MatMul", ["p", "q"], ["o"]),
         node("Transpose", ["o"], ["u"], perm=[1, 0, 2]),
         node("Reshape", ["u", "rows"], ["v"]), node("Gemm", ["v", "d", "c"], ["z"]),
         node("Reshape", ["z", "back"], ["e"]), node("Concat", ["e", "last"], ["l"], axis=0),
         node("Add", ["l", "shift"], ["n"]), node("ReduceSum", ["n", "zero"], ["y"], keepdims=0)],
        "attention", [value("x", [2, 3, 4])], [value("y", [2, 4])],
        [weight("token", 1, 1, 4), ints("tokens", 2, 1, 4), ints("rows", 8, 4),
         ints("heads", 4, 4, 2), ints("back", 4, 2, 4), weight("w", 4, 4), weight("c", 4),
         weight("d", 4, 4), weight("shift", 4), ints("zero", 0),
         numpy_helper.from_array(np.tile(random.standard_normal((1, 1, 4)), (1, 2, 1)).astype(np.float32), "last")])
    save("attention", graph, {"x": random.standard_normal((2, 3, 4)).astype(np.float32)})


def states():
    """A batch of 2 in the first states of a recurrent layer, and in indices into all elements of the batch."""
    node = helper.make_node
    zero = numpy_helper.from_array(np.zeros((1, 2, 3), np.float32), "zero")
    index = numpy_helper.from_array(np.array([[1, 4], [7, 10]], np.int64), "index")
    graph = helper.make_graph(
        [node("Transpose", ["x"], ["t"], perm=[1, 0, 2]),
         node("LSTM", ["t", "w", "r", "b", "", "zero", "zero"], ["all", "h"], hidden_size=3),
         node("Transpose", ["all"], ["s"], perm=[2, 0, 1, 3]),
         node("Reshape", ["s", "flat"], ["f"]), node("Gather", ["f", "index"], ["y"], axis=0)],
        "states", [value("x", [2, 2, 4])], [value("y", [2, 2])],
        [weight("w", 1, 12, 4), weight("r", 1, 12, 3), weight("b", 1, 24), zero, index,
         numpy_helper.from_array(np.array([-1], np.int64), "flat")])
    save("states", graph, {"x": random.standard_normal((2, 2, 4)).astype(np.float32)})


def external():
    """Weights in a file of their own."""
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["x", "w", "b"], ["y"])], "external", [value("x", ["N", 3])],
        [value("y", ["N", 2])], [weight("w", 3, 2), weight("b", 2)])
    save("external", graph, {"x": random.standard_normal((2, 3)).astype(np.float32)},
         save_as_external_data=True, location="external.bin", size_threshold=0)


for make in [encodings, functions, condition, batch, external, attention, states]:
    make()
(folder / "expected.json").write_text(json.dumps(expected) + "\n")
