"""Writes schemas.json from the onnx package: versions, numbers of inputs and attributes of all operators of ONNX's own domain."""

import json
import pathlib

from onnx import defs

KINDS = {
    "FLOAT": "float",
    "INT": "integer",
    "STRING": "text",
    "TENSOR": "tensor",
    "GRAPH": "graph",
    "FLOATS": "floats",
    "INTS": "integers",
    "STRINGS": "texts",
    "SPARSE_TENSOR": "sparseTensor",
}


def default_of(attribute):
    """The default of a number or a string; None where there is none."""
    value = attribute.default_value
    return {1: value.f, 2: value.i, 3: value.s.decode()}.get(value.type)


schemas = {}
for schema in defs.get_all_schemas_with_history():
    if schema.domain == "":
        schemas.setdefault(schema.name, []).append(schema)
result = {}
for name, versions in sorted(schemas.items()):
    result[name] = [
        {
            "version": schema.since_version,
            "inputs": [schema.min_input, min(schema.max_input, 2**31 - 1)],
            "attributes": {
                key: [KINDS.get(str(value.type).split(".")[-1], "other"), default_of(value)]
                for key, value in sorted(schema.attributes.items())
            },
        }
        for schema in sorted(versions, key=lambda schema: schema.since_version)
    ]
path = pathlib.Path(__file__).with_name("schemas.json")
lines = [f"{json.dumps(name)}:{json.dumps(versions, separators=(',', ':'))}" for name, versions in result.items()]
path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
