"""Recipes as data: everything that fixes a training but the network, the images and the seed, in one TOML file.

A recipe is known by the hash of its values, not by its name: whoever changes one value has another recipe.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, get_type_hints

from srbench.datasets.pairs import LR_MODES
from srbench.errors import TrainingError, UnknownNameError

CROPS = ("whole", "five")
"""Where a patch may come from: anywhere in an image, or from one of its five crops."""

OPTIMISERS = ("adam", "adamw")
SCHEDULES = ("constant", "halving", "one-cycle")
PRECISIONS = ("fp32", "tf32", "bf16")
LOSSES = ("l1", "l2")

_CHOICES: Mapping[str, tuple[str, ...]] = {
    "crops": CROPS,
    "lr": LR_MODES,
    "loss": LOSSES,
    "optimiser": OPTIMISERS,
    "schedule": SCHEDULES,
    "precision": PRECISIONS,
}
_POSITIVE = ("steps", "batch", "patch", "repeat", "learning_rate", "halve_every", "validate_every", "epsilon")
_SHARES = ("warmup", "final", "ema", "beta1", "beta2")
LARGEST_SEED, SEED_RANGE = 2**63 - 1, "from 0 to 2^63 - 1"
"""What a training may be given to start its random numbers from: 0 up to this, the largest int64; and so in words."""

# What a recipe says of itself does not change what it makes.
_NOT_HASHED = ("name", "summary")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One recipe. Lengths are in steps of one global batch, patches in LR pixels.

    Attributes:
        crops, lr: where patches come from and how their LR was made; see `CROPS` and `srbench.datasets.pairs`.
        patch, symmetries, repeat: side of a patch, flips and rotations, visits of each window in an epoch.
        held_out: names of training images that are never trained on; progress is measured on them.
        batch: patches of one step, over all processes and accumulations together.
        optimiser, learning_rate, beta1, beta2, epsilon, weight_decay, clip: `clip` bounds the gradient's norm (0: off).
        schedule: `constant`; `halving` every `halve_every` steps; `one-cycle`: up from `learning_rate` / 25 over the
            share `warmup` of the steps, then down to the share `final` of it, both along a cosine.
        ema: decay of the running average of the weights, whose last state is the result; 0 takes the weights as they
            are.
        precision: of the network's middle; `tf32` differs from `fp32` on NVIDIA GPUs alone, `bf16` everywhere.
        validate_every: steps between two measurements on the held-out images.
    """

    name: str
    summary: str
    steps: int
    batch: int
    patch: int
    learning_rate: float
    schedule: str
    crops: str = "whole"
    lr: str = "matlab"
    symmetries: bool = True
    repeat: int = 1
    held_out: tuple[str, ...] = ()
    loss: str = "l1"
    optimiser: str = "adam"
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    clip: float = 0.0
    halve_every: int = 50000
    warmup: float = 0.1
    final: float = 0.0
    ema: float = 0.0
    precision: str = "fp32"
    validate_every: int = 1000
    sha256: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        _check(self)
        text = json.dumps(self.values(), sort_keys=True, separators=(",", ":"))
        object.__setattr__(self, "sha256", hashlib.sha256(text.encode()).hexdigest())

    def values(self) -> dict[str, Any]:
        """What the hash is of: every value but name and summary, ready for JSON."""
        return {key: value for key, value in self.document().items() if key not in _NOT_HASHED}

    def document(self) -> dict[str, Any]:
        """The whole recipe, ready for JSON and for `recipe_from`."""
        return {
            key: list(value) if isinstance(value, tuple) else value for key in _TYPES for value in (getattr(self, key),)
        }

    def changed(self, settings: Sequence[str]) -> Recipe:
        """This recipe with `KEY=VALUE` settings laid over it; a changed one says so in its name.

        Raises UnknownNameError for an unknown key, TrainingError for a value that does not fit.
        """
        changes = dict(_setting(text) for text in settings)
        changes = {key: value for key, value in changes.items() if value != self.document()[key]}
        if not changes:
            return self
        marks = ", ".join(f"{key}={_shown(changes[key])}" for key in sorted(changes))
        return recipe_from({**self.document(), **changes, "name": f"{self.name}[{marks}]"})


_TYPES = {key: kind for key, kind in get_type_hints(Recipe).items() if key != "sha256"}


def recipe_names() -> list[str]:
    """The recipes that ship with the package."""
    return sorted(entry.name.removesuffix(".toml") for entry in _home().iterdir() if entry.name.endswith(".toml"))


def load_recipe(name: str) -> Recipe:
    """The recipe that ships under this name, or the one in a file `….toml`.

    Raises UnknownNameError for an unknown name or key, TrainingError for a file or value that makes no sense.
    """
    if name.endswith(".toml"):
        path = Path(name)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            told = error.strerror if isinstance(error, OSError) else f"a file that is no UTF-8 text ({error})"
            raise TrainingError(f"{path}: expected a recipe in TOML, got {told}; check the path") from error
        return _parsed(text, path.stem)
    if name not in recipe_names():
        raise UnknownNameError("recipe", name, recipe_names())
    return _parsed(_home().joinpath(f"{name}.toml").read_text(encoding="utf-8"), name)


def recipe_from(document: Mapping[str, Any]) -> Recipe:
    """A recipe of plain values, as they stand in TOML or JSON. Errors as for `load_recipe`."""
    for key in document:
        if key not in _TYPES:
            raise UnknownNameError("recipe key", key, _TYPES)
    missing = [
        item.name
        for item in dataclasses.fields(Recipe)
        if item.init and item.default is dataclasses.MISSING and item.name not in document
    ]
    if missing:
        raise TrainingError(f"expected a recipe with {', '.join(missing)}, got none of it; add it to the file")
    return Recipe(**{key: _typed(key, value) for key, value in document.items()})


def _home() -> Traversable:
    return resources.files("srbench.training").joinpath("recipes")


def _parsed(text: str, name: str) -> Recipe:
    try:
        return recipe_from({"name": name, **tomllib.loads(text)})
    except tomllib.TOMLDecodeError as error:
        raise TrainingError(f"{name}: expected a recipe in TOML, got text that is none ({error})") from error


def _setting(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise TrainingError(f"--set: expected KEY=VALUE, got {text!r}; for example --set learning_rate=2e-4")
    if key not in _TYPES or key in _NOT_HASHED:
        raise UnknownNameError("recipe key", key, [known for known in _TYPES if known not in _NOT_HASHED])
    if key == "held_out":
        return key, [name for name in value.split(",") if name]
    if _TYPES[key] is str:
        return key, value
    try:
        return key, json.loads(value)
    except json.JSONDecodeError as error:
        raise TrainingError(f"--set {key}: expected {_TYPES[key].__name__}, got {value!r}") from error


def _typed(key: str, value: Any) -> Any:
    kind = _TYPES[key]
    if key == "held_out":
        if isinstance(value, list) and all(isinstance(name, str) for name in value):
            return tuple(value)
        raise TrainingError(f"recipe key held_out: expected a list of image names, got {value!r}")
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        # One that no float can hold is as good as infinite.
        return float(value) if abs(value) < 10**308 else math.inf
    if type(value) is not kind:
        raise TrainingError(f"recipe key {key}: expected {kind.__name__}, got {value!r}")
    return value


def _check(recipe: Recipe) -> None:
    for key, choices in _CHOICES.items():
        if getattr(recipe, key) not in choices:
            raise UnknownNameError(f"{key} of a recipe", getattr(recipe, key), choices)
    wrong = [
        f"a finite {key}" for key, kind in _TYPES.items() if kind is float and not math.isfinite(getattr(recipe, key))
    ]
    wrong += [f"{key} above 0" for key in _POSITIVE if not getattr(recipe, key) > 0]
    wrong += [f"{key} of at least 0 and below 1" for key in _SHARES if not 0 <= getattr(recipe, key) < 1]
    wrong += [f"{key} of at least 0" for key in ("clip", "weight_decay") if not getattr(recipe, key) >= 0]
    if recipe.lr == "pil-per-crop" and recipe.crops != "five":
        wrong.append('crops = "five" with lr = "pil-per-crop", which makes the LR of each crop')
    if len(set(recipe.held_out)) != len(recipe.held_out):
        wrong.append("each held-out name once")
    if wrong:
        raise TrainingError(f"recipe {recipe.name}: expected {'; '.join(wrong)}")


def _shown(value: Any) -> str:
    return f"{len(value)} images" if isinstance(value, list) else str(value)
