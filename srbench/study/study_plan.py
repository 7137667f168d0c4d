"""Read the plan of a study from its TOML file. It fixes all choices before results are known."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from srbench.datasets.catalogue import CATALOGUE
from srbench.errors import StudyError, UnknownNameError
from srbench.protocols import get_protocol
from srbench.records.record_model import validate
from srbench.records.study import STUDY_METRICS, StudyPlan
from srbench.training.own_networks import is_own
from srbench.zoo.networks import find_variant


def load_study(path: Path) -> StudyPlan:
    """Return the plan in a TOML file.

    Raises:
        UnknownNameError: a network, dataset or protocol that does not exist.
        StudyError: a file that cannot be read, or values that do not form a valid plan.
        ProtocolError: a scale that the protocol is not defined for.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise StudyError(f"{path}: expected a study in TOML, got none ({error}); check the path") from error
    return study_from(content)


def study_from(content: Mapping[str, object]) -> StudyPlan:
    """Return the plan described by values from TOML or JSON. Raises the errors of `load_study`."""
    study = validate(StudyPlan, dict(content), f"study {content.get('name', '')}".strip(), error=StudyError)
    _require_consistent(study)
    return study


def _require_consistent(study: StudyPlan) -> None:
    """Raise StudyError if the plan names something that does not exist, or if its parts do not fit together."""
    protocol = get_protocol(study.protocol)
    protocol.preparation.require_scale(study.scale)
    for endpoint in study.endpoints:
        _require_known("dataset of an endpoint", endpoint.dataset, [*CATALOGUE, "Sample"])
    for arm in study.arms:
        # Folders and records use the main name of a network; under an alias they would not be found.
        if not is_own(arm):
            _require_known("network", arm, [find_variant(arm).name])
    measured = [metric for metric in STUDY_METRICS if metric in protocol.columns]
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


def _problems(study: StudyPlan) -> Iterator[str]:
    if (study.search is None) == (study.search_seed is None):
        yield "either search_seed or [search], not both or none"
    yield from (f"[[endpoints]] {name} once" for name in _repeated(endpoint.name for endpoint in study.endpoints))
    yield from (f"[[groups]] {name} once" for name in _repeated(group.name for group in study.groups))
    for arm in study.arms:
        if not is_own(arm) and study.scale not in (scales := find_variant(arm).network.scales):
            yield f"a scale of {arm} ({', '.join(map(str, scales))}), not {study.scale}"
    for group in study.groups:
        if strange := {arm for pair in group.contrasts for arm in pair} - set(group.arms):
            yield f"contrasts of {group.name} between its arms, not {', '.join(sorted(strange))}"
        if set(study.search_seeds) & set(group.seeds):
            yield f"a search_seed that is no seed of {group.name}"
    if not study.endpoints[0].needed or study.endpoints[0].final:
        yield "a first endpoint that is needed and not only final: it is the question's"
    if not study.groups[0].contrasts:
        yield "a first group with contrasts: the first one is the study's question"


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, times in Counter(names).items() if times > 1]
