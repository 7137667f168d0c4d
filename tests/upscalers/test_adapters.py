"""Input adapters: a network gets exactly what it was trained on, and the record says which adapters it got."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from srbench.cli import main
from srbench.errors import UpscalerError
from srbench.protocols import MATLAB_LUMA
from srbench.resize import imresize
from srbench.result import evaluate
from srbench.upscalers.base import Identity, OptionKeywords, Options
from srbench.upscalers.loading import as_upscaler, open_upscaler
from srbench.upscalers.tensors import TensorUpscaler
from srbench.zoo import build

LR: NDArray[np.uint8] = np.random.default_rng(0).integers(0, 256, (11, 14, 3), dtype=np.uint8)
SCALE = 2


def enlarged(lr: Tensor) -> Tensor:
    return functional.interpolate(lr, scale_factor=SCALE)


def upscaled(model: Callable[[Tensor], Tensor], **options: Any) -> tuple[NDArray[Any], list[NDArray[Any]]]:
    """SR of `LR`, and what the model got, as H×W×C."""
    seen: list[NDArray[Any]] = []

    def noting(lr: Tensor) -> Tensor:
        seen.append(lr[0].permute(1, 2, 0).numpy())
        return model(lr)

    upscaler = TensorUpscaler(noting, Identity("mine"), scale=SCALE, options=Options("cpu", **options))
    return upscaler.checked(LR, dataset="d", name="n"), seen


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"range": 255}, LR),
        ({"range": -1}, LR / 127.5 - 1),
        ({"bgr": True}, LR[..., ::-1] / 255),
        ({"pad": 8}, np.pad(LR, ((0, 5), (0, 2), (0, 0)), "reflect") / 255),
        ({"pad": 32}, np.pad(LR, ((0, 21), (0, 18), (0, 0)), "reflect") / 255),
        ({"range": 255, "bgr": True, "pad": 16}, np.pad(LR, ((0, 5), (0, 2), (0, 0)), "reflect")[..., ::-1]),
    ],
    ids=str,
)
def test_the_network_gets_its_input_and_the_image_returns(options: dict[str, Any], expected: NDArray[Any]) -> None:
    sr, (seen,) = upscaled(enlarged, **options)
    np.testing.assert_allclose(seen, expected, atol=2e-5)
    np.testing.assert_allclose(sr, LR.repeat(SCALE, 0).repeat(SCALE, 1) / 255, atol=1e-6)


def test_luma_networks_get_matlabs_y_and_keep_bicubic_colours() -> None:
    sr, (seen,) = upscaled(enlarged, luma=True)
    np.testing.assert_allclose(seen[..., 0], MATLAB_LUMA(LR) / 255, atol=1e-6)
    np.testing.assert_allclose(MATLAB_LUMA(sr * 255), MATLAB_LUMA(LR).repeat(SCALE, 0).repeat(SCALE, 1), atol=1e-3)
    colours = imresize(LR / 255, SCALE)
    for first, second in ((0, 1), (1, 2)):  # a change of Y alone moves red, green and blue alike
        np.testing.assert_allclose(
            sr[..., first] - sr[..., second], colours[..., first] - colours[..., second], atol=1e-5
        )


@pytest.mark.parametrize(
    "more", [{}, {"luma": True}, {"tile": 6}, {"self_ensemble": True, "pad": 5, "range": -1}], ids=str
)
def test_pre_upsampling_gives_an_identity_network_bicubic(more: dict[str, Any]) -> None:
    sr, seen = upscaled(lambda image: image, pre_upsample=True, **more)
    np.testing.assert_allclose(sr, imresize(LR / 255, SCALE), atol=1e-5)
    assert all(image.shape[2] == (1 if "luma" in more else 3) for image in seen)


class Foreign(nn.Module):
    """A network of srbench in the dress of other programs: BGR in 0…255, multiples of 8 alone."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        assert all(side % 8 == 0 for side in image.shape[-2:])
        sr: Tensor = self.network(image.flip(1) / 255)
        return sr.flip(1) * 255


@pytest.mark.parametrize("more", [{}, {"tile": 8}, {"self_ensemble": True}], ids=str)
def test_adapters_undo_the_conventions_of_other_programs(more: dict[str, Any]) -> None:
    torch.manual_seed(0)
    network = build("pan", scale=SCALE, channels=8, up_channels=8, blocks=1).eval()
    image = np.random.default_rng(1).integers(0, 256, (24, 16, 3), dtype=np.uint8)
    adapters = Options("cpu", pad=8, range=255, bgr=True, **more)
    results = [
        as_upscaler(module, scale=SCALE, options=options).checked(image, dataset="d", name="n")
        for module, options in ((network, Options("cpu", **more)), (Foreign(network), adapters))
    ]
    np.testing.assert_allclose(results[0], results[1], atol=1e-5)


@pytest.mark.parametrize(("precision", "limit"), [("bf16", 0.02), ("fp16", 0.002)])
def test_foreign_modules_run_in_lower_precision(precision: str, limit: float) -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), nn.PixelShuffle(2))
    full, low = (
        as_upscaler(module, scale=SCALE, options=Options("cpu", name)).checked(LR, dataset="d", name="n")
        for name in ("fp32", precision)
    )
    assert 0 < np.abs(full - low).max() < limit


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options(pad=0), "--pad: expected 1 to 1024 pixels, got 0"),
        (Options(range=256), "--range: expected one of 1, 255, -1, got 256"),
        (Options(luma=True, bgr=True), "expected --luma or --bgr, got both"),
        (Options(bgr="yes"), "bgr: expected True or False"),  # type: ignore[arg-type]  # a mistake on purpose
    ],
    ids=str,
)
def test_adapters_that_make_no_sense_are_refused(options: Options, message: str) -> None:
    with pytest.raises(UpscalerError, match=message):
        TensorUpscaler(enlarged, Identity("mine"), scale=SCALE, options=options)


@pytest.mark.parametrize("spec", ["bicubic", "bicubic:pillow", "images:.", "zoo:imdn"])
def test_models_that_need_no_adapters_refuse_them(spec: str) -> None:
    with pytest.raises(UpscalerError, match=r"expected no input adapters, got --pad, --pre-upsample; .*leave them out"):
        open_upscaler(spec, scale=4, options=Options("cpu", pad=8, pre_upsample=True))


@pytest.mark.long
def test_an_identity_network_scores_like_bicubic_on_the_sample() -> None:
    scores = evaluate(nn.Identity(), "Sample", scale=4, device="cpu", pre_upsample=True, luma=True).scores
    means = [evaluate("bicubic", "Sample", scale=4).scores["psnr_y"].mean(), scores["psnr_y"].mean()]
    assert abs(means[0] - means[1]) < 0.02  # the baseline is rounded to 8 bits, the network's input is not


FACTORY = """
import torch
def make(scale):
    return lambda lr: torch.nn.functional.interpolate(lr, scale_factor=scale)
"""


def test_adapters_are_part_of_record_key_and_model_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "adapted_model.py").write_text(FACTORY)
    monkeypatch.syspath_prepend(tmp_path)
    command = ["evaluate", "--model", "python:adapted_model:make", "--scale", "4", "--dataset", "Sample", "--output"]
    plain, adapted = tmp_path / "plain", tmp_path / "adapted"
    assert CliRunner().invoke(main, [*command, str(plain)]).exit_code == 0
    done = CliRunner().invoke(main, [*command, str(adapted), "--range", "-1", "--pad", "8", "--bgr"])
    assert done.exit_code == 0, done.output
    assert "×4, input padded to a multiple of 8, values in -1…1, BGR\n" in done.stdout
    record = json.loads((adapted / "run.json").read_text())
    assert record["adapters"] == record["key"]["adapters"] == {"pad": 8, "range": -1, "bgr": True}
    without = json.loads((plain / "run.json").read_text())
    assert "adapters" not in without and "adapters" not in without["key"]
    again = CliRunner().invoke(main, [*command, str(plain), "--bgr"])
    assert again.exit_code == 1 and "adapters: None there, {'bgr': True} now" in again.stderr


@pytest.mark.long
def test_a_sweep_takes_adapters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "adapted_model.py").write_text(FACTORY)
    monkeypatch.syspath_prepend(tmp_path)
    command = ["sweep", "--model", "python:adapted_model:make", "--scale", "4", "--dataset", "Sample"]
    done = CliRunner().invoke(main, [*command, "--range", "255", "--output", str(tmp_path / "sweep")])
    assert done.exit_code == 0, done.output
    (record,) = (tmp_path / "sweep" / "runs").glob("*/run.json")
    assert json.loads(record.read_text())["adapters"] == {"range": 255}


LUMA_FACTORY = """
import torch
def make(scale):
    return torch.nn.Sequential(torch.nn.Conv2d(1, scale**2, 3, padding=1), torch.nn.PixelShuffle(scale))
"""


@pytest.mark.long
def test_speed_audit_and_samples_take_adapters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "luma_model.py").write_text(LUMA_FACTORY)
    monkeypatch.syspath_prepend(tmp_path)
    model = ["--model", "python:luma_model:make", "--scale", "4"]
    commands = [
        ["speed", *model, "--size", "8", "--model", "bicubic", "--repetitions", "3"],
        ["audit", *model, "--dataset", "Sample", "--claim", "20.00/0.5"],
        ["samples", *model, "--output", str(tmp_path / "samples")],
    ]
    for command in commands:
        wrong, right = (CliRunner().invoke(main, [*command, *more]) for more in ((), ("--luma",)))
        assert wrong.exit_code == 1 and "RuntimeError" in wrong.stderr, command
        assert right.exit_code == 0, right.output


def test_options_are_keywords_of_evaluate_too() -> None:
    with pytest.raises(UpscalerError, match=r"expected options=… or single options, got both \(pad\)"):
        evaluate(nn.Identity(), "Sample", scale=4, options=Options("cpu"), pad=8)
    assert set(OptionKeywords.__annotations__) == {field.name for field in fields(Options)}
