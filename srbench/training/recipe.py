"""Recipes as data: every setting of a training except the network, the images and the seed, in one TOML file.

A recipe is identified by the hash of its values, not by its name: with one changed value it is a different recipe.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from pydantic import JsonValue

from srbench.errors import TrainingError, UnknownNameError
from srbench.records.recipe_model import LARGEST_SEED as LARGEST_SEED
from srbench.records.recipe_model import RecipeRecord
from srbench.records.record_model import validate

SEED_RANGE = "from 0 to 2^63 - 1"
"""The seeds that a training takes, up to the largest int64, in words."""

_DESCRIPTIVE = ("name", "summary")


class Recipe(RecipeRecord):
    """A recipe that can be changed; see `RecipeRecord` for its settings."""

    def changed(self, settings: Sequence[str]) -> Recipe:
        """Return this recipe with `KEY=VALUE` settings applied; the name of a changed recipe lists them.

        Raises:
            UnknownNameError: an unknown key.
            TrainingError: a value that its key does not take.
        """
        now = self.document()
        changes = {key: value for key, value in map(_setting, settings) if value != now[key]}
        if not changes:
            return self
        marks = ", ".join(f"{key}={_shown(changes[key])}" for key in sorted(changes))
        return _recipe({**now, **changes, "name": f"{self.name}[{marks}]"}, self.name)


def recipe_names() -> list[str]:
    """Return the names of the recipes that ship with the package."""
    return sorted(entry.name.removesuffix(".toml") for entry in _home().iterdir() if entry.name.endswith(".toml"))


def load_recipe(name: str) -> Recipe:
    """Return the recipe that ships under this name, or the one in a file `….toml`.

    Raises:
        UnknownNameError: no recipe of this name ships with the package.
        TrainingError: a file that cannot be read, or an unknown key or wrong value in it.
    """
    if name.endswith(".toml"):
        path = Path(name)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            found = error.strerror if isinstance(error, OSError) else f"a file that is not UTF-8 text ({error})"
            raise TrainingError(f"{path}: expected a recipe in TOML, got {found}; check the path") from error
        return _parsed(text, path.stem)
    if name not in recipe_names():
        raise UnknownNameError("recipe", name, recipe_names())
    return _parsed(_home().joinpath(f"{name}.toml").read_text(encoding="utf-8"), name)


def recipe_from(document: Mapping[str, object]) -> Recipe:
    """Return the recipe described by values from TOML or JSON. Raises TrainingError for invalid values."""
    return _recipe(document, str(document.get("name", "")))


def _recipe(document: Mapping[str, object], name: str) -> Recipe:
    return validate(Recipe, dict(document), f"recipe {name}".strip(), error=TrainingError)


def _home() -> Traversable:
    return resources.files("srbench.training").joinpath("recipes")


def _parsed(text: str, name: str) -> Recipe:
    try:
        return recipe_from({"name": name, **tomllib.loads(text)})
    except tomllib.TOMLDecodeError as error:
        raise TrainingError(f"{name}: expected a recipe in TOML, got text that does not parse ({error})") from error


def _setting(text: str) -> tuple[str, JsonValue]:
    key, equals, value = text.partition("=")
    if not equals:
        raise TrainingError(f"--set: expected KEY=VALUE, got {text!r}; for example --set learning_rate=2e-4")
    settings = [name for name in Recipe.model_fields if name not in _DESCRIPTIVE]
    if key not in settings:
        raise UnknownNameError("recipe key", key, settings)
    if key == "held_out":
        return key, int(value) if value.isdecimal() else [name for name in value.split(",") if name]
    if Recipe.model_fields[key].annotation is str:
        return key, value
    try:
        parsed: JsonValue = json.loads(value)
    except (ValueError, RecursionError) as error:
        raise TrainingError(f"--set {key}: expected a number, true or false, got {value!r}") from error
    return key, parsed


def _shown(value: JsonValue) -> str:
    return f"{len(value)} images" if isinstance(value, list) else str(value)
