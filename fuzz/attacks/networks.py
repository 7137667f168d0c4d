"""ONNX files that attack their reader: weights elsewhere, values that fill the memory, loops, names that lie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

Files = Iterator[tuple[str, bytes]]

SCALE = 2
"""The scale of the networks."""
_HUGE = 80_000
"""The square of this many float32 values takes 24 GiB."""
_CONTROL = "\x1b[31m\u202e\0" + "n" * 100_000


def good_network() -> bytes:
    """Return a network that the reader accepts: it repeats each pixel."""
    return _file([_resize()], [_scales()])


def networks() -> Files:
    """Yield networks that no reader may load blindly."""
    yield "nothing", b""
    yield "text", b"ir_version: 8"
    yield "cut in half", good_network()[:60]
    yield "a length without end", b"\x3a" + b"\xff" * 9 + b"\x01"
    yield "groups inside groups", b"\x0b" * 50_000
    yield from _weights_elsewhere()
    yield from _huge_values()
    yield from _loops_and_functions()
    yield from _names_and_versions()
    yield from _inputs_and_outputs()
    yield from _initializers()
    yield from _failures_at_run_time()


def _weights_elsewhere() -> Files:
    for location in ("/etc/passwd", "../../etc/passwd", "", "\0", "weights.bin", "//host/share", "C:\\weights"):
        tensor = TensorProto(name="scales", dims=[4], data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
        tensor.external_data.add(key="location", value=location)
        tensor.external_data.add(key="length", value="9" * 30)
        resize = _resize()
        yield f"weights in {location[:12]!r}", _file([resize], [tensor])
        constant = helper.make_node("Constant", [], ["scales"], value=tensor)
        yield f"a constant in {location[:12]!r}", _file([constant, resize])
        yield f"a constant of a branch in {location[:12]!r}", _file(_branches([constant, resize]))


def _huge_values() -> Files:
    shape = _ints("shape", [1, 3, _HUGE, _HUGE])
    one = _floats("one", [1, 1, 1, 1])
    makers: dict[str, tuple[NodeProto, list[TensorProto]]] = {
        "ConstantOfShape": (helper.make_node("ConstantOfShape", ["shape"], ["big"]), [shape]),
        "Expand": (helper.make_node("Expand", ["one", "shape"], ["big"]), [one, shape]),
        "Tile": (helper.make_node("Tile", ["one", "shape"], ["big"]), [one, shape]),
        "Pad": (
            helper.make_node("Pad", ["one", "shape"], ["big"]),
            [one, _ints("shape", [0, 0, 0, 0, 0, 2, *2 * [_HUGE]])],
        ),
        "Resize": (
            helper.make_node("Resize", ["one", "", "", "shape"], ["big"], mode="nearest"),
            [one, _ints("shape", [1, 1, _HUGE, _HUGE])],
        ),
        "RandomNormal": (helper.make_node("RandomNormal", [], ["big"], shape=[1, 3, _HUGE, _HUGE]), []),
        "OneHot": (
            helper.make_node("OneHot", ["at", "depth", "values"], ["big"]),
            [_ints("at", [[[1]]]), _ints("depth", [_HUGE**2]), _floats("values", [0, 1])],
        ),
        "Range": (
            helper.make_node("Range", ["from", "to", "by"], ["big"]),
            [_ints("from", 0), _ints("to", _HUGE**2), _ints("by", 1)],
        ),
    }
    for name, (node, stored) in makers.items():
        use = helper.make_node("ReduceMax", ["big"], ["most"], keepdims=0)
        nodes = [node, use, helper.make_node("Mul", ["x", "most"], ["y"])]
        yield f"{name} of 24 GiB", _file(nodes, stored)
        yield f"{name} of 24 GiB in a branch", _file(_branches(nodes), stored)
        yield (
            f"{name} of 24 GiB in a function",
            _file([_call("f")], functions=[_function("f", [*_constants(stored), *nodes])]),
        )
    doubling = [helper.make_node("Concat", [f"v{n}"] * 2, [f"v{n + 1}"], axis=3) for n in range(36)]
    end = [helper.make_node("ReduceMax", ["v36"], ["most"], keepdims=0), helper.make_node("Mul", ["x", "most"], ["y"])]
    yield "a value doubled 36 times", _file([*doubling, *end], [_floats("v0", [[[[1]]]])])
    column = [
        helper.make_node("MatMul", ["a", "b"], ["big"]),
        helper.make_node("ReduceMax", ["big"], ["most"], keepdims=0),
    ]
    sides = [_floats("a", np.zeros((_HUGE, 1))), _floats("b", np.zeros((1, _HUGE)))]
    yield "a product of 24 GiB", _file([*column, helper.make_node("Mul", ["x", "most"], ["y"])], sides)


def _loops_and_functions() -> Files:
    body = helper.make_graph(
        [helper.make_node("Identity", ["on"], ["again"]), helper.make_node("Identity", ["v"], ["w"])],
        "body",
        [_value("n", TensorProto.INT64, []), _value("on", TensorProto.BOOL, []), _value("v")],
        [_value("again", TensorProto.BOOL, []), _value("w")],
    )
    loop = helper.make_node("Loop", ["", "on", "x"], ["y"], body=body)
    yield "a loop without end", _file([loop], [_true("on")])
    yield "a loop in a branch", _file(_branches([loop]), [_true("on")])
    yield "a loop in a function", _file([_call("f")], functions=[_function("f", [*_constants([_true("on")]), loop])])
    named = NodeProto()
    named.CopyFrom(loop)
    named.domain = "ai.onnx"
    yield "a loop under another name of the domain", _file([named], [_true("on")])
    yield "a scan", _file([helper.make_node("Scan", ["x"], ["y"], body=body, num_scan_inputs=1)])
    yield "a function that calls itself", _file([_call("f")], functions=[_function("f", [_call("f")])])
    both = [_function("f", [_call("g")]), _function("g", [_call("f")])]
    yield "functions that call each other", _file([_call("f")], functions=both)
    doubling = [_function(f"f{n}", [_call(f"f{n + 1}", "x", "m"), _call(f"f{n + 1}", "m", "y")]) for n in range(35)]
    last = _function("f35", [helper.make_node("Identity", ["x"], ["y"])])
    yield "functions that double 35 times", _file([_call("f0")], functions=[*doubling, last])
    nested = [helper.make_node("Identity", ["x"], ["y"])]
    for depth in range(29):
        nested = _branches(nested, f"deep{depth}")
        if depth in (8, 28):
            yield f"branches inside branches, {depth + 1} times", _file(nested)
    yield "a function twice", _file([_call("f")], functions=[_function("f", [_call("g")])] * 2)
    cycle = [helper.make_node("Add", ["x", "b"], ["a"]), helper.make_node("Add", ["x", "a"], ["b"])]
    yield "nodes in a circle", _file([*cycle, helper.make_node("Identity", ["a"], ["y"])])
    yield "50,000 nodes", _file([helper.make_node("Identity", ["x"], [f"i{n}"]) for n in range(50_000)])


def _names_and_versions() -> Files:
    for domain in ("com.evil", "com.microsoft", "ai.onnx.ml", "ai.onnx.preview.training", _CONTROL):
        yield f"the domain {domain[:24]!r}", _file([helper.make_node("Evil", ["x"], ["y"], domain=domain)])
    yield "an operator with control characters", _file([helper.make_node(_CONTROL, ["x"], ["y"])])
    for version in (-1, 0, 1, 999, (1 << 63) - 1):
        yield f"opset {version}", _file([helper.make_node("Identity", ["x"], ["y"])], opset=version)
        yield f"IR version {version}", _file([helper.make_node("Identity", ["x"], ["y"])], ir_version=version)
    model = onnx.load_from_string(good_network())
    model.producer_name = model.doc_string = model.graph.name = model.graph.node[0].name = _CONTROL
    model.metadata_props.add(key=_CONTROL, value=_CONTROL)
    yield "texts with control characters", model.SerializeToString()
    del model.opset_import[:]
    yield "no opset", model.SerializeToString()
    for old, new in (("x", _CONTROL), ("y", _CONTROL), ("x", ""), ("y", "x"), ("x", "scales")):
        yield f"the name {new[:9]!r} for {old}", _renamed(old, new)
    missing = [helper.make_node("Identity", [_CONTROL], ["y"])]
    yield "a value that does not exist", _file(missing)
    yield "no graph", ModelProto(ir_version=8).SerializeToString()


def _inputs_and_outputs() -> Files:
    same = [helper.make_node("Identity", ["x"], ["y"])]
    wrong_ranks: list[list[int | str | None] | None] = [[1, 3], [1, 3, 8], [1, 3, 8, 8, 8], [], None]
    wrong_channels: list[list[int | str | None] | None] = [[2, 3, None, None], [1, 1, None, None], [1, 4, None, None]]
    wrong_sizes: list[list[int | str | None] | None] = [
        [1, 3, 0, 0],
        [0, 3, 8, 8],
        [1, 0, 8, 8],
        [1, 3, -1, -1],
        [1, 3, 1 << 62, 4],
        [1, 3, _CONTROL, None],
    ]
    for shape in (*wrong_ranks, *wrong_channels, *wrong_sizes):
        yield f"an input of shape {str(shape)[:30]}", _file(same, inputs=[_value("x", shape=shape)])
    for kind in (TensorProto.STRING, TensorProto.INT64, TensorProto.BOOL, TensorProto.UINT8, TensorProto.BFLOAT16, 999):
        yield f"an input of type {kind}", _file(same, inputs=[_value("x", kind)])
        yield (
            f"an output of type {kind}",
            _file([helper.make_node("Cast", ["x"], ["y"], to=kind)], outputs=[_value("y", kind)]),
        )
    sequence = helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, None)
    yield "an input that is a sequence", _file(same, inputs=[sequence])
    made = [helper.make_node("SequenceConstruct", ["x"], ["y"])]
    yield (
        "an output that is a sequence",
        _file(made, outputs=[helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, None)]),
    )
    yield "an input without a type", _file(same, inputs=[ValueInfoProto(name="x")])
    yield "no input", _file(same, [_floats("x", np.zeros((1, 3, 8, 8)))], inputs=[])
    yield "two inputs", _file(same, inputs=[_value("x"), _value(_CONTROL)])
    yield "a thousand inputs", _file(same, inputs=[_value(f"x{n or ''}") for n in range(1000)])
    yield "no output", _file(same, outputs=[])
    yield "two outputs", _file(same, outputs=[_value("y"), _value(_CONTROL)])
    yield "the input as output", _file([], outputs=[_value("x")])
    text = numpy_helper.from_array(np.array(["a" * 1000] * 12, dtype=object).reshape(1, 3, 2, 2), "y")
    yield "an output of texts", _file(same[:0], [text], outputs=[_value("y", TensorProto.STRING)])
    for name, value in (("NaN", np.nan), ("infinite", np.inf)):
        yield f"an output that is {name}", _file([helper.make_node("Mul", ["x", "c"], ["y"])], [_floats("c", [value])])


def _initializers() -> Files:
    resize = _resize()
    for dims in ([5], [3], [0], [-4], [1 << 62, 4], [1 << 32, 1 << 32], [2] * 62, [1] * 10_000, [(1 << 63) - 1]):
        tensor = _scales()
        del tensor.dims[:]
        tensor.dims.extend(dims)
        yield f"an initializer of shape {str(dims)[:24]}", _file([resize], [tensor])
    for kind in (0, 999, TensorProto.STRING, TensorProto.DOUBLE, TensorProto.FLOAT8E4M3FN, TensorProto.INT4):
        tensor = _scales()
        tensor.data_type = kind
        yield f"an initializer of type {kind}", _file([resize], [tensor])
    tensor = _scales()
    tensor.float_data.extend([1.0] * 4)
    yield "an initializer with two contents", _file([resize], [tensor])
    yield "an initializer twice", _file([resize], [_scales(), _scales()])
    values, at = _floats("scales", [1, 1, 2, 2]), _ints("at", [0, 1, 2, 3])
    for dims in ([4], [1 << 40], [-1], [1 << 62, 1 << 62]):
        sparse = onnx.SparseTensorProto(values=values, indices=at, dims=dims)
        yield f"a sparse initializer of shape {dims}", _file([resize], sparse=[sparse])
    outside = onnx.SparseTensorProto(values=values, indices=_ints("at", [0, 1, 2, 1 << 40]), dims=[4])
    yield "a sparse initializer with an index outside", _file([resize], sparse=[outside])


def _failures_at_run_time() -> Files:
    where = [_ints("at", [99])]
    yield "an index outside", _file([helper.make_node("Gather", ["x", "at"], ["y"], axis=1)], where)
    yield "another shape", _file([helper.make_node("Reshape", ["x", "at"], ["y"])], [_ints("at", [7, 5, 3])])
    for name, node, stored in (
        ("a crop to nothing", helper.make_node("Slice", ["x", "a", "a", "a"], ["y"]), [_ints("a", [3])]),
        ("a convolution with a step of zero", helper.make_node("Conv", ["x", "w"], ["y"], strides=[0, 0]), [_kernel()]),
        ("a convolution of 2 GiB around", helper.make_node("Conv", ["x", "w"], ["y"], pads=[1 << 30] * 4), [_kernel()]),
        ("a convolution with 10⁹ groups", helper.make_node("Conv", ["x", "w"], ["y"], group=10**9), [_kernel()]),
        ("a negative block", helper.make_node("DepthToSpace", ["x"], ["y"], blocksize=-1), []),
        ("a block of zero", helper.make_node("DepthToSpace", ["x"], ["y"], blocksize=0), []),
        ("axes outside", helper.make_node("Transpose", ["x"], ["y"], perm=[9, 8, 7, 6]), []),
        ("pooling of size zero", helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[0, 0]), []),
        ("a division by zero", helper.make_node("Div", ["x", "w"], ["y"]), [_floats("w", [0.0])]),
    ):
        yield name, _file([node], stored)
    yield (
        "an image larger than it should be",
        _file([_resize()], [_floats("scales", [1, 1, 9, 9])]),
    )


def _file(
    nodes: Sequence[NodeProto],
    stored: Sequence[TensorProto] = (),
    *,
    inputs: Sequence[ValueInfoProto] | None = None,
    outputs: Sequence[ValueInfoProto] | None = None,
    functions: Sequence[onnx.FunctionProto] = (),
    sparse: Sequence[onnx.SparseTensorProto] = (),
    opset: int = 17,
    ir_version: int = 8,
) -> bytes:
    """Return an ONNX file; without `inputs` and `outputs` it maps an image x to an image y."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [_value("x")] if inputs is None else inputs,
        [_value("y")] if outputs is None else outputs,
        stored,
        sparse_initializer=sparse,
    )
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("own", 1)]
    model = helper.make_model(graph, opset_imports=imports, functions=functions)
    model.ir_version = ir_version
    return bytes(model.SerializeToString())


def _value(
    name: str, kind: int = TensorProto.FLOAT, shape: Sequence[Any] | None = (1, 3, None, None)
) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def _floats(name: str, values: object) -> TensorProto:
    return numpy_helper.from_array(np.asarray(values, np.float32), name)


def _ints(name: str, values: object) -> TensorProto:
    return numpy_helper.from_array(np.asarray(values, np.int64), name)


def _true(name: str) -> TensorProto:
    return numpy_helper.from_array(np.asarray(True), name)


def _resize() -> NodeProto:
    return helper.make_node("Resize", ["x", "", "scales"], ["y"], mode="nearest")


def _scales() -> TensorProto:
    return _floats("scales", [1, 1, SCALE, SCALE])


def _kernel() -> TensorProto:
    return _floats("w", np.zeros((3, 3, 3, 3)))


def _constants(tensors: Sequence[TensorProto]) -> list[NodeProto]:
    return [helper.make_node("Constant", [], [tensor.name], value=tensor) for tensor in tensors]


def _branches(nodes: Sequence[NodeProto], name: str = "on") -> list[NodeProto]:
    """Return the nodes of a choice between two branches, of which the one with these nodes is taken."""
    taken = helper.make_graph(nodes, "taken", [], [_value("y")])
    other = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "other", [], [_value("y")])
    choice = helper.make_node("If", [name], ["y"], then_branch=taken, else_branch=other)
    return [*_constants([_true(name)]), choice]


def _call(name: str, given: str = "x", result: str = "y") -> NodeProto:
    return helper.make_node(name, [given], [result], domain="own")


def _function(name: str, nodes: Sequence[NodeProto]) -> onnx.FunctionProto:
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    return helper.make_function("own", name, ["x"], ["y"], nodes, imports)


def _renamed(old: str, new: str) -> bytes:
    """Return the good network with another name for one of its values."""
    model = onnx.load_from_string(good_network())
    for node in model.graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
        node.output[:] = [new if name == old else name for name in node.output]
    for value in (*model.graph.input, *model.graph.output):
        value.name = new if value.name == old else value.name
    return bytes(model.SerializeToString())
