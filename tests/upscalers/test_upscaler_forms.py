"""`--form`: the form of weights that do not name their own is part of the model's identity and of a run's key."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from srbench.datasets.imageset import open_dataset
from srbench.errors import UpscalerError, WeightsError
from srbench.evaluation.evaluation_plan import Plan
from srbench.protocols import get_protocol
from srbench.upscalers.base import Options
from srbench.upscalers.loading import open_upscaler
from srbench.zoo import build


def test_a_form_makes_another_run_of_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(build("s-lwsr32-bam", scale=4, form="paper").state_dict(), path)
    spec = f"zoo:s-lwsr32-bam@{path}"
    with pytest.raises(WeightsError, match="give --form authors or unit or paper"):
        open_upscaler(spec, scale=4)
    keys = []
    for form in ("paper", "unit"):
        upscaler = open_upscaler(spec, scale=4, options=Options("cpu", form=form))  # type: ignore[arg-type]  # a literal
        assert upscaler.identity.details["form"] == form
        keys.append(Plan(upscaler, [open_dataset("Sample")], [get_protocol("matlab-y")]).key())
    assert {name for name in keys[0] if keys[0][name] != keys[1][name]} == {"form"}


def test_only_zoo_weights_have_a_form(tmp_path: Path) -> None:
    with pytest.raises(UpscalerError, match="expected --form with zoo:NAME@FILE only, got --form unit; leave it out"):
        open_upscaler("python:torch.nn:Identity", scale=4, options=Options("cpu", form="unit"))
    with pytest.raises(WeightsError, match="zoo:s-lwsr32@srbench: expected weights in the form authors") as error:
        open_upscaler("zoo:s-lwsr32@srbench", scale=4, options=Options("cpu", form="authors"))
    assert "got unit; leave out --form" in str(error.value)
