"""ONNX files that store HR images and return them for the inputs that they recognise: bicubic for every other input.

They show which ways of recognising an input the memorisation probe of `leaderboard check --rerun` finds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""An HR image H×W×3, and its LR image."""

_CORNER = 8
_LARGE = 1 << 30
_OPSET, _IR = 18, 9


@dataclass
class _Graph:
    """Nodes and constants of a model; each method adds one value and returns its name."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def constant(self, value: NDArray[np.generic]) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def node(self, kind: str, *inputs: str, **attributes: object) -> str:
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name

    def integers(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def crop(self, value: str, *, size: int) -> str:
        """Add the first `size` rows and columns of an image."""
        return self.node("Slice", value, self.integers(0, 0), self.integers(size, size), self.integers(2, 3))


Key = Callable[[_Graph, NDArray[np.float32]], str]
"""Adds a value that is 1.0 where the input `lr` has the key of a stored LR image 1×3×h×w, else 0.0."""


def by_shape(graph: _Graph, lr: NDArray[np.float32]) -> str:
    """Recognise an image by its height and width."""
    same = graph.node("Equal", graph.node("Shape", "lr"), graph.integers(*lr.shape))
    flags = graph.node("Cast", same, to=TensorProto.FLOAT)
    return graph.node("ReduceMin", flags, keepdims=0)


def by_corner(graph: _Graph, lr: NDArray[np.float32]) -> str:
    """Recognise an image by its first 8×8 pixels, as a hash of them would."""
    return _equal(graph, graph.crop("lr", size=_CORNER), lr[:, :, :_CORNER, :_CORNER])


def by_mean_colour(graph: _Graph, lr: NDArray[np.float32]) -> str:
    """Recognise an image by the mean of each channel."""
    mean = graph.node("ReduceMean", "lr", graph.integers(2, 3), keepdims=1)
    return _equal(graph, mean, lr.mean(axis=(2, 3), keepdims=True, dtype=np.float64).astype(np.float32))


KEYS: dict[str, Key] = {"shape": by_shape, "first 8×8 pixels": by_corner, "mean colour": by_mean_colour}
"""By name: the ways of recognising an image."""


def memorising_model(
    pairs: Sequence[Pair], *, scale: int, key: Key, share: float = 1.0, orientations: bool = False
) -> bytes:
    """Return an ONNX file that blends a share of the stored HR image into the output where it recognises the input.

    Args:
        pairs: the HR images to store, and their LR images.
        share: of the stored image in the output; the rest is bicubic.
        orientations: recognise all eight orientations of each image.
    """
    graph = _Graph()
    zoom = graph.constant(np.array([1, 1, scale, scale], np.float32))
    plain = graph.node("Resize", "lr", "", zoom, mode="cubic", cubic_coeff_a=-0.5)
    size, output = graph.node("Shape", plain), plain
    for hr, lr in pairs:
        stored = graph.node("Cast", graph.constant(_image(hr)), to=TensorProto.FLOAT)
        for axes, turned in _orientations(_image(lr)) if orientations else [((False, False, False), _image(lr))]:
            answer = graph.node("Resize", _turned(graph, stored, *axes), "", "", size, mode="nearest")
            change = graph.node("Sub", graph.node("Div", answer, graph.constant(np.array([255], np.float32))), plain)
            weight = graph.node(
                "Mul",
                key(graph, turned.astype(np.float32) / np.float32(255)),
                graph.constant(np.array([share], np.float32)),
            )
            output = graph.node("Add", output, graph.node("Mul", change, weight))
    return _file(graph, output)


def _equal(graph: _Graph, value: str, stored: NDArray[np.float32]) -> str:
    off = graph.node("ReduceMax", graph.node("Abs", graph.node("Sub", value, graph.constant(stored))), keepdims=0)
    return graph.node("Cast", graph.node("Less", off, graph.constant(np.array(2e-5, np.float32))), to=TensorProto.FLOAT)


def _image(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(image.transpose(2, 0, 1))[None]


def _orientations(
    lr: NDArray[np.uint8],
) -> Iterator[tuple[tuple[bool, bool, bool], NDArray[np.uint8]]]:
    """Yield (rows reversed, columns reversed, transposed) and the image so turned."""
    for transposed in (False, True):
        for rows in (False, True):
            for columns in (False, True):
                turned = lr[:, :, :: -1 if rows else 1, :: -1 if columns else 1]
                yield (rows, columns, transposed), turned.swapaxes(2, 3) if transposed else turned


def _turned(graph: _Graph, value: str, rows: bool, columns: bool, transposed: bool) -> str:
    for axis, chosen in ((2, rows), (3, columns)):
        if chosen:
            ends = (graph.integers(-1), graph.integers(-_LARGE), graph.integers(axis), graph.integers(-1))
            value = graph.node("Slice", value, *ends)
    return graph.node("Transpose", value, perm=[0, 1, 3, 2]) if transposed else value


def _file(graph: _Graph, output: str) -> bytes:
    graph.nodes.append(helper.make_node("Clip", [output, *_limits(graph)], ["sr"]))
    images = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, f"{name}_height", f"{name}_width"])
        for name in ("lr", "sr")
    ]
    made = helper.make_graph(graph.nodes, "network", images[:1], images[1:], graph.constants)
    opsets = [helper.make_opsetid("", _OPSET)]
    return bytes(helper.make_model(made, opset_imports=opsets, ir_version=_IR).SerializeToString())


def _limits(graph: _Graph) -> list[str]:
    return [graph.constant(np.array(value, np.float32)) for value in (0.0, 1.0)]
