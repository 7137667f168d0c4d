"""The readers of untrusted files, each as a function of bytes: it returns or raises SrbenchError, and nothing else."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fuzz.attacks import tables
from leaderboard.study_pages import parse
from srbench.archives import unpack_nested
from srbench.errors import ResultsError, SubmissionError
from srbench.images import decode
from srbench.records.record_model import validate
from srbench.records.run import RunRecord
from srbench.records.submission import SubmissionRecord
from srbench.records.verification import VerificationRecord
from srbench.scores import read_run
from srbench.submissions.crops import check_sample
from srbench.submissions.untrusted_files import parse_json, read_table
from srbench.upscalers.base import Options
from srbench.upscalers.onnx import open_onnx
from srbench.zoo import load
from srbench.zoo.checkpoints import detect
from srbench.zoo.reading import read_checkpoint


def checkpoint(data: bytes, folder: Path) -> None:
    """Read a checkpoint, find the network that it belongs to, and load it as one."""
    path = folder / "weights"
    path.write_bytes(data)
    detect(read_checkpoint(path))
    load("imdn", scale=4, file=path)


def table(data: bytes, _: Path) -> None:
    """Read the score table of an entry."""
    read_table(data, rows=tables.ROWS)


def picture(data: bytes, _: Path) -> None:
    """Decode an image of a dataset or a folder of SR images."""
    decode(data)


def sample(data: bytes, _: Path) -> None:
    """Check an SR crop of an entry under the name that fits its first bytes."""
    check_sample(data, "coffee" + (".webp" if data[8:12] == b"WEBP" else ".png"))


def run(data: bytes, folder: Path) -> None:
    """Read a run's folder, and its record alone, past the checksum, which stops what does not know it."""
    (folder / "scores.parquet").write_bytes(tables.packed(tables.good_table()))
    (folder / "run.json").write_bytes(data)
    with contextlib.suppress(ResultsError):
        read_run(folder)
    validate(RunRecord, parse_json(data, "run.json"), "run.json", error=SubmissionError)


def entry(data: bytes, _: Path) -> None:
    """Read the documents of an entry."""
    document = parse_json(data, "submission.json")
    with contextlib.suppress(SubmissionError):
        validate(SubmissionRecord, document, "submission.json", error=SubmissionError)
    validate(VerificationRecord, document, "verification.json", error=SubmissionError)


def study(data: bytes, _: Path) -> None:
    """Read the results of a study, as the site does."""
    parse(data, "fuzz.study.json")


def unpacking(data: bytes, folder: Path) -> None:
    """Unpack an archive, with those inside it."""
    archive, target = folder / "archive", folder / "unpacked"
    archive.write_bytes(data)
    shutil.rmtree(target, ignore_errors=True)
    unpack_nested(archive, target)
    if (folder / "out").exists() or (folder.parent / "out").exists():
        raise AssertionError("a file was written outside of its folder")


def onnx(data: bytes, folder: Path) -> None:
    """Open a network as an ONNX file, and upscale a small image with it."""
    path = folder / "network.onnx"
    path.write_bytes(data)
    upscaler = open_onnx(str(path), 2, Options(device="cpu"))
    upscaler.upscale(np.zeros((8, 8, 3), np.float32), dataset="Set", name="image")


READERS: dict[str, Callable[[bytes, Path], None]] = {
    **dict.fromkeys(("pickle", "tensors", "archive", "safetensors"), checkpoint),
    "table": table,
    "picture": picture,
    "sample": sample,
    "run": run,
    "entry": entry,
    "study": study,
    "unpacking": unpacking,
    "onnx": onnx,
}
"""The reader of each kind of attack."""
