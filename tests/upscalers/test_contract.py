"""Every call of a foreign model is checked alike: untiled, in tiles, over eight orientations; in torch and in ONNX."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from srbench.errors import UpscalerError
from srbench.upscalers.base import Identity, Options
from srbench.upscalers.onnx import open_onnx
from srbench.upscalers.tensors import TensorUpscaler

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

SCALE = 2
MEAN = 0.25
LR: NDArray[np.uint8] = np.random.default_rng(0).integers(1, 255, (11, 14, 3), dtype=np.uint8)
LR[0, 0] = 0  # the one black pixel, which the model with NaN in one tile answers with NaN
EXPECTED = (LR.astype(np.float32) / 255).repeat(SCALE, 0).repeat(SCALE, 1)
"""What the correct model returns: each pixel as a square, which no tile or orientation changes."""

MODES = {
    "plain": Options("cpu"),
    "tile": Options("cpu", tile=5),
    "self-ensemble": Options("cpu", self_ensemble=True),
    "both": Options("cpu", tile=5, self_ensemble=True),
}
GOOD = ("correct", "in place", "float64")
MESSAGES = {
    "twice the scale": r"expected an output of \S+ at ×2 for an input of \S+, got \S+; use --scale 4",
    "half the scale": r"expected an output of \S+ at ×2 .*; use --pre-upsample",
    "one channel": r"expected an output of 1×3×\S+ at ×2 .* got 1×1×\S+; use --luma",
    "one row short": r"expected an output of \S+ at ×2 .*; crop what the network pads, or let --pad N",
    "three columns wide": r"expected an output of \S+ at ×2 .*; crop what the network pads, or let --pad N",
    "NaN in one tile": r"expected finite values, got NaN or infinity; check the weights",
    "tuple": r"expected one tensor, got a tuple of 2; .*--output-name \(one of 0, 1\)",
    "dict": r"expected one tensor, got a dict of 1; .*--output-name \(one of sr\)",
}
ONNX_MESSAGES = MESSAGES | {
    "tuple": r"expected an --output-name out of its outputs sr, other, got no --output-name; choose one of them",
    "dict": r"expected one tensor, got a list of 1; .*--output-name",
}
CASES = (*GOOD, *MESSAGES)


def enlarged(lr: Tensor, scale: int = SCALE) -> Tensor:
    return functional.interpolate(lr, scale_factor=scale)


def in_place(lr: Tensor) -> Tensor:
    lr -= MEAN
    return enlarged(lr) + MEAN


def black_is_nan(lr: Tensor) -> Tensor:
    return enlarged(lr / lr * lr)


TORCH_MODELS: dict[str, Callable[[Tensor], Any]] = {
    "correct": enlarged,
    "in place": in_place,
    "float64": lambda lr: enlarged(lr).double(),
    "twice the scale": lambda lr: enlarged(lr, 4),
    "half the scale": lambda lr: lr,
    "one channel": lambda lr: enlarged(lr)[:, :1],
    "one row short": lambda lr: enlarged(lr)[..., 1:, :],
    "three columns wide": lambda lr: functional.pad(enlarged(lr), (0, 3)),
    "NaN in one tile": black_is_nan,
    "tuple": lambda lr: (enlarged(lr), lr),
    "dict": lambda lr: {"sr": enlarged(lr)},
}


def graph(
    nodes: list[Any],
    constants: dict[str, Any],
    *,
    outputs: tuple[Any, ...] = (),
    shape: tuple[Any, ...] = ("n", 3, "h", "w"),
    kind: int = onnx.TensorProto.FLOAT,
    opset: int = 18,
) -> bytes:
    """An ONNX model from the input `lr` to the output `sr`."""
    helper = onnx.helper
    made = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("lr", kind, shape)],
        list(outputs) or [helper.make_tensor_value_info("sr", kind, None)],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    content: bytes = helper.make_model(made, opset_imports=opsets, ir_version=9).SerializeToString()
    return content


def resize(source: str = "lr", target: str = "sr", factors: str = "twice") -> Any:
    return onnx.helper.make_node(
        "Resize",
        [source, "", factors],
        [target],
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


TWICE: Any = {"twice": np.array([1, 1, 2, 2], np.float32)}


def onnx_model(case: str) -> bytes:
    """The ONNX counterpart of `TORCH_MODELS[case]`."""
    node, helper = onnx.helper.make_node, onnx.helper
    up = resize(target="up")
    ints = {name: np.array(values, np.int64) for name, values in {"row": [2], "start": [1], "end": [1 << 30]}.items()}
    sequence = helper.make_tensor_sequence_value_info("sr", onnx.TensorProto.FLOAT, None)
    pair = tuple(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in ("sr", "other"))
    four = {"twice": np.array([1, 1, 4, 4], np.float32)}
    wide = {"pads": np.array([0, 0, 0, 0, 0, 0, 0, 3], np.int64)}
    first = {"zero": np.array([0], np.int64)}
    double = helper.make_tensor_value_info("sr", onnx.TensorProto.DOUBLE, None)
    nodes, constants, outputs = {
        "correct": ([resize()], {}, ()),
        "in place": (
            [node("Sub", ["lr", "mean"], ["low"]), resize("low", "up"), node("Add", ["up", "mean"], ["sr"])],
            {"mean": np.float32(MEAN)},
            (),
        ),
        "float64": ([up, node("Cast", ["up"], ["sr"], to=onnx.TensorProto.DOUBLE)], {}, (double,)),
        "twice the scale": ([resize()], four, ()),
        "half the scale": ([node("Identity", ["lr"], ["sr"])], {}, ()),
        "one channel": ([up, node("Gather", ["up", "zero"], ["sr"], axis=1)], first, ()),
        "one row short": ([up, node("Slice", ["up", "start", "end", "row"], ["sr"])], ints, ()),
        "three columns wide": ([up, node("Pad", ["up", "pads"], ["sr"])], wide, ()),
        "NaN in one tile": (
            [node("Div", ["lr", "lr"], ["one"]), node("Mul", ["one", "lr"], ["same"]), resize("same")],
            {},
            (),
        ),
        "tuple": ([resize(), node("Identity", ["lr"], ["other"])], {}, pair),
        "dict": ([up, node("SequenceConstruct", ["up"], ["sr"])], {}, (sequence,)),
    }[case]
    return graph(nodes, TWICE | constants, outputs=outputs)


def in_torch(case: str, options: Options, folder: Path) -> NDArray[Any]:
    upscaler = TensorUpscaler(TORCH_MODELS[case], Identity("python:mine:make"), scale=SCALE, options=options)
    return upscaler.checked(LR, dataset="Set5", name="baby")


def in_onnx(case: str, options: Options, folder: Path) -> NDArray[Any]:
    return run_onnx(onnx_model(case), options, folder)


def run_onnx(content: bytes, options: Options, folder: Path, image: NDArray[np.uint8] = LR) -> NDArray[Any]:
    (folder / "model.onnx").write_bytes(content)
    return open_onnx(str(folder / "model.onnx"), SCALE, options).checked(image, dataset="Set5", name="baby")


RUNTIMES = {"python": (in_torch, MESSAGES), "onnx": (in_onnx, ONNX_MESSAGES)}


@pytest.mark.parametrize(
    ("runtime", "mode", "case"), list(itertools.product(RUNTIMES, MODES, CASES)), ids=lambda value: value
)
def test_each_model_scores_equally_or_gives_one_message(runtime: str, mode: str, case: str, tmp_path: Path) -> None:
    run, messages = RUNTIMES[runtime]
    if case in GOOD:
        np.testing.assert_allclose(run(case, MODES[mode], tmp_path), EXPECTED, atol=1e-6)
    else:
        with pytest.raises(UpscalerError, match=messages[case]) as caught:
            run(case, MODES[mode], tmp_path)
        assert ("python:mine:make on Set5/baby" if runtime == "python" else "model.onnx") in str(caught.value)


class Remembering(nn.Module):
    """Returns one buffer each time and keeps its inputs, as models with preallocated memory do."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []
        self.buffer = torch.empty(0)

    def forward(self, lr: Tensor) -> Tensor:
        for earlier in self.seen:
            earlier.zero_()
        self.seen.append(lr)
        sr = enlarged(lr)
        if self.buffer.shape != sr.shape:
            self.buffer = torch.empty_like(sr, memory_format=torch.channels_last)
        return self.buffer.copy_(sr)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "model",
    [
        lambda lr: enlarged(lr).transpose(-1, -2).contiguous().transpose(-1, -2),
        lambda lr: lr[..., None, :, None].expand(-1, -1, -1, 2, -1, 2).reshape(1, 3, 2 * lr.shape[2], -1),
        lambda lr: torch.imag(torch.complex(enlarged(lr), -enlarged(lr)).conj()),
        lambda lr: nn.Parameter(enlarged(lr).clone(), requires_grad=False),
        Remembering(),
    ],
    ids=["transposed", "expanded", "negative", "parameter", "remembering"],
)
def test_memory_layout_and_state_change_nothing(model: Callable[[Tensor], Any], mode: str) -> None:
    upscaler = TensorUpscaler(model, Identity("mine"), scale=SCALE, options=MODES[mode])
    first, lr = upscaler.checked(LR, dataset="d", name="n"), LR.copy()
    upscaler.checked(255 - LR, dataset="d", name="n")
    np.testing.assert_allclose(first, EXPECTED, atol=1e-6)
    np.testing.assert_array_equal(LR, lr)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda lr: (enlarged(lr) * 255).byte(), "expected floating values, got torch.uint8; return them as float"),
        (lambda lr: torch.complex(enlarged(lr), enlarged(lr)), "expected floating values, got torch.complex64"),
        (lambda lr: enlarged(lr).numpy(), "expected a torch tensor, got ndarray"),
        (lambda lr: None, "expected a torch tensor, got NoneType"),
        (lambda lr: [enlarged(lr)], "expected one tensor, got a list of 1; return the SR image alone"),
        (lambda lr: enlarged(lr).to_sparse(), "expected a dense tensor with values"),
        (lambda lr: enlarged(lr).to("meta"), "expected a dense tensor with values"),
        (lambda lr: enlarged(lr)[0], r"got 3×\d+×\d+; return a batch N×C×H×W"),
        (lambda lr: enlarged(lr).mean(), "got a single number; return a batch N×C×H×W"),
        (lambda lr: enlarged(lr).repeat(2, 1, 1, 1), r"got 2×3×\d+×\d+; return a batch N×C×H×W"),
        (lambda lr: enlarged(lr).repeat(1, 2, 1, 1), r"got 1×6×\d+×\d+; return 3 channels"),
        (lambda lr: enlarged(lr) + torch.inf, "expected finite values"),
        (lambda lr: enlarged(lr).double() * 1e300, "expected finite values"),
        (lambda lr: 1 // 0, "the model raised ZeroDivisionError"),
    ],
)
def test_other_outputs_get_one_message_in_every_mode(model: Callable[[Tensor], Any], message: str, mode: str) -> None:
    upscaler = TensorUpscaler(model, Identity("mine"), scale=SCALE, options=MODES[mode])
    with pytest.raises(UpscalerError, match=rf"^mine on Set5/baby: .*{message}"):
        upscaler.checked(LR, dataset="Set5", name="baby")


def test_output_name_chooses_from_dicts_tuples_and_onnx_outputs(tmp_path: Path) -> None:
    for case, name in (("dict", "sr"), ("tuple", "0")):
        np.testing.assert_allclose(in_torch(case, Options("cpu", output_name=name), tmp_path), EXPECTED, atol=1e-6)
    np.testing.assert_allclose(in_onnx("tuple", Options("cpu", output_name="sr"), tmp_path), EXPECTED, atol=1e-6)
    with pytest.raises(UpscalerError, match="expected an --output-name out of sr, got 'hr'"):
        in_torch("dict", Options("cpu", output_name="hr"), tmp_path)
    with pytest.raises(UpscalerError, match=r"expected an --output-name out of its outputs sr, other, got 'hr'"):
        in_onnx("tuple", Options("cpu", output_name="hr"), tmp_path)
    with pytest.raises(UpscalerError, match="expected several outputs for --output-name sr, got one"):
        in_torch("correct", Options("cpu", output_name="sr"), tmp_path)


def convolved(shape: tuple[Any, ...]) -> bytes:
    """A 3×3 convolution of each channel with zeros beyond the border, then `resize`."""
    weight = np.random.default_rng(1).random((3, 1, 3, 3)).astype(np.float32) / 9
    node = onnx.helper.make_node("Conv", ["lr", "weight"], ["low"], pads=[1, 1, 1, 1], group=3)
    return graph([node, resize("low")], TWICE | {"weight": weight}, shape=shape)


@pytest.mark.parametrize("options", MODES.values(), ids=MODES)
@pytest.mark.parametrize("window", [(8, 12), (8, "w"), ("h", 9)], ids=str)
def test_a_fixed_onnx_input_gives_the_dynamic_models_output(
    window: tuple[Any, Any], options: Options, tmp_path: Path
) -> None:
    if options.tile is not None:
        with pytest.raises(UpscalerError, match="expected no --tile, since its input has a fixed size"):
            run_onnx(convolved((1, 3, *window)), options, tmp_path)
        return
    image = np.random.default_rng(2).integers(0, 256, (35, 29, 3), dtype=np.uint8)
    expected = run_onnx(convolved(("n", 3, "h", "w")), options, tmp_path, image)
    np.testing.assert_allclose(run_onnx(convolved((1, 3, *window)), options, tmp_path, image), expected, atol=1e-6)


def test_small_images_are_padded_to_a_fixed_onnx_input(tmp_path: Path) -> None:
    content = graph([resize()], TWICE, shape=(1, 3, 64, 48))
    np.testing.assert_allclose(run_onnx(content, MODES["plain"], tmp_path), EXPECTED, atol=1e-6)
    upscaler = open_onnx(str(tmp_path / "model.onnx"), SCALE, MODES["plain"])
    assert upscaler.identity.details["input_size"] == [64, 48]
    assert upscaler.identity.details["tile_overlap"] == [16, 12]
    assert [remark.split(";")[0] for remark in upscaler.remarks] == [
        "the tiles are 64 pixels high, the size of the model's input, and overlap by 16 pixels instead of 32",
        "the tiles are 48 pixels wide, the size of the model's input, and overlap by 12 pixels instead of 32",
    ]


@pytest.mark.parametrize(("kind", "limit"), [("FLOAT16", 5e-4), ("DOUBLE", 1e-6)])
def test_onnx_inputs_of_other_precisions_are_run(kind: str, limit: float, tmp_path: Path) -> None:
    single = onnx.helper.make_node("Cast", ["lr"], ["low"], to=onnx.TensorProto.FLOAT)
    sr = onnx.helper.make_tensor_value_info("sr", onnx.TensorProto.FLOAT, None)
    number = onnx.TensorProto.DataType.Value(kind)
    content = graph([single, resize("low")], TWICE, outputs=(sr,), kind=number, shape=("n", "c", "h", "w"))
    np.testing.assert_allclose(run_onnx(content, MODES["both"], tmp_path), EXPECTED, atol=limit)


def test_float16_onnx_networks_return_float16(tmp_path: Path) -> None:
    half = onnx.TensorProto.FLOAT16
    sr = onnx.helper.make_tensor_value_info("sr", half, None)
    content = graph([resize()], TWICE, outputs=(sr,), kind=half)
    np.testing.assert_allclose(run_onnx(content, MODES["both"], tmp_path), EXPECTED, atol=5e-4)


def test_onnx_networks_of_the_y_channel_need_luma(tmp_path: Path) -> None:
    content = graph([resize()], TWICE, shape=("n", 1, "h", "w"))
    with pytest.raises(UpscalerError, match="use --luma for a network of the Y channel"):
        run_onnx(content, Options("cpu"), tmp_path)
    assert run_onnx(content, Options("cpu", luma=True), tmp_path).shape == EXPECTED.shape
    with pytest.raises(UpscalerError, match="leave out --luma"):
        run_onnx(graph([resize()], TWICE), Options("cpu", luma=True), tmp_path)


def test_newer_opsets_are_named_with_what_helps(tmp_path: Path) -> None:
    message = r"it uses opset 999 of ai\.onnx, and onnxruntime \S+ knows up to opset \d+; install a newer onnxruntime"
    with pytest.raises(UpscalerError, match=message):
        run_onnx(graph([resize()], TWICE, opset=999), MODES["plain"], tmp_path)
    with pytest.raises(UpscalerError, match="an ONNX file fixes the precision itself: convert the file to float16"):
        run_onnx(graph([resize()], TWICE), Options("cpu", "bf16"), tmp_path)
