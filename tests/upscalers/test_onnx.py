"""ONNX: an exported network gives its own output at sizes it was not exported with, and bad files are named."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from srbench.cli import main
from srbench.errors import UpscalerError
from srbench.images import save_png
from srbench.upscalers.base import Identity, Options
from srbench.upscalers.onnx import open_onnx
from srbench.upscalers.tensors import network_upscaler
from srbench.zoo import build, load
from srbench.zoo.blocks import SRNetwork
from srbench.zoo.export import export_onnx

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

_CPU = Options(device="cpu")
_SMALL: dict[str, dict[str, Any]] = {
    "pan-bam": {"channels": 8, "up_channels": 8, "blocks": 2, "reduction": 4},
    "awsrn": {"blocks": 1, "units": 2},
    "efdn": {"channels": 16, "cells": 2},
    "span": {"channels": 16, "blocks": 1, "gain": 1.0},
}


@pytest.mark.long
@pytest.mark.parametrize("name", _SMALL)
def test_an_exported_network_gives_its_own_output(name: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    torch.manual_seed(0)
    _require_same_output(build(name, scale=3, **_SMALL[name]), tmp_path / "network.onnx")


@pytest.mark.long
def test_a_network_for_one_size_alone_is_not_exported(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    path = tmp_path / "network.onnx"
    with pytest.raises(UpscalerError, match="fails at 17×31; SAFMN cannot be exported"):
        export_onnx(build("safmn", scale=2, channels=8, blocks=1), path)
    assert not path.exists()


def test_published_weights_are_exported(mirror: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    _require_same_output(load("imdn", tag="authors", scale=3).module, tmp_path / "network.onnx")


def _require_same_output(network: SRNetwork, path: Path) -> None:
    assert export_onnx(network.eval(), path) < 1e-5
    foreign = open_onnx(str(path), 3, _CPU)
    own = network_upscaler(network, Identity("own"), scale=3, options=_CPU)
    coarse = np.random.default_rng(0).integers(0, 256, (3, 5, 3), dtype=np.uint8)
    image = coarse.repeat(7, 0).repeat(6, 1)
    expected = own.checked(image, dataset="test", name="image")
    assert np.abs(foreign.checked(image, dataset="test", name="image") - expected).max() < 1e-5
    assert foreign.identity.weights_sha256 is not None


def test_a_model_of_another_program_is_evaluated(tmp_path: Path) -> None:
    path = tmp_path / "same.onnx"
    path.write_bytes(_convolution(["n", 3, "height", "width"], kind=onnx.TensorProto.FLOAT, scale=2))
    noise = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    save_png(tmp_path / "images" / "noise.png", noise)
    command = ["evaluate", "--model", f"onnx:{path}", "--scale", "2", "--dataset", f"folder:{tmp_path / 'images'}"]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.stderr
    assert re.match(r"onnx:same\.onnx ×2, weights same\.onnx \(sha256 [0-9a-f]{12}…\)\n\n", done.stdout)


def _convolution(shape: list[int | str | None], *, kind: int, channels: int = 3, scale: int = 1) -> bytes:
    """A model of one convolution with an input of the given shape and type; each pixel becomes `scale` × `scale`."""
    helper = onnx.helper
    ones = np.ones(3 * channels * scale**2, np.float16).tolist()
    weight = helper.make_tensor("weight", kind, [channels, 3, scale, scale], ones)
    graph = helper.make_graph(
        [helper.make_node("ConvTranspose", ["lr", "weight"], ["sr"], strides=[scale, scale])],
        "test",
        [helper.make_tensor_value_info("lr", kind, shape)],
        [helper.make_tensor_value_info("sr", kind, None)],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    content: bytes = model.SerializeToString()
    return content


@pytest.mark.parametrize(
    ("shape", "kind", "channels", "message"),
    [
        (["n", 1, "height", "width"], "FLOAT", 1, "use --luma"),
        (["n", 4, "height", "width"], "FLOAT", 4, "expected an input of 3 channels"),
        ([8, 3, "height", "width"], "FLOAT", 3, "expected a batch of 1"),
    ],
)
def test_inputs_that_are_no_image_are_refused(
    shape: list[int | str | None], kind: str, channels: int, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(_convolution(shape, kind=onnx.TensorProto.DataType.Value(kind), channels=channels))
    with pytest.raises(UpscalerError, match=message):
        open_onnx(str(path), 4, _CPU)


def test_a_model_of_another_scale_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "same-size.onnx"
    path.write_bytes(_convolution(["n", 3, "height", "width"], kind=onnx.TensorProto.FLOAT))
    upscaler = open_onnx(str(path), 2, _CPU)
    with pytest.raises(UpscalerError, match="expected an output of 1×3×16×20 at ×2"):
        upscaler.checked(np.zeros((8, 10, 3), np.uint8), dataset="test", name="image")


def test_weights_outside_of_the_file_are_refused(tmp_path: Path) -> None:
    model = onnx.load_from_string(_convolution(["n", 3, "height", "width"], kind=onnx.TensorProto.FLOAT, scale=2))
    model.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(np.ones((3, 3, 2, 2), np.float32), "weight"))
    onnx.save(model, tmp_path / "parts.onnx", save_as_external_data=True, location="parts.data", size_threshold=0)
    with pytest.raises(UpscalerError, match=r"expected all weights in this file, .* got some in another file"):
        open_onnx(str(tmp_path / "parts.onnx"), 2, _CPU)
    onnx.save(onnx.load(tmp_path / "parts.onnx"), tmp_path / "whole.onnx")  # as the message says
    (tmp_path / "parts.data").unlink()
    assert open_onnx(str(tmp_path / "whole.onnx"), 2, _CPU).identity.weights_sha256


def test_files_that_are_no_models_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UpscalerError, match="found none"):
        open_onnx(str(tmp_path / "absent.onnx"), 4, _CPU)
    (tmp_path / "page.onnx").write_text("<html>no model</html>")
    with pytest.raises(UpscalerError, match="expected an ONNX model"):
        open_onnx(str(tmp_path / "page.onnx"), 4, _CPU)
    (tmp_path / "empty.onnx").touch()
    with pytest.raises(UpscalerError, match=r"expected an ONNX model that onnxruntime can run; .* No graph was found"):
        open_onnx(str(tmp_path / "empty.onnx"), 4, _CPU)
    with pytest.raises(UpscalerError, match="precision"):
        open_onnx(str(tmp_path / "page.onnx"), 4, Options(device="cpu", precision="bf16"))
    with pytest.raises(UpscalerError, match="optimise"):
        open_onnx(str(tmp_path / "page.onnx"), 4, Options(device="cpu", optimise="fold"))


def _model_of(nodes: list[Any], *, functions: list[Any] | None = None) -> bytes:
    """A model from an RGB image `lr` to `sr`, made of the given nodes."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    images = [
        helper.make_tensor_value_info(name, kind, ["n", 3, name[0] + "h", name[0] + "w"]) for name in ("lr", "sr")
    ]
    graph = helper.make_graph(nodes, "test", images[:1], images[1:])
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=9, functions=functions or [])
    content: bytes = model.SerializeToString()
    return content


def _huge_constant() -> bytes:
    helper = onnx.helper
    shape = helper.make_tensor("s", onnx.TensorProto.INT64, [3], [1500, 1000, 1000])
    return _model_of(
        [
            helper.make_node("Constant", [], ["shape"], value=shape),
            helper.make_node("ConstantOfShape", ["shape"], ["huge"]),
            helper.make_node("ReduceMax", ["huge"], ["largest"]),
            helper.make_node("Add", ["lr", "largest"], ["sr"]),
        ]
    )


def _endless_loop() -> bytes:
    helper = onnx.helper
    kinds = onnx.TensorProto
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["again"]), helper.make_node("Identity", ["value"], ["next"])],
        "body",
        [
            helper.make_tensor_value_info("step", kinds.INT64, []),
            helper.make_tensor_value_info("go", kinds.BOOL, []),
            helper.make_tensor_value_info("value", kinds.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("again", kinds.BOOL, []),
            helper.make_tensor_value_info("next", kinds.FLOAT, None),
        ],
    )
    true = helper.make_tensor("t", kinds.BOOL, [], [True])
    return _model_of(
        [
            helper.make_node("Constant", [], ["true"], value=true),
            helper.make_node("Loop", ["", "true", "lr"], ["sr"], body=body),
        ]
    )


def _functions(count: int, *, calls: int) -> bytes:
    """Functions that each call the one before several times."""
    helper = onnx.helper
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    functions = []
    for number in range(count):
        inner = [
            helper.make_node(f"f{number - 1}", [f"v{i}"], [f"v{i + 1}"], domain="own")
            if number
            else helper.make_node("Neg", [f"v{i}"], [f"v{i + 1}"])
            for i in range(calls)
        ]
        functions.append(helper.make_function("own", f"f{number}", ["v0"], [f"v{calls}"], inner, opsets))
    return _model_of([helper.make_node(f"f{count - 1}", ["lr"], ["sr"], domain="own")], functions=functions)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(_huge_constant(), r"at most 268,435,456 elements, got 1,500,000,000 in huge", id="6 GB"),
        pytest.param(_endless_loop(), "without loops, got the operator Loop", id="endless loop"),
        pytest.param(_functions(9, calls=10), r"at most 200,000 nodes, got 1,111,111,111", id="a billion nodes"),
        pytest.param(_functions(60, calls=1), "at most 40 nested graphs and functions", id="60 functions deep"),
    ],
)
def test_model_is_bounded_before_it_is_run(data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.onnx"
    path.write_bytes(data)
    with pytest.raises(UpscalerError, match=message):
        open_onnx(str(path), 2, _CPU)


def test_parameters_are_the_stored_floating_values(tmp_path: Path) -> None:
    path = tmp_path / "same.onnx"
    path.write_bytes(_convolution(["n", 3, "height", "width"], kind=onnx.TensorProto.FLOAT, scale=2))
    assert open_onnx(str(path), 2, _CPU).identity.parameters == 3 * 3 * 2 * 2
