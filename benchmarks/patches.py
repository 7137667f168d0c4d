"""Training pairs a second (LR 64×64, ×4) from 400 real images: the packed store against the loaders of two peers.

The peers are written here after their projects' ways: BasicSR decodes a PNG pair for every patch, super-image takes
each pair from a Hugging Face dataset held in memory. All deliver float32 pairs, cropped, flipped and rotated alike, on
one thread. Seconds are those of the processor, so that a busy machine does not decide.
"""

from __future__ import annotations

import io
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from benchmarks.report import BenchRow, Timing, milliseconds, speed_row, test_data, timings, without_data
from srbench.datasets.pairs import pair_maker
from srbench.datasets.patch_store import PatchStore, build_store
from srbench.datasets.patches import PatchFeed, PatchPlan, PatchSampler, read_patches
from srbench.images import save_png

SCALE, PATCH, BATCH = 4, 64, 16
"""What is fed: ×4, LR 64×64, batches of 16."""

_OUR_PAIRS, _PEER_PAIRS, _ROUNDS = 512, 32, 9
_PNG, _HUB = "training pairs/s, store against PNG decoding (BasicSR's way)", "same, against an in-memory HF dataset"
_COPY = "uint8 pairs from the store, share of a plain memory copy's speed"

Pair = tuple[torch.Tensor, torch.Tensor]
Pixels = NDArray[np.uint8]


def rows() -> list[BenchRow]:
    """Three rows: two ratios of pairs a second, and the share of a memory copy's speed."""
    data = test_data()
    if data is None:
        return [without_data(_PNG, "≥ 20"), without_data(_HUB, "≥ 5"), without_data(_COPY, "")]
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        images = {path.stem: path for path in sorted((data / "data" / "BSDS400_train").iterdir())}
        store = build_store(images, Path(folder) / "store", make=pair_maker("matlab", scale=SCALE), progress=False)
        return _measure(store, Path(folder))


def _measure(store: PatchStore, folder: Path) -> list[BenchRow]:
    plan = PatchPlan(store, patch=PATCH, seed=0)
    feed, sampler = PatchFeed(plan, batch=BATCH), PatchSampler(plan)
    target = np.empty((BATCH, 3 * PATCH * PATCH * (1 + SCALE**2)), np.uint8)
    peers = [_png_files(store, folder), _hub_images(store), _hub_arrays(store)]
    chosen = iter(lambda: random.randrange(len(store)), None)
    batches, batch = _OUR_PAIRS // BATCH, feed.next()
    pixels = read_patches(store, sampler.draw(BATCH), patch=PATCH)
    measured = timings(
        lambda: _run(lambda: feed.next(batch), batches),
        lambda: _run(lambda: read_patches(store, sampler.draw(BATCH), patch=PATCH, out=pixels), batches),
        lambda: _run(partial(_copy, store, target), batches),
        *(partial(_run, partial(_next_of, load, chosen), _PEER_PAIRS) for load in peers),
        repeats=_ROUNDS,
        clock=time.process_time,
    )
    ours, crops, copy, png, *hub = measured
    fast, slow = sorted((_each(timing, _PEER_PAIRS) for timing in hub), key=lambda timing: timing.median)
    note = "per pair, processor time, float32"
    return [
        speed_row(_PNG, _each(ours, _OUR_PAIRS), _each(png, _PEER_PAIRS), "≥ 20", note),
        speed_row(
            _HUB,
            _each(ours, _OUR_PAIRS),
            fast,
            "≥ 5",
            f"{note}; Image features and fixed-shape arrays, the slower takes {milliseconds(slow.median)}",
        ),
        speed_row(
            _COPY,
            crops,
            copy,
            "",
            f"cropped, flipped and rotated at random ({_speed(target.size, crops.median)}); the copy is of whole "
            f"runs of the mapped file ({_speed(target.size, copy.median)})",
        ),
    ]


def _each(timing: Timing, pairs: int) -> Timing:
    return Timing(tuple(seconds / pairs for seconds in timing.seconds))


def _speed(batch_bytes: int, seconds: float) -> str:
    return f"{batch_bytes * (_OUR_PAIRS // BATCH) / seconds / 1e9:.1f} GB/s"


def _run(work: Callable[[], object], times: int) -> None:
    # Results are dropped at once, as a training loop drops its batches.
    for _ in range(times):
        work()


def _copy(store: PatchStore, target: Pixels) -> None:
    """As many bytes as a batch has, copied as they lie, from as many random places."""
    for row in target:
        start = random.randrange(len(store.hr) - len(row))
        np.copyto(row, store.hr[start : start + len(row)])


def _next_of(load: Callable[[int], tuple[Pixels, Pixels]], chosen: Iterator[int]) -> Pair:
    return _augmented(*load(next(chosen)))


def _png_files(store: PatchStore, folder: Path) -> Callable[[int], tuple[Pixels, Pixels]]:
    for index in range(len(store)):
        for kind, image in zip(("lr", "hr"), _images(store, index), strict=True):
            save_png(folder / kind / f"{index}.png", image)

    def load(index: int) -> tuple[Pixels, Pixels]:
        lr, hr = (_decode((folder / kind / f"{index}.png").read_bytes()) for kind in ("lr", "hr"))
        return lr, hr

    return load


def _decode(data: bytes) -> Pixels:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(cv2.cvtColor(np.asarray(image), cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _hub_images(store: PatchStore) -> Callable[[int], tuple[Pixels, Pixels]]:
    # Inside the function: only this benchmark needs the library, and it is slow to import.
    import datasets

    rows = [dict(zip(("lr", "hr"), map(_png, _images(store, index)), strict=True)) for index in range(len(store))]
    features = datasets.Features({"lr": datasets.Image(), "hr": datasets.Image()})
    dataset = datasets.Dataset.from_list(rows, features=features)
    return lambda index: _arrays(dataset[index])


def _hub_arrays(store: PatchStore) -> Callable[[int], tuple[Pixels, Pixels]]:
    import datasets

    # Arrays of one fixed shape are this library's fastest form; upright images are laid on their side to fit it.
    pairs = [tuple(_lying(image) for image in _images(store, index)) for index in range(len(store))]
    shapes = [image.shape for image in pairs[0]]
    features = datasets.Features(
        {kind: datasets.Array3D(shape, "uint8") for kind, shape in zip(("lr", "hr"), shapes, strict=True)}
    )
    lr, hr = (list(images) for images in zip(*pairs, strict=True))
    dataset = datasets.Dataset.from_dict({"lr": lr, "hr": hr}, features=features).with_format("numpy")
    return lambda index: _arrays(dataset[index])


def _lying(image: Pixels) -> Pixels:
    return image if image.shape[0] <= image.shape[1] else np.ascontiguousarray(image.swapaxes(0, 1))


def _arrays(row: dict[str, Any]) -> tuple[Pixels, Pixels]:
    lr, hr = (np.asarray(row[kind], dtype=np.uint8) for kind in ("lr", "hr"))
    return lr, hr


def _png(image: Pixels) -> dict[str, bytes | None]:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    return {"bytes": buffer.getvalue(), "path": None}


def _images(store: PatchStore, index: int) -> tuple[Pixels, Pixels]:
    lr, hr = (np.ascontiguousarray(image.transpose(1, 2, 0)) for image in store.image(index))
    return lr, hr


def _augmented(lr: Pixels, hr: Pixels) -> Pair:
    """Both peers' way: a random crop, flips and rotation as copies, then float32 channels first."""
    top, left = (random.randint(0, side - PATCH) for side in lr.shape[:2])
    lr = lr[top : top + PATCH, left : left + PATCH]
    hr = hr[top * SCALE : (top + PATCH) * SCALE, left * SCALE : (left + PATCH) * SCALE]
    if random.random() < 0.5:
        lr, hr = lr[:, ::-1], hr[:, ::-1]
    if random.random() < 0.5:
        lr, hr = lr[::-1], hr[::-1]
    if random.random() < 0.5:
        lr, hr = lr.swapaxes(0, 1), hr.swapaxes(0, 1)
    first, second = (
        torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1), dtype=np.float32) / 255) for image in (lr, hr)
    )
    return first, second
