"""End to end: IMDN ×4 on Set5 + Set14 against loops written as torchSR, super-image and BasicSR evaluate.

All read the same HR and LR files and run the same weights with the same threads; each loop decodes, quantises, shaves
and converts as its project does, and calls that project's own metric functions. So a row shows two things: the time,
and how far the mean that the project prints lies from `matlab-y` on identical network outputs.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

import srbench
from benchmarks import peers
from benchmarks.metrics import basicsr_metrics
from benchmarks.report import BenchRow, speed_row, test_data, timings, without_data, without_peer
from srbench.datasets import open_dataset
from srbench.images import save_png
from srbench.protocols import get_protocol
from srbench.upscalers.base import Options
from srbench.upscalers.loading import open_upscaler

SCALE = 4
"""The scale of the comparison."""

_SETS = ("Set5", "Set14")
_NAME = "evaluation of IMDN ×4, Set5 + Set14, against a loop as in "

Pairs = list[tuple[Path, Path]]
Scores = list[tuple[float, float]]
Loop = Callable[[nn.Module, Pairs], Scores]


def rows() -> list[BenchRow]:
    """One row per project."""
    data = test_data()
    if data is None:
        return [without_data(_NAME + title, "") for title in _LOOPS]
    os.environ.setdefault("SRBENCH_MIRROR", str(data / "checkpoints"))
    upscaler = open_upscaler("zoo:imdn@authors", scale=SCALE, options=Options(device="cpu"))
    network = srbench.load_model("zoo:imdn@authors", scale=SCALE)
    with tempfile.TemporaryDirectory() as folder:
        pairs = _files(data / "data", Path(folder))

        def ours() -> Scores:
            frame = srbench.evaluate(upscaler, _SETS, scale=SCALE, lr="given", data_root=Path(folder)).scores
            return list(zip(frame["psnr_y"], frame["ssim_y"], strict=True))

        exact = ours()
        return [_row(title, ours, exact, loop, network, pairs) for title, loop in _LOOPS.items()]


def _row(
    title: str, ours: Callable[[], Scores], exact: Scores, loop: Loop, network: nn.Module, pairs: Pairs
) -> BenchRow:
    try:
        scores = loop(network, pairs)
    except peers.PeerMissing as missing:
        return without_peer(_NAME + title, str(missing))
    psnr, ssim = np.mean(scores, axis=0) - np.mean(exact, axis=0)
    mine, theirs = timings(ours, lambda: loop(network, pairs))
    note = f"times faster; its mean over the 19 images is off matlab-y by {psnr:+.4f} dB and {ssim:+.5f}"
    return speed_row(_NAME + title, mine, theirs, note=note)


def _files(data: Path, root: Path) -> Pairs:
    """HR cropped as the protocol does, and MATLAB's LR beside it: what those projects start from."""
    pairs = []
    for dataset in _SETS:
        images = open_dataset(dataset, data_root=data)
        for name in images.names:
            hr, lr = get_protocol("matlab-y").prepare(images.hr(name), scale=SCALE)
            pair = root / dataset / "HR" / f"{name}.png", root / dataset / f"LR_bicubic/X{SCALE}/{name}x{SCALE}.png"
            for path, image in zip(pair, (hr, lr), strict=True):
                save_png(path, image)
            pairs.append(pair)
    return pairs


def _torchsr(network: nn.Module, pairs: Pairs) -> Scores:
    psnr, ssim = (getattr(peers.module(peers.PIQ, f"piq.{name}"), name) for name in ("psnr", "ssim"))
    # Its luma leaves out the offset of 16, so values lie in [0, 219/255] of the range that piq is told.
    weights = torch.tensor([65.738, 129.057, 25.064]).reshape(1, 3, 1, 1) / 256

    def luma(image: Tensor) -> Tensor:
        return image[..., SCALE:-SCALE, SCALE:-SCALE].mul(weights).sum(dim=1, keepdim=True)

    scores = []
    for hr, lr in _pillow_batches(pairs):
        sr = _upscaled(network, lr).clamp(0, 1).mul(255).round().div(255)
        scores.append((float(psnr(luma(hr), luma(sr))), float(ssim(luma(hr), luma(sr)))))
    return scores


def _super_image(network: nn.Module, pairs: Pairs) -> Scores:
    metrics = peers.module(peers.SUPER_IMAGE, "super_image.utils.metrics")
    prediction = peers.module(peers.SUPER_IMAGE, "super_image.trainer_utils").EvalPrediction
    scores = []
    for hr, lr in _pillow_batches(pairs):
        found = metrics.compute_metrics(prediction(predictions=_upscaled(network, lr), labels=hr), scale=SCALE)
        scores.append((float(found["psnr"]), float(found["ssim"])))
    return scores


def _basicsr(network: nn.Module, pairs: Pairs) -> Scores:
    metrics = basicsr_metrics()
    options = {"crop_border": SCALE, "test_y_channel": True}
    scores = []
    for hr_path, lr_path in pairs:
        hr, lr = (
            cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR) for path in (hr_path, lr_path)
        )
        batch = torch.from_numpy(np.asarray(lr)[..., ::-1].astype(np.float32) / 255).permute(2, 0, 1)[None]
        sr = _eight_bits(_upscaled(network, batch))
        scores.append(
            (float(metrics.calculate_psnr(sr, hr, **options)), float(metrics.calculate_ssim(sr, hr, **options)))
        )
    return scores


def _pillow_batches(pairs: Pairs) -> Iterator[tuple[Tensor, Tensor]]:
    for pair in pairs:
        hr, lr = (torch.from_numpy(np.asarray(Image.open(path).convert("RGB"), np.float32) / 255) for path in pair)
        yield hr.permute(2, 0, 1)[None], lr.permute(2, 0, 1)[None]


def _upscaled(network: nn.Module, lr: Tensor) -> Tensor:
    with torch.no_grad():
        sr: Tensor = network(lr)
    return sr


def _eight_bits(sr: Tensor) -> NDArray[np.uint8]:
    image = sr[0].clamp(0, 1).permute(1, 2, 0).numpy()[..., ::-1]
    return (image * 255.0).round().astype(np.uint8)


_LOOPS: dict[str, Loop] = {
    "torchSR": _torchsr,
    "super-image": _super_image,
    "BasicSR": _basicsr,
}
