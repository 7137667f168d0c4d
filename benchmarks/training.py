"""Training steps of srbench's loop against a plain one that is fed by PNG files.

The plain loop is built as the paper's own code is: fp32 (without TF32), Adam, a DataLoader that decodes a PNG pair for
every patch, the loss asked for in every step. Both start from the same weights, and a row tells what loss each has come
to. On a GPU both train IMDN ×4 and RCAN ×4 by `paper-bsds`, ours in bf16 with all that
makes it fast, and the share of the card's measured matrix peak is told. Without one, IMDN ×4 with a small batch shows
what srbench's loop costs around the network.
"""

from __future__ import annotations

import math
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from benchmarks.report import BenchRow, Timing, speed_row, test_data, timings, without_data
from srbench.datasets.patch_store import PatchStore
from srbench.datasets.patches import PatchFeed
from srbench.images import save_png
from srbench.training.optimization import Optimization, PerfOptions
from srbench.training.processes import DistContext
from srbench.training.recipe import Recipe, load_recipe
from srbench.training.training_data import TrainingData, open_training_data
from srbench.zoo.building import build
from srbench.zoo.counting import count_macs

SCALE = 4
_ROUNDS = 5
_FORWARD_AND_BACKWARD = 3  # times the work of the forward pass


def rows() -> Iterator[BenchRow]:
    """On a GPU a row for each network and number of loader processes, else one row; each when it is measured."""
    data, gpu = test_data(), torch.cuda.is_available()
    if data is None:
        yield without_data(_name("imdn"), "≥ 3" if gpu else "≥ 1")
        return
    torch.set_num_threads(8 if gpu else 1)
    recipe = load_recipe("paper-bsds" if gpu else "budget-cpu").changed(
        ["precision=bf16"] if gpu else ["batch=2", "schedule=constant"]
    )
    images = open_training_data("BSDS400_train", recipe, scale=SCALE, root=data / "data")
    with tempfile.TemporaryDirectory() as folder:
        _write_pngs(images.train, Path(folder))
        if not gpu:
            yield _row("imdn", recipe, images, Path(folder), workers=0, limit="≥ 1", steps=3)
            return
        for network, steps in (("imdn", 40), ("rcan", 10)):
            for workers in (0, 8):
                # Time on a GPU is scarce: what one row lacks (memory that loader processes share) costs no other row.
                try:
                    yield _row(network, recipe, images, Path(folder), workers=workers, limit="≥ 3", steps=steps)
                except RuntimeError as error:
                    said = str(error).partition("\n")[0]
                    note = f"failed with {workers} loader processes: {said}"
                    yield BenchRow(_name(network), "-", "-", math.nan, "≥ 3", note)


def _name(network: str) -> str:
    return f"training step of {network} ×{SCALE}, a plain loop fed by PNG files against ours"


def _row(
    network: str, recipe: Recipe, data: TrainingData, folder: Path, *, workers: int, limit: str, steps: int
) -> BenchRow:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    # RCAN, too: its kernels are many, and some ten microseconds long.
    graphs = device.type == "cuda"
    ours = _srbench_step(network, recipe, data, device, graphs)
    plain = _plain_step(network, recipe, _PngPatches(folder, len(data.train), recipe), device, workers)
    # Processor time where another program's work would count as ours; on a GPU only the wall knows.
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    losses = [[_run(step, steps)] for step in (ours, plain)]
    mine, theirs = (
        Timing(tuple(seconds / steps for seconds in timing.seconds))
        for timing in timings(
            lambda: losses[0].append(_run(ours, steps)),
            lambda: losses[1].append(_run(plain, steps)),
            repeats=_ROUNDS,
            clock=clock,
        )
    )
    where = torch.cuda.get_device_name() if device.type == "cuda" else "one thread"
    note = (
        f"{recipe.batch / mine.median:.0f} patches/s on {where}, {workers} loader processes beside the plain loop, "
        f"mean loss of the last {steps} of {(_ROUNDS + 1) * steps} steps {losses[0][-1]:.4f} against its "
        f"{losses[1][-1]:.4f}"
    )
    if device.type == "cuda":
        note += f", {_share_of_peak(network, recipe, mine.median):.0%} of its measured bf16 peak"
    return speed_row(_name(network), mine, theirs, limit, note)


def _srbench_step(
    network: str, recipe: Recipe, data: TrainingData, device: torch.device, graphs: bool
) -> Callable[[], Tensor]:
    torch.manual_seed(0)
    optimization = Optimization(
        build(network, scale=SCALE), recipe, DistContext(0, 1, device), PerfOptions(graphs=graphs)
    )
    feed = PatchFeed(data.plan(recipe, 0), batch=recipe.batch, device=device, resident=device.type == "cuda")
    return lambda: optimization.step([feed.next()], 0)[0]


def _plain_step(
    network: str, recipe: Recipe, patches: _PngPatches, device: torch.device, workers: int
) -> Callable[[], Tensor]:
    torch.manual_seed(0)
    module = build(network, scale=SCALE).train().to(device)
    optimiser = torch.optim.Adam(module.parameters(), lr=recipe.learning_rate)
    # The paper's epoch has 4000 draws and this one 400: starting its processes ten times as often would favour ours.
    batches = _endless(
        DataLoader(
            patches, recipe.batch, shuffle=True, num_workers=workers, drop_last=True, persistent_workers=workers > 0
        )
    )

    def step() -> Tensor:
        lr, hr = (part.to(device) for part in next(batches))
        optimiser.zero_grad()
        loss = torch.nn.functional.l1_loss(module(lr), hr)
        loss.backward()  # type: ignore[no-untyped-call]  # untyped in torch
        optimiser.step()
        return torch.tensor(loss.item())

    return step


class _PngPatches(Dataset[tuple[Tensor, Tensor]]):
    """Random patches, each of a PNG pair that is decoded for it."""

    def __init__(self, folder: Path, count: int, recipe: Recipe) -> None:
        self.folder, self.count, self.patch = folder, count, recipe.patch

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        lr, hr = (np.asarray(Image.open(self.folder / kind / f"{index}.png")) for kind in ("lr", "hr"))
        top, left = (random.randint(0, side - self.patch) for side in lr.shape[:2])
        first, second = (self._cut(image, top, left, scale) for image, scale in ((lr, 1), (hr, SCALE)))
        if random.random() < 0.5:
            first, second = first.flip(-1), second.flip(-1)
        return first, second

    def _cut(self, image: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], top: int, left: int, scale: int) -> Tensor:
        rows = slice(top * scale, (top + self.patch) * scale)
        columns = slice(left * scale, (left + self.patch) * scale)
        return torch.from_numpy(image[rows, columns].copy()).permute(2, 0, 1).float() / 255


def _endless(loader: DataLoader[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
    while True:
        yield from loader


def _run(step: Callable[[], Tensor], steps: int) -> float:
    """The mean loss of some steps; asking for it is what waits for a GPU."""
    return torch.stack([step() for _ in range(steps)]).mean().item()


def _write_pngs(store: PatchStore, folder: Path) -> None:
    for index in range(len(store)):
        for kind, image in zip(("lr", "hr"), store.image(index), strict=True):
            save_png(folder / kind / f"{index}.png", np.ascontiguousarray(image.transpose(1, 2, 0)))


def _share_of_peak(network: str, recipe: Recipe, seconds: float) -> float:
    """The share of what a large matrix product reaches on this card; one multiply-accumulate is two operations."""
    macs = count_macs(build(network, scale=SCALE, device="meta"), height=recipe.patch, width=recipe.patch)
    side = 8192
    matrix = torch.randn(side, side, device="cuda", dtype=torch.bfloat16)
    matrix @ matrix
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(10):
        matrix @ matrix
    torch.cuda.synchronize()
    peak = 10 * side**3 / (time.perf_counter() - started)
    return _FORWARD_AND_BACKWARD * macs * recipe.batch / seconds / peak
