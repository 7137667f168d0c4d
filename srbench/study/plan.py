"""A study as frozen data, from its TOML file: everything that could be chosen to suit a result, chosen before it."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from srbench.errors import StudyError, UnknownNameError
from srbench.zoo.networks import find_variant

METRICS = ("psnr_y", "psnr_rgb", "psnr_y_aliased")
"""Columns of the score table that an endpoint may be: those in dB, as the margin is."""

ROLES = ("target", "in-domain")
"""What an endpoint's set is to the training: unlike it, or from the same source."""


@dataclass(frozen=True)
class Endpoint:
    """What is measured: a metric's mean over a set's images. `needed`: whether a report without it is refused."""

    dataset: str
    metric: str = "psnr_y"
    role: str = "target"
    needed: bool = True

    @property
    def name(self) -> str:
        """`Set14 psnr_y`."""
        return f"{self.dataset} {self.metric}"


@dataclass(frozen=True)
class Group:
    """Arms that are trained with the same seeds, and which of them are compared: (A, B) reads A minus B."""

    name: str
    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    contrasts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Study:
    """A controlled comparison of ways to train, decided before its results are looked at.

    Attributes:
        scale, recipe, train_set: what all arms are trained with and on; `recipe` is a name or a `….toml` file.
        learning_rates, search_seed: each arm takes the one of these that is best on the held-out training images with
            this seed, which is none of the study's.
        percentages: of the steps, at which the differences are shown; 100 is the result.
        protocol, margin_db: how results are scored, and below which difference arms count as equivalent.
        endpoints, groups: the first contrast of the first group on the first endpoint is the study's question.
        sha256: the hash of all of this.
    """

    name: str
    question: str
    scale: int
    recipe: str
    train_set: str
    learning_rates: tuple[float, ...]
    search_seed: int
    percentages: tuple[int, ...]
    protocol: str
    margin_db: float
    endpoints: tuple[Endpoint, ...]
    groups: tuple[Group, ...]
    sha256: str

    @property
    def arms(self) -> tuple[str, ...]:
        """Every arm of every group, once."""
        return tuple(dict.fromkeys(arm for group in self.groups for arm in group.arms))

    def document(self) -> dict[str, Any]:
        """The study's values, ready for JSON; what `sha256` is of."""
        return _document(self)


def load_study(path: Path) -> Study:
    """The study in a TOML file.

    Raises UnknownNameError for a key, network or metric that does not exist, StudyError for values that make no study.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise StudyError(f"{path}: expected a study in TOML, got none ({error}); check the path") from error
    return study_from(content)


def study_from(content: Mapping[str, Any]) -> Study:
    """A study of plain values, as they stand in TOML or JSON. Errors as for `load_study`."""
    values = _known(content, Study, "study key", leave=("sha256",))
    try:
        for key, kind in (("endpoints", Endpoint), ("groups", Group)):
            values[key] = [kind(**_known(table, kind, f"key of [[{key}]]")) for table in _tables(values, key)]
        study = Study(**{key: _frozen(value) for key, value in values.items()}, sha256="")
        _check(study)
    except TypeError as error:
        raise StudyError(f"expected a whole study, got one with a value missing or of another kind: {error}") from error
    text = json.dumps(_document(study), sort_keys=True, separators=(",", ":"))
    return Study(**{**study.__dict__, "sha256": hashlib.sha256(text.encode()).hexdigest()})


def _tables(values: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    tables = values.get(key)
    if not isinstance(tables, list) or not tables or not all(isinstance(one, Mapping) for one in tables):
        raise StudyError(f"expected at least one [[{key}]] table, got {tables!r}; add one")
    return tables


def _known(content: Mapping[str, Any], kind: type, what: str, leave: tuple[str, ...] = ()) -> dict[str, Any]:
    known = [name for name in get_type_hints(kind) if name not in leave]
    for key in content:
        if key not in known:
            raise UnknownNameError(what, key, known)
    return {key: _frozen(value) if key not in ("endpoints", "groups") else value for key, value in content.items()}


def _frozen(value: Any) -> Any:
    return tuple(_frozen(one) for one in value) if isinstance(value, list) else value


def _document(study: Study) -> dict[str, Any]:
    plain: dict[str, Any] = {**study.__dict__}
    del plain["sha256"]
    plain["endpoints"] = [dict(endpoint.__dict__) for endpoint in study.endpoints]
    plain["groups"] = [dict(group.__dict__) for group in study.groups]
    thawed: dict[str, Any] = json.loads(json.dumps(plain))
    return thawed


def _check(study: Study) -> None:
    for endpoint in study.endpoints:
        if endpoint.metric not in METRICS:
            raise UnknownNameError("metric of an endpoint", endpoint.metric, METRICS)
        if endpoint.role not in ROLES:
            raise UnknownNameError("role of an endpoint", endpoint.role, ROLES)
    wrong = list(_problems(study))
    for group in study.groups:
        for arm in group.arms:
            find_variant(arm)
        wrong += [f"contrasts of {group.name} between its arms" for pair in group.contrasts
                  if len(pair) != 2 or pair[0] == pair[1] or not set(pair) <= set(group.arms)]
        if len(set(group.seeds)) != len(group.seeds) or len(group.seeds) < 2:
            wrong.append(f"at least two seeds for {group.name}, each once")
        if study.search_seed in group.seeds:
            wrong.append(f"a search_seed that is no seed of {group.name}")
    if wrong:
        raise StudyError(f"study {study.name}: expected {'; '.join(dict.fromkeys(wrong))}")


def _problems(study: Study) -> list[str]:
    wrong = []
    if not study.learning_rates or not all(rate > 0 for rate in study.learning_rates):
        wrong.append("learning_rates above 0")
    if 100 not in study.percentages or not all(0 < share <= 100 for share in study.percentages):
        wrong.append("percentages between 1 and 100, 100 among them")
    if not study.margin_db > 0:
        wrong.append("a margin_db above 0")
    if not study.groups[0].contrasts:
        wrong.append("a first group with contrasts: the first one is the study's question")
    return wrong
