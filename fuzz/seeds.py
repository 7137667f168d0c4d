"""`python -m fuzz.seeds`: write the seeds of the corpus again, after a change of the formats."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from safetensors.torch import save_file

from fuzz.run_attacks import good_files
from fuzz.targets import SEPARATOR
from srbench.result import evaluate
from tests.submissions.generated import generate

CORPUS = Path(__file__).parent / "corpus"
_SUBMISSIONS = Path(__file__).parents[1] / "submissions"


def main() -> None:
    """Write one complete entry, and files of each kind."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = generate(Path(scratch), 1)[0]
        files = (folder / "submission.json").read_bytes(), (folder / "scores.parquet").read_bytes()
        (CORPUS / "submission" / "whole").write_bytes(SEPARATOR.join(files))
        run = Path(scratch) / "run"
        evaluate("bicubic", "Sample", scale=4, device="cpu").save(run)
        record = (run / "run.json").read_bytes()
    for kind, name, data in (
        ("entry", "submission.json", files[0]),
        ("entry", "verification.json", (_SUBMISSIONS / "bicubic" / "verification.json").read_bytes()),
        ("run", "run.json", record),
        (
            "study",
            "results.json",
            min(_SUBMISSIONS.glob("*.study.json"), key=lambda path: path.stat().st_size).read_bytes(),
        ),
    ):
        (CORPUS / kind).mkdir(exist_ok=True)
        (CORPUS / kind / name).write_bytes(data)
    for kind in ("table", "picture", "sample", "unpacking"):
        (CORPUS / kind).mkdir(exist_ok=True)
        for number, data in enumerate(good_files()[kind]):
            (CORPUS / kind / f"good{number}").write_bytes(data)
    state = {"layer.weight": torch.arange(6.0).reshape(2, 3), "layer.bias": torch.ones(2)}
    torch.save(state, CORPUS / "checkpoint" / "bare.pth")
    torch.save({"params_ema": state}, CORPUS / "checkpoint" / "legacy.pth", _use_new_zipfile_serialization=False)
    save_file(state, CORPUS / "checkpoint" / "weights.safetensors", metadata={"format": "pt"})


if __name__ == "__main__":
    main()
