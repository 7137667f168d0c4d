"""`python -m benchmarks.reproduce`: every published table, computed again, as one Markdown report.

Needs `$SRBENCH_TEST_DATA`; exits 1 if a number is not what was published or measured before.
"""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from benchmarks import counted, perceptual, weights, wrong_numbers
from benchmarks.report import test_data
from srbench.datasets import open_dataset
from srbench.datasets.verify import verify_dataset
from srbench.degradations import crop_to_multiple, matlab_bicubic
from srbench.images import decode, pixel_sha256
from srbench.journal import JOURNAL_NAME
from srbench.resize import imresize
from srbench.result import evaluate
from srbench.scores import read_run

SCALES = (2, 3, 4)
SETS = ("Set5", "Set14", "BSD100")

# Measured with the authors' weights of IMDN, PSNR / SSIM: (set, scale): matlab-y, bam2021.
IMDN = {
    ("Set5", 2): ((37.996, 0.9605), (38.050, 0.9608)),
    ("Set5", 3): ((34.360, 0.9270), (35.101, 0.9408)),
    ("Set5", 4): ((32.210, 0.8948), (32.252, 0.8954)),
    ("Set14", 2): ((33.627, 0.9177), (33.838, 0.9191)),
    ("Set14", 3): ((30.322, 0.8417), (31.091, 0.8585)),
    ("Set14", 4): ((28.582, 0.7811), (28.767, 0.7850)),
    ("BSD100", 2): ((32.189, 0.8996), (34.108, 0.9263)),
    ("BSD100", 3): ((29.094, 0.8046), (29.669, 0.8192)),
    ("BSD100", 4): ((27.560, 0.7353), (28.508, 0.7642)),
}
IMDN_TOLERANCE = (0.002, 0.0001)
# Printed in IMDN's paper for Urban100, PSNR / SSIM by scale; the tolerance is what rounding to their digits hides.
IMDN_URBAN100 = {2: (32.17, 0.9283), 3: (28.17, 0.8519), 4: (26.04, 0.7838)}
PRINTED_TOLERANCE = (0.0051, 0.000051)
PAN_TOLERANCE = (0.0001, 0.000002)
RANDOM_VALUES = 10**8
_RANDOM_SIDE = 2400


class Report:
    """Prints sections as they are finished and remembers whether all of them held."""

    def __init__(self) -> None:
        self.held = True

    def section(self, title: str, header: list[str], rows: Iterator[tuple[list[str], bool]]) -> None:
        """One table; each row comes with whether its numbers are the expected ones."""
        print(f"\n## {title}\n\n| {' | '.join([*header, ''])} |\n|{'---|' * (len(header) + 1)}", flush=True)
        for cells, held in rows:
            self.held &= held
            print(f"| {' | '.join([*cells, 'ok' if held else '**DIFFERS**'])} |", flush=True)


def imdn_rows(root: Path) -> Iterator[tuple[list[str], bool]]:
    """IMDN's published weights on three sets and scales under both protocols."""
    for scale in SCALES:
        scores = evaluate(
            "zoo:imdn@authors", SETS, scale=scale, protocol=["matlab-y", "bam2021"], data_root=root
        ).scores
        means = scores.groupby(["dataset", "protocol"])[["psnr_y", "ssim_y"]].mean().to_dict("index")
        for name in SETS:
            cells, held = [f"{name} ×{scale}"], True
            for protocol, (psnr, ssim) in zip(("matlab-y", "bam2021"), IMDN[name, scale], strict=True):
                got = means[name, protocol]
                cells += [f"{got['psnr_y']:.3f} / {got['ssim_y']:.4f}", f"{psnr:.3f} / {ssim:.4f}"]
                held &= weights.within(got["psnr_y"] - psnr, got["ssim_y"] - ssim, IMDN_TOLERANCE)
            yield cells, held


def imdn_urban_rows(root: Path) -> Iterator[tuple[list[str], bool]]:
    """IMDN's published weights on Urban100 against the means that its paper prints."""
    for scale, (psnr, ssim) in IMDN_URBAN100.items():
        scores = evaluate("zoo:imdn@authors", "Urban100", scale=scale, data_root=root).scores
        got_psnr, got_ssim = (float(scores[metric].mean()) for metric in ("psnr_y", "ssim_y"))
        held = weights.within(got_psnr - psnr, got_ssim - ssim, PRINTED_TOLERANCE)
        yield [f"Urban100 ×{scale}", f"{got_psnr:.3f} / {got_ssim:.4f}", f"{psnr:.2f} / {ssim:.4f}"], held


def pan_rows(root: Path, log: Path) -> Iterator[tuple[list[str], bool]]:
    """PAN's published weights against its authors' own log, image by image, Y and RGB."""
    with log.open() as file:
        logged = pd.DataFrame([row for row in csv.DictReader(file) if row["image"] != "mean"])
    for scale in SCALES:
        scores = evaluate(
            "zoo:pan@authors", SETS[:2], scale=scale, protocol=["matlab-y", "matlab-rgb"], data_root=root
        ).scores
        ours = scores.groupby(["dataset", "image"])[["psnr_rgb", "ssim_rgb", "psnr_y", "ssim_y"]].first()
        for name in SETS[:2]:
            theirs = logged[(logged["scale"] == str(scale)) & (logged["dataset"] == name)].set_index("image")
            numbers = theirs[["psnr_rgb", "ssim_rgb", "psnr_y", "ssim_y"]].astype(float)
            largest = (ours.loc[name] - numbers).abs().max()
            psnr, ssim = (max(largest[f"{kind}_y"], largest[f"{kind}_rgb"]) for kind in ("psnr", "ssim"))
            complete = len(ours.loc[name]) == len(numbers) and not largest.isna().any()
            yield (
                [f"{name} ×{scale}", str(len(numbers)), f"{psnr:.6f}", f"{ssim:.7f}"],
                (complete and weights.within(psnr, ssim, PAN_TOLERANCE)),
            )


def lr_rows(root: Path, fingerprints: Path) -> Iterator[tuple[list[str], bool]]:
    """Our LR against MATLAB's: the files of Set5, and the hashes of Set14's."""
    published = json.loads(fingerprints.read_text())["datasets"]
    for scale in SCALES:
        dataset = open_dataset("Set5", data_root=root)
        differing = total = 0
        for name in dataset.names:
            given = dataset.given_lr(name, scale=scale)
            made = matlab_bicubic(crop_to_multiple(dataset.hr(name), scale=scale), scale=scale)
            differing += int(np.count_nonzero(given != made))
            total += given.size
        yield [f"Set5 ×{scale}, MATLAB's files", f"{total:,} values", f"{differing} differ"], differing == 0
        expected = {entry["name"]: entry["sha256_rgb"] for entry in published[f"Set14/LR_bicubic/X{scale}"]["images"]}
        made_hashes = {
            f"{path.stem}x{scale}": pixel_sha256(
                matlab_bicubic(crop_to_multiple(decode(path), scale=scale), scale=scale)
            )
            for path in (root / "Set14/HR").iterdir()
        }
        met = sum(made_hashes.get(name) == sha256 for name, sha256 in expected.items())
        yield [f"Set14 ×{scale}, MATLAB's hashes", f"{len(expected)} images", f"{met} met"], met == len(expected)


def verified_rows(root: Path) -> Iterator[tuple[list[str], bool]]:
    """Set5, Set14 and BSD100 by the hashes of their pixels."""
    for name in SETS:
        report = verify_dataset(name, data_root=root)
        yield [name, report.status], report.status == "canonical"


def agreement_rows() -> Iterator[tuple[list[str], bool]]:
    """NumPy and torch forms on 10⁸ random values in all, and on images made of ties at .5."""
    random = np.random.default_rng(2021)
    for scale in SCALES:
        done = differing = 0
        while done * len(SCALES) < RANDOM_VALUES:
            image = random.integers(0, 256, (_RANDOM_SIDE, _RANDOM_SIDE, 3), dtype=np.uint8)
            differing += _disagreements(image, Fraction(1, scale))
            done += image.size
        ties = (
            np.arange(0, 240)[None, :, None] // 3 * 3 + (np.arange(240) // 2 % 2)[:, None, None] * np.array([1, 3, 5])
        ).astype(np.uint8)
        differing += _disagreements(ties, Fraction(1, scale)) + _disagreements(ties, Fraction(scale))
        yield [f"×{scale}", f"{done + 2 * ties.size:,}", f"{differing} differ"], differing == 0


def saved_image_rows(root: Path) -> Iterator[tuple[list[str], bool]]:
    """SR images written and read again score the same."""
    protocols = ["matlab-y", "matlab-y-rounded", "matlab-rgb"]
    options = [argument for name in protocols for argument in ("--protocol", name)]
    with tempfile.TemporaryDirectory() as folder:
        common = ["--scale", "4", "--dataset", "Set5", "--data-root", str(root), *options]
        _srbench("--model", "zoo:imdn@authors", *common, "--save-images", f"{folder}/sr", "--output", f"{folder}/a")
        _srbench("--model", f"images:{folder}/sr", *common, "--output", f"{folder}/b")
        first, second = (read_run(Path(folder) / name).scores for name in "ab")
    for protocol in protocols:
        a, b = (frame[frame["protocol"] == protocol].reset_index(drop=True) for frame in (first, second))
        equal = all(a[column].equals(b[column]) for column in ("psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb", "psnr_lr"))
        yield [protocol, f"{len(a)} images", "identical" if equal else "different"], equal and len(a) == len(b)


def resume_rows(root: Path) -> Iterator[tuple[list[str], bool]]:
    """A run killed with SIGKILL, then repeated: scores of a run that nobody killed, and no image computed twice.

    The one or two images in flight when the run was killed are computed again.
    """
    arguments = [
        "--model",
        "python:benchmarks.counted:imdn",
        "--scale",
        "4",
        "--dataset",
        "Set14",
        "--device",
        "cpu",
        "--data-root",
        str(root),
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ[counted.TRACE] = str(folder / "trace")
        process = subprocess.Popen(
            [*_COMMAND, *arguments, "--output", str(folder / "killed")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        journal = folder / "killed" / JOURNAL_NAME
        while process.poll() is None and (not journal.exists() or journal.read_bytes().count(b"\n") < 5):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        recorded = journal.read_bytes().count(b"\n") - 1 if journal.exists() else 0
        _srbench(*arguments, "--output", str(folder / "killed"))
        passes = (folder / "trace").stat().st_size
        _srbench(*arguments, "--output", str(folder / "plain"))
        killed, plain = (read_run(folder / run).scores.drop(columns="seconds") for run in ("killed", "plain"))
    equal = killed.equals(plain)
    held = equal and 0 < recorded < len(plain) and len(plain) <= passes <= len(plain) + 2
    yield (
        [
            f"{recorded} of {len(plain)} images recorded",
            f"{passes} forward passes for {len(plain)} images",
            "identical" if equal else "different",
        ],
        held,
    )


_COMMAND = [sys.executable, "-m", "srbench", "evaluate"]


def _srbench(*arguments: str) -> None:
    subprocess.run([*_COMMAND, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _disagreements(image: NDArray[np.uint8], ratio: Fraction) -> int:
    batch = imresize(torch.from_numpy(image).permute(2, 0, 1)[None], ratio)
    return int(np.count_nonzero(batch[0].permute(1, 2, 0).numpy() != imresize(image, ratio)))


def main() -> int:
    """Print the report; 0 if every number held."""
    data = test_data()
    if data is None:
        print(
            "make reproduce needs real images and weights: set SRBENCH_TEST_DATA to the folder that holds "
            "data, checkpoints and reference",
            file=sys.stderr,
        )
        return 1
    os.environ.setdefault("SRBENCH_MIRROR", str(data / "checkpoints"))
    os.environ.setdefault("SRBENCH_OFFLINE", "1")
    root, reference, report = data / "data", data / "reference", Report()
    print("# srbench: the numbers, computed again")
    sections: list[tuple[str, list[str], Callable[[], Iterator[tuple[list[str], bool]]]]] = [
        (
            "IMDN, authors' weights, PSNR / SSIM",
            ["set", "`matlab-y`", "expected", "`bam2021`", "expected"],
            lambda: imdn_rows(root),
        ),
        (
            "IMDN, authors' weights, against the means printed for Urban100, PSNR / SSIM under `matlab-y`",
            ["set", "measured", "printed"],
            lambda: imdn_urban_rows(root),
        ),
        (
            "PAN, authors' weights, against its authors' log (Y and RGB)",
            ["set", "images", "largest PSNR difference, dB", "largest SSIM difference"],
            lambda: pan_rows(root, reference / "pan_authors_log.csv"),
        ),
        (
            "Other published weights under `matlab-y`, PSNR / SSIM (difference from the published PSNR)",
            weights.HEADER,
            lambda: weights.weights_rows(root),
        ),
        (
            "Weights trained here, Set5 under `matlab-y`, PSNR / SSIM",
            weights.TRAINED_HEADER,
            lambda: weights.trained_rows(root),
        ),
        (
            "Real-world pairs under `pairs-y`, against the log of OSEDiff's authors (PSNR with the log's epsilon)",
            perceptual.HEADER,
            lambda: perceptual.perceptual_rows(data),
        ),
        ("Datasets as they lie here", ["set", "verified as"], lambda: verified_rows(root)),
        (
            "LR against MATLAB's own",
            ["set", "compared", "result"],
            lambda: lr_rows(root, reference / "fingerprints.json"),
        ),
        ("`imresize`: NumPy against torch", ["scale", "values", "result"], agreement_rows),
        (
            "SR images saved and scored again (IMDN ×4, Set5)",
            ["protocol", "compared", "scores"],
            lambda: saved_image_rows(root),
        ),
        (
            "Killed and repeated (IMDN ×4, Set14)",
            ["when killed", "both runs together", "scores"],
            lambda: resume_rows(root),
        ),
        (
            "Numbers that once went wrong without a word",
            wrong_numbers.HEADER,
            lambda: wrong_numbers.wrong_number_rows(root),
        ),
    ]
    for title, header, rows in sections:
        report.section(title, header, rows())
    print("\nEvery number held." if report.held else "\nSome numbers differ: see above.")
    return 0 if report.held else 1


if __name__ == "__main__":
    sys.exit(main())
