"""JSON and CSV of everything that the pages show: the rows of every entry, every mean and every table."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache, partial
from io import StringIO

from leaderboard.addresses import address_safe, model_path
from leaderboard.collection import Collection
from leaderboard.entries import Entry, Group, Mean
from leaderboard.further_metrics import further_metrics
from leaderboard.pages import Page
from leaderboard.ranking import forms
from leaderboard.views import View, views
from srbench.escaping import csv_cell
from srbench.scores import json_number, schema_with
from srbench.submissions import LEVELS
from srbench.submissions.score_rows import metric_names

MEANS = "data/means"
"""The files with the means of all entries, without the suffix."""

METRICS = "data/metrics"
"""The file with the means of all metrics other than PSNR and SSIM, without the suffix."""

METRIC_COLUMNS = (
    "id",
    "scale",
    "protocol",
    "dataset",
    "metric",
    "title",
    "version",
    "direction",
    "known",
    "mean",
    "verification",
)
"""The columns of each mean of a further metric. `verification` is always `claimed`."""

COLUMNS = (
    "id",
    "title",
    "model",
    "date",
    "verification",
    "scale",
    "protocol",
    "dataset",
    "n",
    "n_expected",
    "psnr",
    "ssim",
    "psnr_y_aliased",
    "inputs",
    "canonical_pixels",
    "made_otherwise",
    "parameters",
    "macs",
    "attention",
    "training_data",
    "page",
    "scores",
)
"""The columns of each mean. PSNR is in dB; `page` and `scores` are files of the site."""


def pages(collection: Collection) -> Iterator[Page]:
    """Return files of each entry and each table, the means of all entries, and the list of entries."""
    for entry in collection:
        stem = scores_path(entry.id)
        yield Page(f"{stem}.csv", partial(_scores_csv, entry))
        yield Page(f"{stem}.json", partial(_entry_json, entry))
    for view in views(collection):
        yield from _means(f"data/{view.stem}", _view_means(view))
    yield from _means(MEANS, _all_means(collection))
    yield Page(f"{METRICS}.csv", partial(_metrics_csv, collection))
    yield Page("data/entries.json", partial(_entries_json, collection))


def scores_path(entry_id: str) -> str:
    """Return the path of the files with an entry's rows, without the suffix."""
    return f"data/entries/{address_safe(entry_id)}"


def to_csv(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a CSV file whose text no spreadsheet treats as a formula; None becomes an empty cell."""
    buffer = StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(head)
    writer.writerows([_cell(value) if isinstance(value, str) else value for value in row] for row in rows)
    return buffer.getvalue()


# The same names and hashes occur in many rows and files.
_cell = lru_cache(1 << 16)(csv_cell)


def _scores_csv(entry: Entry) -> str:
    columns = schema_with(metric_names(entry.submission.record)).names
    return to_csv(columns, ([row[name] for name in columns] for row in _rows(entry)))


def _entry_json(entry: Entry) -> str:
    means = [_mean(entry, group) for group in entry.means]
    verification = entry.submission.verification
    further = [dict(zip(METRIC_COLUMNS, line, strict=True)) for line in _metric_lines(entry)]
    facts = {"level": entry.level, "verification": verification.plain() if verification else None, "means": means}
    facts |= {"metrics": further} if further else {}
    return _json({"submission": entry.document, **facts, "scores": list(_rows(entry))})


def _rows(entry: Entry) -> Iterator[dict[str, object]]:
    """Return the rows of the score table with numbers as JSON and CSV write them."""
    for row in entry.submission.rows():
        yield {name: json_number(value) if isinstance(value, float) else value for name, value in row.items()}


def means_csv(collection: Collection) -> str:
    """Return every mean of every entry as CSV, with an empty cell for a missing mean."""
    return _means_csv(_all_means(collection))


def _metrics_csv(collection: Collection) -> str:
    return to_csv(METRIC_COLUMNS, (line for entry in collection for line in _metric_lines(entry)))


def _metric_lines(entry: Entry) -> Iterator[tuple[object, ...]]:
    """Return each mean of the entry's further metrics by `METRIC_COLUMNS`."""
    for one in further_metrics(entry):
        for (scale, protocol, dataset), value in one.means.items():
            facts = one.name, one.title, one.version, one.direction, one.known
            yield (entry.id, scale, protocol, dataset, *facts, json_number(value), LEVELS[0])


def view_csv(view: View) -> str:
    """Return every mean of one scale and protocol as CSV."""
    return _means_csv(_view_means(view))


def _view_means(view: View) -> list[tuple[Entry, Group]]:
    cells = [(entry, view.group(name)) for entry in view.entries for name in view.datasets]
    return [cell for cell in cells if cell[1] in cell[0].means]


def _all_means(collection: Collection) -> list[tuple[Entry, Group]]:
    return [(entry, group) for entry in collection for group in entry.means]


def _means(stem: str, found: list[tuple[Entry, Group]]) -> Iterator[Page]:
    yield Page(f"{stem}.csv", partial(_means_csv, found))
    yield Page(f"{stem}.json", partial(_means_json, found))


def _means_csv(found: list[tuple[Entry, Group]]) -> str:
    return to_csv(COLUMNS, (list(_mean(*one).values()) for one in found))


def _means_json(found: list[tuple[Entry, Group]]) -> str:
    return "[" + ",\n".join(_json(_mean(*one)).strip() for one in found) + "]\n"


def _mean(entry: Entry, group: Group) -> dict[str, object]:
    """Return one mean by `COLUMNS`."""
    scale, protocol, dataset = group
    mean: Mean = entry.means[group]
    training = entry.document["training"]
    values = (
        entry.id,
        entry.title,
        entry.document["model"]["spec"],
        entry.date,
        entry.level,
        scale,
        protocol,
        dataset,
        mean.n,
        mean.n_expected,
        json_number(mean.psnr),
        json_number(mean.ssim),
        json_number(mean.aliased),
        mean.inputs,
        mean.canonical,
        ", ".join(forms(entry, protocol)),
        entry.at("parameters", scale),
        entry.at("macs", scale),
        entry.document["model"]["attention"],
        training["data"] if training else None,
        model_path(entry.id),
        f"{scores_path(entry.id)}.csv",
    )
    return dict(zip(COLUMNS, values, strict=True))


def _entries_json(collection: Collection) -> str:
    return _json(
        [
            {
                "id": entry.id,
                "title": entry.title,
                "date": entry.date,
                "verification": entry.level,
                "page": model_path(entry.id),
                "data": f"{scores_path(entry.id)}.json",
            }
            for entry in collection
        ]
    )


def _json(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"
