"""A study as frozen data, from its TOML file: everything that could be chosen to suit a result, chosen before it."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from srbench.datasets.catalogue import CATALOGUE
from srbench.errors import StudyError, UnknownNameError
from srbench.protocols import get_protocol
from srbench.study import kinds
from srbench.zoo.networks import Form, find_variant

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
        recipe_sha256: the hash that the recipe has to have, since its name alone does not pin it; None takes any.
        learning_rates, search_seed: each arm takes the one of these that is best on the held-out training images with
            this seed, which is none of the study's.
        percentages: of the steps, at which the differences are shown; 100 is the result.
        protocol, margin_db: how results are scored, and below which difference arms count as equivalent.
        form: how all arms compute inside; None is the form of every training from scratch, `unit`.
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
    recipe_sha256: str | None = None
    form: Form | None = None
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

    Raises UnknownNameError for a key, network, dataset, protocol or metric that does not exist, StudyError for values
    that make no study, ProtocolError for a scale that the protocol is not defined for.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise StudyError(f"{path}: expected a study in TOML, got none ({error}); check the path") from error
    return study_from(content)


def study_from(content: Mapping[str, Any]) -> Study:
    """A study of plain values, as they stand in TOML or JSON. Errors as for `load_study`."""
    values = _known(content, Study, "study key", leave=("sha256",))
    parts = {
        key: [_known(table, kind, f"key of [[{key}]]") for table in _tables(values, key)]
        for key, kind in (("endpoints", Endpoint), ("groups", Group))
    }
    if wrong := [
        *kinds.problems(values, kinds.STUDY, ""),
        *(
            problem
            for key, table in (("endpoints", kinds.ENDPOINT), ("groups", kinds.GROUP))
            for one in parts[key]
            for problem in kinds.problems(one, table, f" in a table of [[{key}]]")
        ),
    ]:
        raise StudyError(f"study {values.get('name', '')}: expected {'; expected '.join(wrong)}")
    try:
        study = Study(
            **{
                **values,
                "endpoints": tuple(Endpoint(**one) for one in parts["endpoints"]),
                "groups": tuple(Group(**one) for one in parts["groups"]),
            },
            sha256="",
        )
    except TypeError as error:
        raise StudyError(f"expected a whole study, got one with a value missing: {error}") from error
    _resolve(study)
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
    for optional in ("recipe_sha256", "form"):
        if plain[optional] is None:
            del plain[optional]
    plain["endpoints"] = [dict(endpoint.__dict__) for endpoint in study.endpoints]
    plain["groups"] = [dict(group.__dict__) for group in study.groups]
    thawed: dict[str, Any] = json.loads(json.dumps(plain))
    return thawed


def _resolve(study: Study) -> None:
    """Everything that the plan names is there and goes together."""
    protocol = get_protocol(study.protocol)
    protocol.preparation.require_scale(study.scale)
    for endpoint in study.endpoints:
        _require_known("dataset of an endpoint", endpoint.dataset, [*CATALOGUE, "Sample"])
        _require_known("metric of an endpoint", endpoint.metric, METRICS)
        _require_known("role of an endpoint", endpoint.role, ROLES)
    for arm in study.arms:
        # By another name its folder and its record would not be found again.
        _require_known("network", arm, [find_variant(arm).name])
    measured = [metric for metric in METRICS if metric in protocol.columns]
    wrong = [
        f"a metric of {study.protocol} for {endpoint.name} ({', '.join(measured) or 'it has none in dB'})"
        for endpoint in study.endpoints
        if endpoint.metric not in measured
    ]
    if wrong := [*wrong, *_problems(study)]:
        raise StudyError(f"study {study.name}: expected {'; '.join(wrong)}")


def _require_known(kind: str, name: str, known: Iterable[str]) -> None:
    if name not in known:
        raise UnknownNameError(kind, name, known)


def _problems(study: Study) -> Iterator[str]:
    yield from (f"[[endpoints]] {name} once" for name in _repeated(endpoint.name for endpoint in study.endpoints))
    yield from (f"[[groups]] {name} once" for name in _repeated(group.name for group in study.groups))
    for arm in study.arms:
        if study.scale not in (scales := find_variant(arm).network.scales):
            yield f"a scale of {arm} ({', '.join(map(str, scales))}), not {study.scale}"
    for group in study.groups:
        if strange := {arm for pair in group.contrasts for arm in pair} - set(group.arms):
            yield f"contrasts of {group.name} between its arms, not {', '.join(sorted(strange))}"
        if study.search_seed in group.seeds:
            yield f"a search_seed that is no seed of {group.name}"
    if not study.endpoints[0].needed:
        yield "a first endpoint that is needed: it is the question's"
    if not study.groups[0].contrasts:
        yield "a first group with contrasts: the first one is the study's question"


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, times in Counter(names).items() if times > 1]
