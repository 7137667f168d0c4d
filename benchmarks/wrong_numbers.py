"""Numbers that srbench once got wrong without a word: what each case gave, and what it gives now, measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.wrong_models import LEVEL
from srbench.datasets import open_dataset
from srbench.images import decode, save_png

HEADER = ["case", "gave", "gives now"]
"""The columns of `wrong_number_rows`."""

Outcome = tuple[str, bool]
"""What a case gives now, and whether that is right."""

_IMDN, _MADE = "zoo:imdn@authors", ("--scale", "4", "--dataset")
_NEARLY = 0.001  # dB


@dataclass(frozen=True)
class Done:
    """A finished `srbench` command."""

    code: int
    output: str
    errors: str

    @property
    def refusal(self) -> str:
        """The error message, without what comes before it; empty if there was none."""
        return self.errors.partition("Error: ")[2].strip()

    @property
    def set_facts(self) -> dict[str, Any]:
        """Scores and warnings of the only dataset of an evaluation in JSON."""
        [facts] = json.loads(self.output)["datasets"].values()
        return dict(facts)


def wrong_number_rows(root: Path) -> Iterator[tuple[list[str], bool]]:
    """Yield one row per case with whether it is right now. `root` holds Set5."""
    with tempfile.TemporaryDirectory() as name:
        for case, gave, measure in _cases(root, Path(name)):
            now, held = measure()
            yield [case, gave, now], held


def _cases(root: Path, folder: Path) -> list[tuple[str, str, Callable[[], Outcome]]]:
    data = ("--data-root", str(root))
    return [
        ("model that writes into its input, Sample ×4, with and without tiles", "26.553 and 12.202 dB", _in_place),
        (
            "model for ×8 asked for ×4, tiled",
            "14.600 dB",
            lambda: _refused(_wrong("twice_the_scale"), "--tile", "64"),
        ),
        ("one output channel, tiled", "26.106 dB", lambda: _refused(_wrong("one_channel"), "--tile", "64")),
        (
            "tuple as output, tiled",
            "TypeError: list indices …",
            lambda: _one_message(_wrong("packed"), "--tile", "64"),
        ),
        (
            "IMDN, Set5 ×4, `--lr given` with LR of OpenCV",
            "23.647 dB as “MATLAB bicubic LR”",
            lambda: _given(root, folder, "given"),
        ),
        ("the same with `--lr any`", "not possible", lambda: _given(root, folder, "any")),
        ("IMDN, Set5 ×4, R and B swapped", "26.34 dB, no warning", lambda: _swapped(data, folder)),
        (
            "IMDN, Set5 ×4, output in [-1, 1]",
            "12.8 dB, no warning",
            lambda: _warned(_wrong("wrong_range"), "Set5", *data),
        ),
        ("one black image in a set", "mean “inf”, no name", lambda: _black(folder)),
        ("factory whose data file changed, same `--output`", "the old scores", lambda: _stale(folder)),
        ("`--scale 2 --scale 4`", "×4 alone", _twice),
        *(
            (
                f"audit of bicubic, Set5 ×{scale}, {claim}",
                "none fits",
                lambda scale=scale, claim=claim: _audited(scale, claim, data),
            )
            for scale, claim in ((2, "33.66/0.9299"), (3, "30.39/0.8682"), (4, "28.42/0.8104"))
        ),
    ]


def _srbench(*arguments: str) -> Done:
    done = subprocess.run([sys.executable, "-m", "srbench", *arguments], capture_output=True, text=True)
    return Done(done.returncode, done.stdout, done.stderr)


def _evaluate(model: str, dataset: str, *options: str) -> Done:
    return _srbench("evaluate", "--model", model, *_MADE, dataset, "--device", "cpu", "--format", "json", *options)


def _wrong(factory: str) -> str:
    return f"python:benchmarks.wrong_models:{factory}"


def _in_place() -> Outcome:
    options: tuple[tuple[str, ...], ...] = ((), ("--tile", "64"))
    values = [_evaluate(_wrong("in_place"), "Sample", *each).set_facts["psnr_y"] for each in options]
    return f"{values[0]:.3f} and {values[1]:.3f} dB", abs(values[0] - values[1]) < _NEARLY


def _refused(model: str, *options: str) -> Outcome:
    done = _evaluate(model, "Sample", *options)
    return f"refused: {_short(done.refusal)}", done.code == 1 and bool(done.refusal)


def _one_message(model: str, *options: str) -> Outcome:
    """Equal scores with and without the options, or one clear message."""
    done = _evaluate(model, "Sample", *options)
    if done.code:
        return f"refused: {_short(done.refusal)}", done.code == 1 and "Traceback" not in done.errors
    plain = _evaluate(model, "Sample").set_facts["psnr_y"]
    return f"{plain:.3f} dB, as without tiles", abs(done.set_facts["psnr_y"] - plain) < _NEARLY


def _given(root: Path, folder: Path, lr: str) -> Outcome:
    own = folder / "opencv"
    images = open_dataset("Set5", data_root=root)
    for name in images.names:
        hr = images.hr(name)
        side = hr.shape[1] // 4, hr.shape[0] // 4
        save_png(own / "Set5/HR" / f"{name}.png", hr)
        save_png(own / "Set5/LR_bicubic/X4" / f"{name}x4.png", _opencv(hr, side))
    done = _evaluate(_IMDN, "Set5", "--data-root", str(own), "--lr", lr)
    if lr == "given":
        return f"refused: {_short(done.refusal)}", done.code == 1 and "OpenCV" in done.refusal
    psnr, record = done.set_facts["psnr_y"], json.loads(done.output)["record"]
    return f"{psnr:.3f} dB, LR named as {record['lr_origins']['Set5']}", "OpenCV" in json.dumps(record["lr_origins"])


def _opencv(hr: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(hr, size, interpolation=cv2.INTER_CUBIC), np.uint8)


def _swapped(data: tuple[str, ...], folder: Path) -> Outcome:
    saved, swapped = folder / "sr", folder / "swapped"
    _evaluate(_IMDN, "Set5", *data, "--save-images", str(saved))
    for path in (saved / "Set5").iterdir():
        image: NDArray[np.uint8] = decode(path)
        save_png(swapped / "Set5" / path.name, np.ascontiguousarray(image[..., ::-1]))
    return _warned(f"images:{swapped}", "Set5", *data)


def _warned(model: str, dataset: str, *options: str) -> Outcome:
    facts = _evaluate(model, dataset, *options).set_facts
    warnings = facts["warnings"]
    return f"{facts['psnr_y']:.2f} dB, warning: {_short(' '.join(warnings) or 'none')}", bool(warnings)


def _black(folder: Path) -> Outcome:
    random = np.random.default_rng(17)
    save_png(folder / "set/black.png", np.zeros((48, 48, 3), np.uint8))
    for name in "ab":
        save_png(folder / f"set/{name}.png", random.integers(0, 256, (48, 48, 3), dtype=np.uint8))
    facts = _evaluate("bicubic", f"folder:{folder / 'set'}").set_facts
    others = facts["finite_means"]["psnr_y"]
    named = f"mean “{facts['psnr_y']}”, infinite for {', '.join(others['infinite'])}; {others['mean']:.3f} without"
    return named, others["infinite"] == ["black"]


def _stale(folder: Path) -> Outcome:
    level = folder / "level.txt"
    os.environ[LEVEL] = str(level)
    arguments = (_wrong("from_data_file"), "Sample", "--output", str(folder / "run"))
    level.write_text("0")
    first = _evaluate(*arguments)
    level.write_text("0.1")
    second = _evaluate(*arguments)
    refusal = second.refusal.replace(str(folder), "DIR")
    return f"refused: {_short(refusal)}", first.code == 0 and second.code == 1 and bool(second.refusal)


def _twice() -> Outcome:
    done = _srbench("evaluate", "--model", "bicubic", "--dataset", "Sample", "--scale", "2", "--scale", "4")
    return f"exit {done.code}: {_short(done.refusal)}", done.code == 2 and "srbench sweep" in done.errors


def _audited(scale: int, claim: str, data: tuple[str, ...]) -> Outcome:
    done = _srbench(
        *("audit", "--model", "bicubic", "--scale", str(scale), "--dataset", "Set5", "--claim", claim, "--own-weights"),
        *("--format", "json", *data),
    )
    fitting = [one for one in json.loads(done.output)["protocols"] if one["fits"]]
    names = [f"{one['protocol']}, {one['variant']}" for one in fitting]
    return "; ".join(names) or "none fits", names == ["matlab-y, luma-only"]


def _short(text: str, limit: int = 110) -> str:
    """Return the first words of a text as one table cell."""
    words = " ".join(text.split()).replace("|", "/")
    return words if len(words) <= limit else f"{words[:limit].rsplit(' ', 1)[0]} …"
