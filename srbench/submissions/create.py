"""Create a submission from finished runs."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path, PureWindowsPath
from tempfile import TemporaryDirectory
from typing import TypeVar

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import JsonValue

from srbench.errors import SubmissionError
from srbench.files import LEFT_OVER_SECONDS, explain, sha256_of, write_atomic
from srbench.records.fields import EntryId
from srbench.records.record_model import PlainRecord, validate, validate_field
from srbench.records.run import RunDataset, RunModel, RunRecord
from srbench.records.submission import (
    MODEL_NAME,
    MODEL_SOURCE,
    MODEL_SPEC,
    SCHEMA_VERSION,
    TRAINING_FACT,
    SubmissionRecord,
)
from srbench.scores import SCORES_NAME, Run, table_of
from srbench.spec_paths import looks_like_path
from srbench.submissions.crops import SAMPLES_NAME, check_sample, read_samples
from srbench.submissions.metadata import complete_metadata
from srbench.submissions.read import (
    DOCUMENT_NAME,
    NOTHING_VERIFIED,
    read_submission,
    require_known_files,
)
from srbench.submissions.score_rows import check_rows, dataset_means
from srbench.zoo.weights_catalogue import TAGS, times

_BETWEEN_FILES = " + "
_PATH_KINDS = ("images", "onnx", "spandrel")
_COMMON_OPTIONS: Mapping[str, Callable[[RunRecord], JsonValue]] = {
    "precision": lambda record: record.precision,
    "tile": lambda record: record.tile,
    "self_ensemble": lambda record: record.self_ensemble,
    "optimise": lambda record: record.optimise,
    "lr_source": lambda record: record.lr_source,
    "adapters": lambda record: record.adapters.plain() if record.adapters else None,
}
Fact = TypeVar("Fact", str, int)
_UNFINISHED = re.compile(r"\.(?P<id>[a-z0-9][a-z0-9.-]*)\.[a-z0-9_]{8}(?P<aside>\.old)?")
"""Names of the folders that `write_submission` makes next to an entry for a moment."""
_NOT_YET_HASHED = "0" * 64


@dataclass(frozen=True)
class Draft:
    """A submission before it is written: its document, still without the hash of its table, and the table."""

    document: PlainRecord
    record: SubmissionRecord
    table: pa.Table


def draft_submission(
    runs: Sequence[Run],
    *,
    id: str,
    about: Mapping[str, object] | None = None,
    model: Mapping[str, JsonValue] | None = None,
) -> Draft:
    """Return a submission of one model from its finished runs.

    Args:
        runs: at least one, all of one model with one set of options, over any scales, datasets and protocols.
        id: the entry's name.
        about: fields that the author writes (title, authors, paper, code, license, date, training, runtime, claims,
            footnotes). Missing fields are taken from the runs, or stay empty. Runs of a folder of images need a title.
        model: fields of `model` that the runs do not have (name, network, attention, tag, parameters, macs by scale).

    Raises:
        SubmissionError: incomplete sets, different models, weights or options, or a field that the record refuses.
    """
    validate_field(EntryId, id, "--id", error=SubmissionError)
    records = [run.facts for run in runs]
    spec = spec_of(records)
    options = {name: _only(records, name, value) for name, value in _COMMON_OPTIONS.items()}
    stated = complete_metadata(about or {}, "about")
    facts: PlainRecord = {**_model(records, spec), **(model or {})}
    name = _title_of_images(stated) if spec.startswith("images:") else str(facts["name"])
    facts["name"] = name[:MODEL_NAME].rstrip()
    document: PlainRecord = {
        "schema_version": SCHEMA_VERSION,
        "id": id,
        **_author_fields(stated, records, facts["name"]),
        "model": facts,
        "options": {name: value for name, value in options.items() if name != "adapters" or value},
        "runs": [*map(_run, runs)],
        "scores_sha256": _NOT_YET_HASHED,
    }
    ordered: PlainRecord = {name: document[name] for name in SubmissionRecord.model_fields}
    record = validate(SubmissionRecord, ordered, DOCUMENT_NAME, error=SubmissionError)
    table = _table(runs, spec)
    check_rows(table, record)
    return Draft(ordered, record, table)


def write_submission(root: Path, draft: Draft, *, samples: Path | None = None, replace: bool = False) -> Path:
    """Write the draft as `root/ID` and return that folder; `samples` is a folder of SR crops to include.

    With `replace`, an existing entry of that name is replaced completely. Its samples and its verification are removed,
    since they are about another model or other scores. The new entry is written next to it and read back first; until
    then the old one stays unchanged.

    Raises:
        SubmissionError: an existing entry without `replace`, an entry that has other files, samples that are refused,
            or a folder that cannot be written.
    """
    folder = root / draft.record.id
    _require_replaceable(folder, replace=replace)
    pictures = read_samples(samples) if samples else {}
    for name, data in pictures.items():
        check_sample(data, name)
    try:
        root.mkdir(parents=True, exist_ok=True)
        _sweep(root)
        with TemporaryDirectory(prefix=f".{folder.name}.", dir=root, ignore_cleanup_errors=True) as scratch:
            new = Path(scratch, folder.name)
            _write(new, draft, pictures)
            read_submission(new, verified=NOTHING_VERIFIED)
            _move(new, folder, Path(f"{scratch}.old"))
    except OSError as error:
        raise SubmissionError(explain(error, folder)) from error
    return folder


def spec_of(records: Sequence[RunRecord]) -> str:
    """Return the public spec of the one model of some runs: `onnx:net_x2.onnx + net_x4.onnx` for a file per scale.

    Names of files and of folders of images may differ between scales: weights of one scale must have the same bytes
    anyway. Everything else of a spec must be equal. Raises SubmissionError where it is not.
    """
    specs = [record.model.spec for record in sorted(records, key=lambda record: record.scale)]
    if len({spec_without_files(spec) for spec in specs}) != 1:
        _only(records, "model spec", lambda record: record.model.spec)
    return joined_spec([*map(public_spec, specs)])


def joined_spec(specs: Sequence[str]) -> str:
    """Return public specs that differ only in names of files as one: `onnx:net_x2.onnx + net_x4.onnx`.

    Only the first is returned if all names together are too long for a record.
    """
    start = spec_without_files(specs[0])
    names = dict.fromkeys(name for spec in specs for name in spec.removeprefix(start).split(_BETWEEN_FILES))
    joined = start + _BETWEEN_FILES.join(names)
    return joined if len(joined) <= MODEL_SPEC else specs[0]


def public_spec(spec: str) -> str:
    """Return a model spec without the folders of its machine: `onnx:/home/me/net.onnx` becomes `onnx:net.onnx`."""
    kind, _, rest = spec.partition(":")
    name, at, tag = rest.partition("@")
    location, _, factory = rest.rpartition(":")
    if kind in _PATH_KINDS:
        spec = f"{kind}:{PureWindowsPath(rest).name}"
    elif kind == "python" and looks_like_path(location):
        spec = f"python:{PureWindowsPath(location).name}:{factory}"
    elif kind == "zoo" and at:
        spec = f"zoo:{name}@{PureWindowsPath(tag).name}"
    return re.sub(r"[^A-Za-z0-9_.:@+ -]", "-", spec)


def spec_without_files(spec: str) -> str:
    """Return a spec without file names: `onnx:net.onnx` gives `onnx:`; `zoo:imdn@authors` has none and is unchanged."""
    kind, _, rest = spec.partition(":")
    name, at, tag = rest.partition("@")
    if kind in _PATH_KINDS:
        return f"{kind}:"
    if kind == "python":
        return public_spec(spec)
    return f"zoo:{name}@" if kind == "zoo" and at and tag not in TAGS else spec


def different_fact(one: SubmissionRecord, other: SubmissionRecord) -> tuple[str, JsonValue, JsonValue] | None:
    """Return name and values of the first fact by which two submissions are not of one model with one set of options.

    None if they are. Names of files may differ, as in `spec_of`.
    """
    if spec_without_files(one.model.spec) != spec_without_files(other.model.spec):
        return "model", one.model.spec, other.model.spec
    options, others = one.options.plain(), other.options.plain()
    for name in sorted(options.keys() | others.keys()):
        if options.get(name) != others.get(name):
            return name, options.get(name), others.get(name)
    return None


def _require_replaceable(folder: Path, *, replace: bool) -> None:
    """Raise SubmissionError for an existing entry without `replace`, and for content that `srbench submit` did not
    write.
    """
    if not os.path.lexists(folder):
        return
    if folder.is_symlink() or not folder.is_dir():
        raise SubmissionError(f"{folder}: expected a folder or nothing, got a link or a file; choose another --id")
    try:
        require_known_files(folder)
    except SubmissionError as error:
        raise SubmissionError(f"{folder}: {error}; remove the folder, or choose another --id") from error
    if not replace and any(folder.iterdir()):
        raise SubmissionError(
            f"{folder}: expected a new entry, got an existing one; give --replace, --extend or another --id"
        )


def _write(folder: Path, draft: Draft, pictures: Mapping[str, bytes]) -> None:
    buffer = BytesIO()
    pq.write_table(draft.table, buffer, compression="snappy")
    write_atomic(folder / SCORES_NAME, buffer.getvalue(), error=SubmissionError)
    document = {**draft.document, "scores_sha256": sha256_of(folder / SCORES_NAME)}
    text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomic(folder / DOCUMENT_NAME, text, error=SubmissionError)
    for name, data in pictures.items():
        write_atomic(folder / SAMPLES_NAME / name, data, error=SubmissionError)


def _move(new: Path, folder: Path, aside: Path) -> None:
    """Move the new entry to its place; the old one is set aside and restored if that fails."""
    had = folder.exists()
    if had:
        folder.rename(aside)
        os.utime(aside)  # `_sweep` takes the time as that of the replacement
    try:
        new.rename(folder)
    except OSError:
        if had:
            aside.rename(folder)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _sweep(root: Path) -> None:
    """Remove the folders of replacements that were killed; restore an entry that had been set aside already."""
    for left in root.iterdir():
        killed = _UNFINISHED.fullmatch(left.name)
        if not killed or left.is_symlink() or time.time() - left.stat().st_mtime < LEFT_OVER_SECONDS:
            continue
        if killed["aside"] and not os.path.lexists(root / killed["id"]):
            left.rename(root / killed["id"])
        else:
            shutil.rmtree(left, ignore_errors=True)


def _only(records: Sequence[RunRecord], name: str, value: Callable[[RunRecord], JsonValue]) -> JsonValue:
    found = [value(record) for record in records]
    if not found:
        raise SubmissionError("expected at least one run, got none; make one with srbench evaluate --output")
    if any(other != found[0] for other in found):
        listed = ", ".join(dict.fromkeys(str(other) for other in found))
        raise SubmissionError(
            f"{name}: expected one for all runs, since a submission is one model with one set of "
            f"options, got {listed}; submit them under ids of their own"
        )
    return found[0]


def _model(records: Sequence[RunRecord], spec: str) -> PlainRecord:
    known = {str(record.scale): record.model.parameters for record in records if record.model.parameters is not None}
    return {
        "spec": spec,
        "name": spec,
        "network": None,
        "attention": None,
        "tag": None,
        "parameters": dict(known) or None,
        "macs": None,
        "source": _by_scale(records, lambda model: model.source, limit=MODEL_SOURCE),
        "weights_licence": records[0].model.licence,
    }


def _author_fields(stated: PlainRecord, records: Sequence[RunRecord], name: JsonValue) -> PlainRecord:
    filled: PlainRecord = {
        "title": name,
        "authors": [],
        "paper": None,
        "code": None,
        "license": None,
        "date": datetime.now(UTC).date().isoformat(),
        "training": _training(records),
        "runtime": None,
        "claims": [],
        "footnotes": [],
    }
    return {**filled, **stated}


def _title_of_images(stated: PlainRecord) -> str:
    """Return the name that the author gives to a model known only by its images; the name of their folder has no
    meaning.
    """
    if "title" not in stated:
        raise SubmissionError(
            "title: expected one, since the name of a folder of images says nothing of the model "
            "that made them; give --title, or title in the file of --about"
        )
    return str(stated["title"])


def _training(records: Sequence[RunRecord]) -> PlainRecord | None:
    """Return the facts about the training from the records. Only data and recipes may differ by scale.

    Recipes that differ get one hash over all scales: it is equal for two entries with equal recipes at every scale.
    """
    if (data := _by_scale(records, lambda model: model.training_data, limit=TRAINING_FACT)) is None:
        return None
    models = [record.model for record in records]
    recipe_sha256 = _same([model.recipe_sha256 for model in models])
    hashes = {record.scale: record.model.recipe_sha256 for record in records}
    if recipe_sha256 is None and all(hashes.values()):
        listing = "\n".join(f"x{scale} {sha256}" for scale, sha256 in sorted(hashes.items()))
        recipe_sha256 = hashlib.sha256(listing.encode()).hexdigest()
    return {
        "data": data,
        "recipe": _by_scale(records, lambda model: model.recipe, limit=TRAINING_FACT),
        "recipe_sha256": recipe_sha256,
        "fingerprint": _same([model.training_fingerprint for model in models]),
        "steps": _same([model.steps for model in models]),
        "seed": _same([model.seed for model in models]),
        "tag": _same([model.tag for model in models]),
        **({"form": form} if (form := _same([model.form for model in models])) else {}),
        **({"init": _one_hash(origins)} if (origins := {model.init.origin for model in models if model.init}) else {}),
    }


def _one_hash(hashes: Iterable[str]) -> str:
    """Return the hash itself if there is only one, or one hash over all of them."""
    found = sorted(hashes)
    return found[0] if len(found) == 1 else hashlib.sha256("\n".join(found).encode()).hexdigest()


def _same(values: Sequence[Fact | None]) -> Fact | None:
    """Return the common value of all; None if they differ."""
    return values[0] if len(set(values)) == 1 else None


def _by_scale(records: Sequence[RunRecord], fact: Callable[[RunModel], str | None], *, limit: int) -> str | None:
    """Return a fact of the models as one text of at most `limit` characters: `budget-cpu (×4); more-cpu (×2, ×3)`."""
    scales: dict[str | None, set[int]] = {}
    for record in sorted(records, key=lambda record: record.scale):
        scales.setdefault(fact(record.model) or None, set()).add(record.scale)
    if len(scales) == 1:
        return next(iter(scales))
    text = "; ".join(f"{value or 'not stated'} ({times(sorted(of))})" for value, of in scales.items())
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _run(run: Run) -> PlainRecord:
    facts, stored = run.facts, run.facts.plain()
    return {
        "scale": facts.scale,
        "weights_sha256": facts.model.weights_sha256,
        "images_sha256": facts.model.images_sha256,
        "protocols": stored["protocols"],
        "datasets": {name: _counted(run.scores, name, dataset) for name, dataset in facts.datasets.items()},
        "means": list(dataset_means(table_of(run.scores))),
        "environment": stored["environment"],
        "started": facts.started,
        "seconds": facts.seconds,
        **{name: stored[name] for name in _LATER if stored.get(name) is not None},
    }


_LATER = ("probe", "lr_origins", "metrics", "plugins")
"""Facts of a run that came with schema version 4; older runs lack them."""


def _counted(scores: pd.DataFrame, name: str, dataset: RunDataset) -> PlainRecord:
    return {**dataset.plain(), "n": int(scores.loc[scores["dataset"] == name, "image"].nunique())}


def _table(runs: Sequence[Run], spec: str) -> pa.Table:
    frame = pd.concat([run.scores for run in runs], ignore_index=True)
    return table_of(frame.assign(model=spec))
