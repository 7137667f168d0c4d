"""Tiling, self-ensemble and precision, held to exact identities."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from srbench import environment
from srbench.errors import UpscalerError
from srbench.images import save_png
from srbench.result import evaluate
from srbench.upscalers import float32
from srbench.upscalers.base import Identity, Options
from srbench.upscalers.tensors import TensorUpscaler, network_upscaler
from srbench.upscalers.tiling import self_ensembled, tiled
from srbench.zoo import build

LR = np.random.default_rng(5).integers(0, 256, (45, 61, 3), dtype=np.uint8)


def convolutions() -> nn.Module:
    """Three 3×3 convolutions and a shuffle: a receptive field of 7 pixels, no pooling."""
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(3, 8, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 12, 3, padding=1),
        nn.PixelShuffle(2),
    ]
    return nn.Sequential(*layers).eval()


def test_tiling_is_exact_without_global_pooling() -> None:
    network, lr = convolutions(), torch.rand(1, 3, 45, 61)
    with torch.inference_mode():
        whole = network(lr)
        for tile in (1, 16, 20, 64):
            assert torch.allclose(tiled(network, tile=tile, scale=2, overlap=3)(lr), whole, atol=1e-6), tile


def test_self_ensemble_of_an_equivariant_function_changes_nothing() -> None:
    def nearest(lr: Tensor) -> Tensor:
        return functional.interpolate(lr, scale_factor=3, mode="nearest")

    lr = torch.rand(1, 3, 7, 10)
    assert torch.allclose(self_ensembled(nearest)(lr), nearest(lr), atol=1e-6)


def test_self_ensemble_averages_all_eight_views() -> None:
    seen: list[Tensor] = []

    def ramp(lr: Tensor) -> Tensor:
        seen.append(lr.clone())
        height, width = lr.shape[-2:]
        return (torch.arange(height * width).reshape(1, 1, height, width) * torch.ones(1, 3, 1, 1)).float()

    mean = self_ensembled(ramp)(torch.rand(1, 3, 5, 5))
    assert len({tuple(view.flatten().tolist()) for view in seen}) == 8
    assert torch.allclose(mean, torch.full_like(mean, 12.0)), "a ramp averages to its centre over the eight views"


def _set_switches() -> None:
    torch.set_float32_matmul_precision("medium")
    torch.backends.cudnn.benchmark = True


def _set_newer_switches() -> None:
    if not float32._SWITCHES:
        pytest.skip("this torch has only the older switches")
    backends: Any = torch.backends
    backends.fp32_precision = "tf32"
    backends.mkldnn.conv.fp32_precision = "bf16"


@pytest.fixture
def switches() -> Iterator[Callable[[], list[object]]]:
    """Reads the switches of torch, which are as they were for the tests that follow."""
    restore = float32._set_full()
    restore()
    yield lambda: [*(switch.fp32_precision for switch in float32._SWITCHES), torch.backends.cudnn.benchmark]
    restore()


@pytest.mark.parametrize("choose", [lambda: None, _set_switches, _set_newer_switches])
def test_full_float32_holds_while_images_are_made_and_not_longer(
    choose: Callable[[], None], switches: Callable[[], list[object]], tmp_path: Path
) -> None:
    seen: list[list[object]] = []

    class Noting(nn.Module):
        def forward(self, lr: Tensor) -> Tensor:
            seen.append(switches())
            return functional.interpolate(lr, scale_factor=4)

    for name in ("one", "two"):
        save_png(tmp_path / f"{name}.png", np.zeros((20, 24, 3), np.uint8))
    choose()
    before = switches()
    evaluate(Noting(), f"folder:{tmp_path}", scale=4)
    with pytest.raises(
        UpscalerError, match="expected an output of 1×3×20×24 at ×4 for an input of 1×3×5×6, got 1×3×5×6"
    ):
        evaluate(nn.ReLU(), f"folder:{tmp_path}", scale=4)
    assert switches() == before
    full = ["ieee"] * len(float32._SWITCHES) + [False]
    assert seen == [full] * 6, "the probe's two images are made twice, then the data set's two images once"


@pytest.mark.parametrize(
    "raised",
    [
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] err == 0. DefaultCPUAllocator: can't allocate memory"),
        MemoryError(),
        torch.OutOfMemoryError(),
        None,
    ],
    ids=["processor", "python", "gpu", "real"],
)
def test_lack_of_memory_suggests_tiles(raised: Exception | None) -> None:
    def greedy(lr: Tensor) -> Tensor:
        if raised:
            raise raised
        return torch.empty(1 << 55)

    for tile, hint in ((None, "--tile 256"), (16, "--tile below 16")):
        upscaler = TensorUpscaler(greedy, Identity("greedy"), scale=2, options=Options("cpu", tile=tile))
        with pytest.raises(UpscalerError, match=f"d/n: not enough memory on cpu for an LR of 61×45; try {hint}"):
            upscaler.checked(LR, dataset="d", name="n")


@pytest.mark.parametrize(("precision", "limit"), [("bf16", 0.02), ("fp16", 0.005)])
def test_low_precision_stays_close_and_is_really_used(precision: str, limit: float) -> None:
    torch.manual_seed(0)
    network = build("imdn", scale=2, channels=16, blocks=2)
    results = [
        network_upscaler(network, Identity("imdn"), scale=2, options=Options("cpu", name)).upscale(
            LR, dataset="d", name="n"
        )
        for name in ("fp32", precision)
    ]
    difference = np.abs(results[0] - results[1]).max()
    assert 0 < difference < limit


@pytest.mark.parametrize(("flags", "slow"), [("avx512f avx512_bf16", ["fp16"]), ("avx2", ["bf16", "fp16"])])
def test_a_precision_that_the_processor_lacks_gets_a_remark(
    flags: str, slow: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "processor_features", lambda: tuple(flags.split()))
    remarks = {
        name: TensorUpscaler(convolutions(), Identity("own"), scale=2, options=Options("cpu", name)).remarks
        for name in ("fp32", "bf16", "fp16")
    }
    assert [name for name, found in remarks.items() if found] == slow
    assert remarks["fp16"][0].endswith("leave out --precision fp16 unless you want its scores")


@pytest.mark.parametrize(
    ("result", "named"),
    [
        (lambda lr: lr, "got 1×3×45×61"),
        (lambda lr: functional.interpolate(lr, scale_factor=2) * np.nan, "NaN"),
        (lambda lr: functional.interpolate(lr, scale_factor=2).to(torch.int32), "floating values"),
        (lambda lr: lr.numpy(), "torch tensor, got ndarray"),
        (lambda lr: lr[:, :1], "use --luma"),
    ],
    ids=["size", "nan", "dtype", "array", "gray"],
)
def test_a_wrong_result_is_named(result: object, named: str) -> None:
    upscaler = TensorUpscaler(result, Identity("python:mine:make"), scale=2, options=Options(device="cpu"))  # type: ignore[arg-type]
    with pytest.raises(UpscalerError, match=named) as caught:
        upscaler.checked(LR, dataset="Set5", name="baby")
    assert "python:mine:make" in str(caught.value)


def test_devices_and_precisions_that_do_not_exist() -> None:
    with pytest.raises(UpscalerError, match="--device"):
        network_upscaler(convolutions(), Identity("x"), scale=2, options=Options(device="gpu"))
    with pytest.raises(UpscalerError, match="NVIDIA GPU"):
        network_upscaler(build("pan", scale=2), Identity("pan"), scale=2, options=Options("cpu", optimise="graphs"))
    with pytest.raises(UpscalerError, match="zoo networks"):
        network_upscaler(convolutions(), Identity("x"), scale=2, options=Options("cpu", optimise="fold"))
    with pytest.raises(UpscalerError, match="--precision: expected one of fp32, bf16, fp16"):
        TensorUpscaler(convolutions(), Identity("x"), scale=2, options=Options("cpu", "int8"))


def test_upscalers_take_any_rgb_image(random_image: NDArray[np.uint8]) -> None:
    upscaler = network_upscaler(convolutions(), Identity("x"), scale=2, options=Options("cpu", tile=16))
    random_image.flags.writeable = False
    assert upscaler.checked(random_image, dataset="d", name="n").shape == (94, 100, 3)
