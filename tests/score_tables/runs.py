"""Small finished runs with chosen scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from srbench.scores import RunFolder
from tests.records.complete import run_record


def write_run(
    folder: Path,
    spec: str,
    scores: dict[str, Sequence[float]],
    *,
    scale: int = 4,
    expected: int | None = None,
    hr: str = "hr",
    protocol: str = "matlab-y",
    ssim: float | None = None,
    **model: Any,
) -> Path:
    """Write the run of a model: PSNR by dataset, one value per image; SSIM is PSNR / 40 unless given."""
    run = RunFolder(folder, {"precision": "fp32", "tile": None, "self_ensemble": False})
    run.append(
        [
            {
                "model": spec,
                "dataset": dataset,
                "scale": scale,
                "protocol": protocol,
                "protocol_version": 1,
                "image": f"i{index:03d}",
                "psnr_y": value,
                "ssim_y": value / 40 if ssim is None else ssim,
                "psnr_lr": 50.0,
                "seconds": 0.1,
                "lr_source": "made",
                "hr_sha256": f"{hr}{index}",
                "lr_sha256": f"lr{index}",
            }
            for dataset, values in scores.items()
            for index, value in enumerate(values)
        ]
    )
    datasets = {
        name: {"fingerprint": "a" * 64, "variant": "canonical", "n": len(values), "n_expected": expected or len(values)}
        for name, values in scores.items()
    }
    protocols = {protocol: {"version": 1, "summary": "as MATLAB", "lr_source": "made"}}
    facts = {"spec": spec, "weights_sha256": None, "parameters": None, **model}
    run.finish(run_record(model=facts, scale=scale, datasets=datasets, protocols=protocols))
    return folder
