"""Everything that srbench writes and reads again: how it is written, and what its reader makes of it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from srbench.datasets import open_dataset
from srbench.datasets.pairs import pair_maker
from srbench.datasets.parquet_writer import ImageWriter
from srbench.datasets.patch_store import PatchStore, build_store
from srbench.datasets.stores import ParquetStore
from srbench.fetch import RemoteFile, fetch
from srbench.files import atomic_path
from srbench.images import decode, encode_png, pixel_sha256, save_png
from srbench.scores import RunFolder, read_run
from srbench.submissions import read_submission
from srbench.training.folder import TrainingFolder
from srbench.zoo.reading import read_checkpoint
from tests.records.complete import run_record
from tests.submissions.generated import generate

KEY = {"model": "bicubic", "scale": 2, "protocols": {"matlab-y": 1}, "datasets": {"Set5": "abc"}}
RECORD = run_record()


@dataclass(frozen=True)
class Artifact:
    """Something on the disk.

    Attributes:
        write: makes it in a folder, or goes on with what an interrupted call has left there.
        read: its content in a form that can be compared; raises SrbenchError if it is not whole.
        source: whether others make it, so that a changed byte shows as another content or hash, not as damage.
    """

    name: str
    write: Callable[[Path], object]
    read: Callable[[Path], Any]
    source: bool = False

    def __str__(self) -> str:
        return self.name


def pixels(seed: int = 0) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A small image."""
    return np.random.default_rng(seed).integers(0, 256, (21, 18, 3), dtype=np.uint8)


def row(image: str) -> dict[str, Any]:
    """A line of the score table."""
    return {
        "model": "bicubic",
        "dataset": "Set5",
        "scale": 2,
        "protocol": "matlab-y",
        "protocol_version": 1,
        "image": image,
        "psnr_y": 30.25,
        "ssim_y": 0.9,
        "psnr_rgb": None,
        "ssim_rgb": None,
        "psnr_y_aliased": 27.5,
        "psnr_lr": 40.0,
        "seconds": 0.1,
        "lr_source": "made",
        "hr_sha256": "h",
        "lr_sha256": "l",
    }


def _write_run(folder: Path, writer: int = 0) -> None:
    run = RunFolder(folder / "run", KEY, writer=writer)
    have = {line["image"] for line in run.rows}
    for name in {"baby", "bird", "head"} - have:
        run.append([row(name)])
    if run.record is None:
        run.rows = sorted(run.rows, key=lambda line: str(line["image"]))
        run.finish(RECORD)


def _read_run(folder: Path) -> Any:
    run = read_run(folder / "run")
    record = {name: value for name, value in run.record.items() if name not in ("scores_sha256", "crc32")}
    return run.scores.to_json(), record


def _write_journal(folder: Path) -> None:
    for writer in (0, 2):
        run = RunFolder(folder / "run", KEY, writer=writer)
        have = {line["image"] for line in run.rows}
        for name in ({"baby", "bird"} if writer else {"head", "woman"}) - have:
            run.append([row(name)])


def _read_journal(folder: Path) -> Any:
    return sorted(json.dumps(line) for line in RunFolder(folder / "run", KEY, writer=7).rows)


def _write_parquet(folder: Path) -> None:
    with atomic_path(folder / "Set5" / "test.parquet") as temporary, ImageWriter(temporary, scales=(2,)) as writer:
        for number in range(3):
            writer.add(f"i{number}", encode_png(pixels(number)), {2: encode_png(pixels(number)[:10, :9])})


def _read_parquet(folder: Path) -> Any:
    store = ParquetStore(folder / "Set5" / "test.parquet")
    return {
        name: (pixel_sha256(decode(store.hr(name), name=name)), pixel_sha256(decode(store.lr(name, 2) or b"")))
        for name in store.names
    }


def _write_store(folder: Path) -> None:
    images = {}
    for number in range(2):
        images[f"i{number}"] = folder / "sources" / f"i{number}.png"
        if not images[f"i{number}"].exists():
            save_png(images[f"i{number}"], pixels(number))
    build_store(images, folder / "store", make=pair_maker("matlab", scale=3), workers=1, progress=False)


def _read_store(folder: Path) -> Any:
    store = PatchStore(folder / "store")
    return [
        (pair.name, store.image(index)[1].tobytes(), store.image(index)[0].tobytes())
        for index, pair in enumerate(store.pairs)
    ]


def _tensors() -> dict[str, torch.Tensor]:
    return {
        f"layer.{number}": torch.from_numpy(np.random.default_rng(number).random((3, 5), dtype=np.float32))
        for number in range(3)
    }


def _training(folder: Path) -> TrainingFolder:
    return TrainingFolder(folder, {"network": "imdn", "scale": 2})


def _write_training(folder: Path) -> None:
    for step in (1, 2):
        _training(folder).keep({"step": step, "tensors": _tensors()})


def _read_training(folder: Path) -> Any:
    state: Any = _training(folder).checkpoint() or {}
    return sorted(state.get("tensors", {})), [tensor.tolist() for tensor in state.get("tensors", {}).values()]


def _write_pth(folder: Path) -> None:
    torch.save(_tensors(), folder / "weights.pth")


def _write_safetensors(folder: Path) -> None:
    save_file(_tensors(), folder / "weights.safetensors")


def _state(path: Path) -> Any:
    return {key: tensor.tolist() for key, tensor in read_checkpoint(path).state.items()}


def _write_fetched(folder: Path) -> None:
    mirror = Path(os.environ["SRBENCH_MIRROR"]) / "weights.bin"
    if not mirror.exists():
        mirror.parent.mkdir()
        mirror.write_bytes(bytes(range(256)) * 8)
    fetch(_remote(), folder=folder / "cache")


def _remote() -> RemoteFile:
    data = bytes(range(256)) * 8
    return RemoteFile("weights.bin", (), len(data), hashlib.sha256(data).hexdigest())


def _write_folder(folder: Path) -> None:
    for number in range(2):
        save_png(folder / "set" / f"i{number}.png", pixels(number))


def _save(name: str, **options: Any) -> Callable[[Path], object]:
    def write(folder: Path) -> None:
        Image.fromarray(pixels()).save(folder / name, **options)

    return write


def _decoded(name: str) -> Callable[[Path], Any]:
    return lambda folder: pixel_sha256(decode(folder / name))


WRITTEN = [
    Artifact("run", _write_run, _read_run),
    Artifact("run of a second process", lambda folder: _write_run(folder, 1), _read_run),
    Artifact("png", lambda folder: save_png(folder / "a.png", pixels()), _decoded("a.png")),
    Artifact("folder of images", _write_folder, lambda folder: open_dataset(f"folder:{folder / 'set'}").fingerprint),
    Artifact("imported dataset", _write_parquet, _read_parquet),
    Artifact("patch store", _write_store, _read_store),
    Artifact("training checkpoint", _write_training, _read_training),
    Artifact(
        "trained weights",
        lambda folder: _training(folder).keep_weights("w.safetensors", _tensors(), {}),
        lambda folder: sorted(_state(folder / "w.safetensors").items()),
    ),
    Artifact("fetched file", _write_fetched, lambda folder: fetch(_remote(), folder=folder / "cache").read_bytes()),
]
"""What srbench itself writes."""

READ = [
    Artifact("run", _write_run, _read_run),
    Artifact("journals", _write_journal, _read_journal),
    Artifact("png", _save("a.png"), _decoded("a.png")),
    Artifact("jpg", _save("a.jpg", quality=95), _decoded("a.jpg"), source=True),
    Artifact("bmp", _save("a.bmp"), _decoded("a.bmp"), source=True),
    Artifact("imported dataset", _write_parquet, _read_parquet),
    Artifact("patch store", _write_store, _read_store),
    Artifact("training checkpoint", _write_training, _read_training),
    Artifact("pth checkpoint", _write_pth, lambda folder: _state(folder / "weights.pth")),
    Artifact("safetensors", _write_safetensors, lambda folder: _state(folder / "weights.safetensors"), source=True),
    Artifact(
        "submission's table",
        lambda folder: generate(folder, 1),
        lambda folder: read_submission(next(folder.iterdir())).scores.to_json(),
    ),
]
"""What srbench reads; a file of a `source` has no checksum of its own, and is known by its hash."""
