"""Making a submission from finished runs."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from operator import itemgetter
from pathlib import Path, PureWindowsPath
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from srbench.errors import SubmissionError
from srbench.files import explain, sha256_of, write_atomic
from srbench.scores import SCHEMA, SCORES_NAME, Run
from srbench.spec_paths import looks_like_path
from srbench.submissions.about import complete_about
from srbench.submissions.entry import DOCUMENT_NAME, VERIFICATION_NAME, read_submission, require_known_files
from srbench.submissions.rows import check_rows, dataset_means
from srbench.submissions.samples import SAMPLES_NAME, check_sample, read_samples
from srbench.submissions.schema import (
    ENVIRONMENT,
    ID,
    MODEL_NAME,
    MODEL_SOURCE,
    MODEL_SPEC,
    SCHEMA_VERSION,
    SUBMISSION,
    TRAINING_FACT,
)
from srbench.zoo.catalogue import TAGS, times

_PATH_KINDS = ("images", "onnx", "spandrel")
_OPTIONS = ("precision", "tile", "self_ensemble", "optimise", "lr_source")


@dataclass(frozen=True)
class Draft:
    """A submission before it is written: its document without `scores_sha256`, and its table."""

    document: dict[str, Any]
    table: pa.Table


def draft_submission(
    runs: Sequence[Run], *, id: str, about: Mapping[str, Any] | None = None, model: Mapping[str, Any] | None = None
) -> Draft:
    """A submission of one model from its finished runs.

    Args:
        runs: at least one; of one model and one set of options, over any scales, datasets and protocols.
        id: the entry's name.
        about: fields that the author writes (title, authors, paper, code, license, date, training, runtime, claims,
            footnotes); missing ones are filled with what the runs say, or with nothing. Runs of a folder of images
            need a title.
        model: fields of `model` beyond what the runs say (name, network, attention, tag, parameters and macs by scale).

    Raises:
        SubmissionError: incomplete sets, unlike models, weights or options, or a field that the schema refuses.
    """
    ID.check(id, "--id")
    records = [run.record for run in runs]
    spec = spec_of(records)
    options = {name: _only(records, name, itemgetter(name)) for name in _OPTIONS}
    said = complete_about(about or {}, "about")
    facts = {**_model(records, spec), **(model or {})}
    if spec.startswith("images:"):
        facts["name"] = _title_of_images(said)
    facts["name"] = facts["name"][:MODEL_NAME].rstrip()
    document = {
        "schema_version": SCHEMA_VERSION,
        "id": id,
        **_about(said, records, facts["name"]),
        "model": facts,
        "options": options,
        "runs": [_run(run) for run in runs],
        "scores_sha256": "0" * 64,
    }
    ordered = {name: document[name] for name in SUBMISSION.fields}
    SUBMISSION.check(ordered, DOCUMENT_NAME)
    table = _table(runs, facts["spec"])
    check_rows(table, ordered)
    return Draft(ordered, table)


def write_submission(root: Path, draft: Draft, *, samples: Path | None = None) -> Path:
    """Write the draft as `root/ID`; `samples` is a folder of SR crops to come along.

    An entry of that name is replaced as a whole, samples included: they are of another model, or of other scores. The
    new one is made beside it and read back first, so that until then the old one stays as it is.

    Raises:
        SubmissionError: an entry of that name that is verified or holds other files, samples that are not taken, or a
            folder that cannot be written.
    """
    folder = root / str(draft.document["id"])
    _require_replaceable(folder)
    pictures = read_samples(samples) if samples else {}
    for name, data in pictures.items():
        check_sample(data, name)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{folder.name}.", dir=root, ignore_cleanup_errors=True) as scratch:
            new = Path(scratch, folder.name)
            _write(new, draft, pictures)
            read_submission(new, verified={})
            _move(new, folder, Path(f"{scratch}.old"))
    except OSError as error:
        raise SubmissionError(explain(error, folder)) from error
    return folder


def spec_of(records: Sequence[Mapping[str, Any]]) -> str:
    """The public spec of the one model of some runs: `onnx:net_x2.onnx + net_x4.onnx` where each scale has its file.

    Files and folders of images may have any names, since weights of one scale have to be the same bytes anyhow; kinds,
    networks and all else may not differ. Raises SubmissionError where they do.
    """
    specs = [record["model"]["spec"] for record in sorted(records, key=itemgetter("scale"))]
    if len({_apart_from_files(spec) for spec in specs}) != 1:
        _only(records, "model spec", lambda record: record["model"]["spec"])
    first, *others = dict.fromkeys(map(public_spec, specs))
    start = _apart_from_files(first)
    joined = " + ".join([first, *(other.removeprefix(start) for other in others)])
    return joined if len(joined) <= MODEL_SPEC else first


def public_spec(spec: str) -> str:
    """A model spec without the folders of the machine it ran on: `onnx:/home/me/net.onnx` is `onnx:net.onnx`."""
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


def _apart_from_files(spec: str) -> str:
    """What of a spec is not the name of a file or folder: `onnx:`, `zoo:imdn@`, or all of `zoo:imdn@authors`."""
    kind, _, rest = spec.partition(":")
    name, at, tag = rest.partition("@")
    if kind in _PATH_KINDS:
        return f"{kind}:"
    if kind == "python":
        return public_spec(spec)
    return f"zoo:{name}@" if kind == "zoo" and at and tag not in TAGS else spec


def _require_replaceable(folder: Path) -> None:
    """Whatever `srbench submit` did not write is not removed by it either."""
    if not os.path.lexists(folder):
        return
    if folder.is_symlink() or not folder.is_dir():
        raise SubmissionError(f"{folder}: expected a folder or nothing, got a link or a file; choose another --id")
    if os.path.lexists(folder / VERIFICATION_NAME):
        raise SubmissionError(
            f"{folder}: expected a new entry, got one with {VERIFICATION_NAME}; a submission may not "
            "bring its own: remove the folder, or choose another --id"
        )
    try:
        require_known_files(folder)
    except SubmissionError as error:
        raise SubmissionError(f"{folder}: {error}; remove the folder, or choose another --id") from error


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
    """Put the new entry into its place; an old one is set aside, and comes back where that fails."""
    had = folder.exists()
    if had:
        folder.rename(aside)
    try:
        new.rename(folder)
    except OSError:
        if had:
            aside.rename(folder)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _only(records: Sequence[Mapping[str, Any]], name: str, value: Any) -> Any:
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


def _model(records: Sequence[Mapping[str, Any]], spec: str) -> dict[str, Any]:
    first = records[0]["model"]
    source = _by_scale(records, "source", limit=MODEL_SOURCE)
    parameters = {str(record["scale"]): record["model"].get("parameters") for record in records}
    known = {scale: count for scale, count in parameters.items() if count is not None}
    return {
        "spec": spec,
        "name": spec,
        "network": None,
        "attention": None,
        "tag": None,
        "parameters": known or None,
        "macs": None,
        "source": source,
        "weights_licence": first.get("licence"),
    }


def _about(given: Mapping[str, Any], records: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any]:
    filled: dict[str, Any] = {
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
    return {**filled, **given}


def _title_of_images(about: Mapping[str, Any]) -> str:
    """What the author calls the model whose images were scored: the folder that they lay in has any name."""
    if "title" not in about:
        raise SubmissionError(
            "title: expected one, since the name of a folder of images says nothing of the model "
            "that made them; give --title, or title in the file of --about"
        )
    return str(about["title"])


def _training(records: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """What the records say of the training; data and recipe that differ by scale are told of each, other facts not.

    Recipes that differ have one hash together: two entries of which it is equal have equal recipes at every scale.
    """
    if (data := _by_scale(records, "training_data", limit=TRAINING_FACT)) is None:
        return None
    fields = {
        "recipe_sha256": "recipe_sha256",
        "fingerprint": "training_fingerprint",
        "steps": "steps",
        "seed": "seed",
        "tag": "tag",
    }
    values = {field: {json.dumps(record["model"].get(key)) for record in records} for field, key in fields.items()}
    same = {field: json.loads(found.pop()) if len(found) == 1 else None for field, found in values.items()}
    recipes = {record["scale"]: record["model"].get("recipe_sha256") for record in records}
    if same["recipe_sha256"] is None and all(recipes.values()):
        listing = "\n".join(f"x{scale} {sha256}" for scale, sha256 in sorted(recipes.items()))
        same["recipe_sha256"] = hashlib.sha256(listing.encode()).hexdigest()
    forms = {record["model"].get("form") for record in records}
    form = {"form": forms.pop()} if len(forms) == 1 and None not in forms else {}
    return {"data": data, "recipe": _by_scale(records, "recipe", limit=TRAINING_FACT), **same, **form}


def _by_scale(records: Sequence[Mapping[str, Any]], key: str, *, limit: int) -> str | None:
    """A fact of the models as one text of at most `limit` characters: `budget-cpu (×4); more-cpu (×2, ×3)`."""
    scales: dict[str | None, set[int]] = {}
    for record in sorted(records, key=itemgetter("scale")):
        scales.setdefault(record["model"].get(key) or None, set()).add(record["scale"])
    if len(scales) == 1:
        return next(iter(scales))
    text = "; ".join(f"{value or 'not stated'} ({times(sorted(of))})" for value, of in scales.items())
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _run(run: Run) -> dict[str, Any]:
    record = run.record
    environment = record["environment"]
    return {
        "scale": record["scale"],
        "weights_sha256": record["model"]["weights_sha256"],
        "images_sha256": record["model"].get("images_sha256"),
        "protocols": record["protocols"],
        "datasets": {name: _counted(run.scores, name, facts) for name, facts in record["datasets"].items()},
        "means": dataset_means(pa.Table.from_pandas(run.scores, schema=SCHEMA, preserve_index=False)),
        "environment": {name: environment.get(name) for name in ENVIRONMENT.fields},
        "started": record["started"],
        "seconds": record["seconds"],
    }


def _counted(scores: pd.DataFrame, dataset: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    return {**facts, "n": int(scores.loc[scores["dataset"] == dataset, "image"].nunique())}


def _table(runs: Sequence[Run], spec: str) -> pa.Table:
    frame = pd.concat([run.scores for run in runs], ignore_index=True)
    return pa.Table.from_pandas(frame.assign(model=spec), schema=SCHEMA, preserve_index=False)
