"""`srbench.train`: a training with the options of the command as keywords."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from srbench.arguments import values_of
from srbench.errors import TrainingError, UnknownNameError
from srbench.records.record_model import validate
from srbench.records.training import TrainingRecord
from srbench.training.command import run_command
from srbench.training.options import OPTIONS, Option, TrainValues, misuse
from srbench.training.records import RECORD, WEIGHTS, read_training

# `--recipe-help` prints a text and trains nothing, so it is not a keyword.
_KEYWORDS = [option for option in OPTIONS if option.key != "recipe_help"]


@dataclass(frozen=True)
class FinishedTraining:
    """A finished training, or the finished trainings of a sweep.

    Attributes:
        output: the folder with the weights, the record, the log and the curves.
        report: what `srbench train` prints: the held-out PSNR and warnings, or the table of a sweep.
    """

    output: Path
    report: str = field(repr=False)

    @property
    def weights(self) -> Path:
        """The file of the averaged weights, for the model spec `zoo:NAME@FILE`."""
        return self.output / WEIGHTS

    @property
    def record(self) -> TrainingRecord:
        """What was trained, how, and the PSNR on held-out images. Raises TrainingError for the folder of a sweep."""
        return validate(TrainingRecord, read_training(self.output), str(self.output / RECORD), error=TrainingError)

    def __str__(self) -> str:
        return self.report


def train(model: object = None, **keywords: object) -> FinishedTraining:
    """Train a network by a recipe. The same call resumes an interrupted training.

    The keywords are the options of `srbench train`, with the same names and defaults. `model`, `scale` or `scales`,
    `recipe`, `train_set` and `output` are needed, or `sweep` and `output`. Options that the command takes several times
    are lists here: `scales=[2, 3, 4]`, `set=["batch=8"]` or `set={"batch": 8}`, `snapshot=[50]`. `time_limit` is text
    such as "9m", or a number of seconds.

    Raises:
        TypeError: a keyword that is no option.
        TrainingError: options that are missing, of another type, or contradict each other; a folder of a different
            training; too little memory.
        DatasetError: training images that are missing or smaller than a patch.

    Examples:
        >>> train(model="imdn", scale=2, recipe="budget-cpu", train_set="Set5", output="run", scales="2,3")
        Traceback (most recent call last):
        srbench.errors.SrbenchError: scales: expected a list of int, got '2,3'; pass scales=[…]
    """
    if model is not None:
        keywords["model"] = model
    known = {option.key: option for option in _KEYWORDS}
    if unknown := [name for name in keywords if name not in known]:
        hint = UnknownNameError("option", unknown[0], known)
        raise TypeError(f"train() got an unexpected keyword argument {unknown[0]!r}: {hint}")
    values = {name: _value(option, keywords.get(name)) for name, option in known.items()}
    values["recipe_help"] = False
    if wrong := misuse(values):
        raise TrainingError(wrong)
    report = run_command(cast(TrainValues, values))
    return FinishedTraining(Path(str(values["output"])), report)


def _parameter(option: Option) -> inspect.Parameter:
    default = False if option.flag else () if option.many else option.default
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD if option.key == "model" else inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(option.key, kind, default=default)


# The signature that help() and editors show is made from the options, so that the two cannot differ.
train.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # functions do have it
    sorted(map(_parameter, _KEYWORDS), key=lambda one: one.kind), return_annotation=FinishedTraining
)


def _value(option: Option, value: object) -> object:
    """Return the value of a keyword in the form that the command uses. Raise SrbenchError for a wrong type."""
    if option.many:
        return _list(option, value)
    if option.flag:
        return _typed(option, value or False, bool)
    if value is None:
        return option.default
    if option.key == "scales":
        return ",".join(map(str, values_of("scales", value, int)))
    if option.key == "time_limit" and isinstance(value, int | float):
        return f"{value:f}"
    if option.choices and value not in option.choices:
        raise TrainingError(f"{option.key}: expected one of {', '.join(option.choices)}, got {value!r}; choose one")
    if isinstance(value, str | Path) and option.kind in (str, Path):
        return option.kind(value)
    return _typed(option, value, option.kind)


def _list(option: Option, value: object) -> tuple[object, ...]:
    if value is None:
        return ()
    if isinstance(value, Mapping) and option.kind is str:
        # Strings among the arguments of a factory are quoted, so that width="8" stays text.
        plain = option.key != "factory_arg"
        return tuple(
            f"{name}={one if plain and isinstance(one, str) else json.dumps(one)}" for name, one in value.items()
        )
    return tuple(values_of(option.key, value, option.kind))


def _typed(option: Option, value: object, kind: type) -> object:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TrainingError(f"{option.key}: expected {kind.__name__}, got {value!r}; correct it")
    return value
