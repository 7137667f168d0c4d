"""Check the size of ONNX models before a session is made, because onnxruntime expands constants and functions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from srbench.errors import UpscalerError

if TYPE_CHECKING:
    import onnx

MOST_ELEMENTS = 1 << 28
"""The largest number of elements of a value whose shape is fixed in the file: 1 GiB in float32."""
MOST_NODES = 200_000
"""The largest number of nodes once every function of the file is written out."""

_LOOPS = frozenset({"Loop", "Scan", "SequenceMap"})
_MOST_NESTED = 40
_SMALL = 64
_LONGEST_SHOWN = 200


def check_bounds(model: onnx.ModelProto, path: Path) -> None:
    """Raise UpscalerError for a model with loops, with too many nodes, or with constants that fill the memory."""
    nodes = _NodeCounter(model, path).count(model.graph.node)
    if nodes > MOST_NODES:
        raise UpscalerError(
            f"onnx:{path}: expected at most {MOST_NODES:,} nodes, got {nodes:,} with its functions written out; "
            "export a smaller network"
        )
    for name, elements in _fixed_sizes(model, path):
        if elements > MOST_ELEMENTS:
            raise UpscalerError(
                f"onnx:{path}: expected values of at most {MOST_ELEMENTS:,} elements, got {elements:,} in "
                f"{printable(name)}; export the network without this constant"
            )


def count_stored_values(model: onnx.ModelProto) -> int:
    """Return how many floating values a model stores: the initializers and constants of all its graphs."""
    # Inside the function: onnx is an extra.
    from onnx import TensorProto

    floating = {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16}
    graphs = [model.graph.node, *(function.node for function in model.functions)]
    stored = [*model.graph.initializer, *(tensor for nodes in graphs for tensor in _constants(nodes))]
    return sum(math.prod(tensor.dims) for tensor in stored if tensor.data_type in floating)


class _NodeCounter:
    """Counts the nodes of a graph as if each call of a function were replaced by the function's nodes."""

    def __init__(self, model: onnx.ModelProto, path: Path) -> None:
        self._functions = {(function.domain, function.name): function.node for function in model.functions}
        self._known: dict[tuple[str, str], int] = {}
        self._path = path

    def count(self, nodes: Iterable[onnx.NodeProto], depth: int = 0) -> int:
        if depth > _MOST_NESTED:
            raise UpscalerError(
                f"onnx:{self._path}: expected at most {_MOST_NESTED} nested graphs and functions, got more; "
                "export the network without them"
            )
        return sum(self._count_node(node, depth + 1) for node in nodes)

    def _count_node(self, node: onnx.NodeProto, depth: int) -> int:
        if node.op_type in _LOOPS and node.domain in ("", "ai.onnx"):
            raise UpscalerError(
                f"onnx:{self._path}: expected a network without loops, got the operator {node.op_type}, which may "
                "never end; export the network with its loops unrolled"
            )
        inner = 1 + sum(self.count(graph.node, depth) for graph in _graphs(node))
        name = (node.domain, node.op_type)
        if name in self._functions and name not in self._known:
            self._known[name] = self.count(self._functions[name], depth)
        return inner + self._known.get(name, 0)


def _graphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        yield from attribute.graphs
        if attribute.HasField("g"):
            yield attribute.g


def _constants(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.TensorProto]:
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
        for graph in _graphs(node):
            yield from graph.initializer
            yield from _constants(graph.node)


def _fixed_sizes(model: onnx.ModelProto, path: Path) -> Iterator[tuple[str, int]]:
    """Yield the name and number of elements of each value whose shape follows from the file alone."""
    # Inside the function: onnx is an extra.
    from onnx import inliner, shape_inference

    try:
        inlined = inliner.inline_local_functions(model)
        del inlined.graph.value_info[:]  # the file may state other shapes than its nodes produce
        for output in inlined.graph.output:
            output.type.tensor_type.ClearField("shape")
        _share_constants(inlined.graph, [])
        inferred = shape_inference.infer_shapes(inlined, data_prop=True)
    except Exception as error:
        # onnx raises many kinds of errors, and a model without known sizes is not run.
        raise UpscalerError(
            f"onnx:{path}: expected a network whose sizes onnx can infer, got {printable(str(error))}; export it again"
        ) from error
    for value in _values(inferred.graph):
        dimensions = value.type.tensor_type.shape.dim
        if all(dimension.HasField("dim_value") for dimension in dimensions):
            yield value.name, math.prod(dimension.dim_value for dimension in dimensions)


def _values(graph: onnx.GraphProto) -> Iterator[onnx.ValueInfoProto]:
    """Yield the values of a graph and of the branches inside it."""
    yield from graph.value_info
    yield from graph.output
    for node in graph.node:
        for inner in _graphs(node):
            yield from _values(inner)


def _share_constants(graph: onnx.GraphProto, outer: list[onnx.TensorProto]) -> None:
    """Give each branch the small constants around it, from which shapes follow: inference does not look outside."""
    own = [tensor for tensor in graph.initializer if math.prod(tensor.dims) <= _SMALL]
    for node in graph.node:
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.HasField("t") and math.prod(attribute.t.dims) <= _SMALL:
                own.append(type(attribute.t)())
                own[-1].CopyFrom(attribute.t)
                own[-1].name = node.output[0]
    for node in graph.node:
        for inner in _graphs(node):
            _share_constants(inner, [*outer, *own])
    graph.initializer.extend(outer)


def printable(text: str) -> str:
    """Return the start of a text from a file for a message, without control characters."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:_LONGEST_SHOWN])
