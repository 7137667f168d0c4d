"""The leaderboard for papers and other tools: LaTeX, Markdown, CSV, and the hub's two formats for results."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

from leaderboard.collection import Collection, collect
from leaderboard.data_files import means_csv
from leaderboard.entries import Mean
from leaderboard.latex import latex_table, markdown_sections, matched_bases
from leaderboard.ranking import forms
from leaderboard.views import views
from srbench.escaping import one_line
from srbench.files import write_atomic
from srbench.modelcard import CardScore, card_head
from srbench.protocols import get_protocol
from srbench.submissions import Problem

HUB_DATASETS = {
    "Set5": "eugenesiow/Set5",
    "Set14": "eugenesiow/Set14",
    "BSD100": "eugenesiow/BSD100",
    "Urban100": "eugenesiow/Urban100",
    "DIV2K": "eugenesiow/Div2k",
}
"""Where the hub keeps each set. None of them declares tasks as a benchmark yet: until one does, its results are shown
on model pages and on no leaderboard."""

Files = Iterator[tuple[str, str]]
"""Paths below the output folder, and what belongs there."""


@dataclass(frozen=True)
class Exported:
    """What an export wrote, and the entries that were left out."""

    files: tuple[Path, ...]
    problems: tuple[Problem, ...]


def export(submissions: Path, output: Path, names: Iterable[str], *, site_url: str = "") -> Exported:
    """Write the leaderboard of a folder of submissions in the formats named (`FORMATS`).

    Args:
        submissions: the folder of the entries.
        output: where the files go.
        names: the formats.
        site_url: the address of the published site; `eval-results` then name the entry's page as their source.

    Raises:
        SubmissionError: no such folder of submissions.
        SrbenchError: an output folder that cannot be written.
    """
    collection = collect(submissions)
    formats: dict[str, Callable[[Collection], Files]] = {
        **FORMATS,
        "eval-results": partial(eval_results_files, site_url=site_url),
    }
    files = {output / path: text for name in names for path, text in formats[name](collection)}
    for path, text in files.items():
        write_atomic(path, text)
    return Exported(tuple(files), collection.problems)


def latex_files(collection: Collection) -> Files:
    """`tables/PROTOCOL.tex`: all scales in the form of the paper's tables."""
    bases = matched_bases(collection)
    for name, group in groupby(views(collection), key=lambda view: view.protocol.name):
        yield f"tables/{name}.tex", latex_table(collection, list(group), bases)


def markdown_files(collection: Collection) -> Files:
    """`tables/PROTOCOL.md`: one table for each scale, models × datasets."""
    bases = matched_bases(collection)
    for name, group in groupby(views(collection), key=lambda view: view.protocol.name):
        yield f"tables/{name}.md", markdown_sections(collection, list(group), bases)


def csv_file(collection: Collection) -> Files:
    """`means.csv`: every mean of every entry, the file that the site has as `data/means.csv`."""
    yield "means.csv", means_csv(collection)


def model_index_files(collection: Collection) -> Files:
    """`model-index/ID.yaml`: the head of a model card, with every mean of the entry that is a finite number."""
    for entry in collection:
        results = [
            CardScore(dataset, scale, protocol, values)
            for (scale, protocol, dataset), mean in entry.means.items()
            if (values := _values(mean, protocol))
        ]
        yield f"model-index/{entry.id}.yaml", card_head(one_line(entry.title), results)


def eval_results_files(collection: Collection, *, site_url: str = "") -> Files:
    """`eval-results/ID/.eval_results/xSCALE-PROTOCOL.yaml`: one item per set and metric, for the sets on the hub.

    `source` is the entry's page of the site at `site_url`; without an address it is left out, as the format asks.
    The format is that of https://github.com/huggingface/hub-docs, eval_results.yaml; JSON's notation is YAML too.
    """
    for entry in collection:
        found: dict[str, list[str]] = {}
        page = f"{site_url.rstrip('/')}/models/{entry.id}.html"
        source = {"source": {"url": page, "name": "srbench leaderboard"}} if site_url else {}
        for (scale, protocol, dataset), mean in entry.means.items():
            for column, value in _values(mean, protocol).items() if dataset in HUB_DATASETS else ():
                task = {"id": HUB_DATASETS[dataset], "task_id": f"x{scale}-{protocol}-{column}"}
                notes = ", ".join(
                    [
                        f"srbench protocol {protocol} v{get_protocol(protocol).version}, ×{scale}",
                        *forms(entry, protocol),
                        f"scores {entry.level}",
                    ]
                )
                item = {"dataset": task, "value": value, "date": entry.date, **source, "notes": notes}
                found.setdefault(f"x{scale}-{protocol}", []).append(f"- {json.dumps(item, ensure_ascii=False)}\n")
        for name, lines in found.items():
            yield f"eval-results/{entry.id}/.eval_results/{name}.yaml", "".join(lines)


FORMATS: Mapping[str, Callable[[Collection], Files]] = {
    "latex": latex_files,
    "markdown": markdown_files,
    "csv": csv_file,
    "model-index": model_index_files,
    "eval-results": eval_results_files,
}
"""Every format by its name on the command line."""


def _values(mean: Mean, protocol: str) -> dict[str, float]:
    """The means by column of the score table; missing and infinite ones are left out."""
    columns = zip(get_protocol(protocol).columns, (mean.psnr, mean.ssim, mean.aliased), strict=False)
    return {column: value for column, value in columns if value is not None and math.isfinite(value)}
