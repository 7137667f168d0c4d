"""The scores of an evaluation as a text table and as CSV."""

from __future__ import annotations

import csv
import html
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from srbench.errors import counted, listed
from srbench.metrics.metric_entries import METRICS
from srbench.scores import Record
from srbench.summaries import DatasetSummary, ProtocolSummary
from srbench.tables import text_table
from srbench.upscalers.adapters import describe_adapters

_ALIASED = "aliased: PSNR dB where the HR holds texture above the LR's Nyquist limit (psnr_y_aliased, version 1)"


@dataclass(frozen=True)
class ScoreTable:
    """PSNR / SSIM of each dataset, a column per protocol, and how they were made."""

    title: str
    header: list[str]
    rows: list[list[str]]
    notes: list[str]

    @classmethod
    def of(cls, documents: list[ProtocolSummary]) -> ScoreTable:
        """Return the table of one run: its summaries under each protocol."""
        metrics = further_metrics(documents)
        shared = {
            title: (document, name)
            for name in (*metrics, "psnr_lr")
            for title, document in _distinct(documents, name, metrics.get(name, name)).items()
        }
        header = ["dataset", "images", *(title for document in documents for title in _titles(document)), *shared]
        rows = [
            [
                name,
                _coverage(facts),
                *(cell for document in documents for cell in _cells(document, name)),
                *(metric_cell(document.datasets[name], column) for document, column in shared.values()),
            ]
            for name, facts in documents[0].datasets.items()
        ]
        notes = [*map(_provenance, documents), *map(_described, metrics)]
        notes += [_ALIASED] if any(map(_has_aliased, documents)) else []
        notes += [note for document in documents for note in _notes_on_means(document)]
        return cls(_title(documents[0]), header, rows, notes)

    def text(self) -> str:
        """Return the table as plain text."""
        return "\n".join([self.title, "", text_table(self.header, self.rows, rule=True), "", *self.notes])

    def html(self) -> str:
        """Return the table as HTML; every text in it is escaped."""
        lines = [("th", self.header), *(("td", row) for row in self.rows)]
        cells = (f"<tr>{''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in line)}</tr>" for tag, line in lines)
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in self.notes)
        return f"<p>{html.escape(self.title)}</p><table>{''.join(cells)}</table>{notes}"


def random_warning(record: Record) -> list[str]:
    """Return a warning if the model is not deterministic; empty otherwise."""
    if record.get("probe", {"deterministic": True})["deterministic"]:
        return []
    return [
        f"{record['model']['spec']} gives another output each time it runs: its scores do not repeat exactly, and the "
        "run resumes only with --accept-random"
    ]


def score_warnings(documents: list[ProtocolSummary]) -> list[str]:
    """Return each warning on missing images, and on the SR images of a dataset, once."""
    gaps = [_gap(name, facts) for name, facts in documents[0].datasets.items() if facts.n != facts.n_expected]
    lines = [
        f"{name}: {warning}"
        for document in documents
        for name, facts in document.datasets.items()
        for warning in facts.warnings
    ]
    return [*gaps, *dict.fromkeys(lines)]


def _gap(name: str, facts: DatasetSummary) -> str:
    count = f"{facts.n} of" if facts.n < facts.n_expected else f"{facts.n} instead of"
    return f"{name} has {count} {facts.n_expected} images here: no means are given, since they could not be compared"


def score_csv(documents: list[ProtocolSummary]) -> str:
    """Return CSV with one line per dataset and protocol; a missing mean is an empty cell."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    first = ["model", "scale", "protocol", "dataset", "n", "n_expected", "psnr", "ssim"]
    further = ["psnr_y_aliased", "psnr_lr", *further_metrics(documents)]
    writer.writerow([*first, *further])
    for document in documents:
        for name, facts in document.datasets.items():
            psnr, ssim = _scores(facts)
            writer.writerow(
                [
                    document.model,
                    document.scale,
                    document.protocol,
                    name,
                    facts.n,
                    facts.n_expected,
                    psnr,
                    ssim,
                    *(facts.means.get(column) for column in further),
                ]
            )
    return buffer.getvalue().rstrip("\n")


def score_cells(facts: DatasetSummary) -> tuple[str, str]:
    """Return how many images of a dataset were scored, and PSNR / SSIM, as cells of a table."""
    psnr, ssim = _scores(facts)
    mark = "*" if _marked(facts, "psnr_y") or _marked(facts, "psnr_rgb") else ""
    other = "*" if _marked(facts, "ssim_y") or _marked(facts, "ssim_rgb") else ""
    return _coverage(facts), f"{_number(psnr, 3)}{mark} / {_number(ssim, 4)}{other}"


def further_metrics(documents: Iterable[ProtocolSummary]) -> dict[str, str]:
    """Return the titles, by name, of the metrics that the runs have in addition to the protocols' scores."""
    names = dict.fromkeys(name for document in documents for name in document.record.get("metrics", {}))
    return {name: METRICS[name].title if name in METRICS else name for name in names}


def metric_cell(facts: DatasetSummary, column: str) -> str:
    """Return the mean of one metric as a cell; "-" where there is none."""
    digits = METRICS[column].digits if column in METRICS and not METRICS[column].from_protocol else 3
    return f"{_number(facts.means.get(column), digits)}{'*' if _marked(facts, column) else ''}"


def _described(name: str) -> str:
    if name not in METRICS:
        return f"{name}: a metric that this srbench does not know"
    metric = METRICS[name]
    return f"{metric.title}: {name}, version {metric.version}, {metric.direction} is better; {metric.convention}"


def _marked(facts: DatasetSummary, column: str) -> bool:
    """Return whether a note gives the mean of this column without some images."""
    return column in facts.finite_means


def _notes_on_means(document: ProtocolSummary) -> Iterator[str]:
    """Name the images with infinite or missing scores, and give the mean of the others."""
    for dataset, facts in document.datasets.items():
        for column, others in facts.finite_means.items():
            kinds = {"infinite": others.infinite, "missing": others.missing}
            left_out = [f"{kind} for {listed(names, 5)}" for kind, names in kinds.items() if names]
            digits = 4 if column.startswith("ssim") else 3
            yield (
                f"* {dataset}, {document.protocol}: {column} is {' and '.join(left_out)}; "
                f"mean of the other {counted(others.n, 'image')}: {others.mean:.{digits}f}"
            )


def _title(document: ProtocolSummary) -> str:
    model = document.record["model"]
    facts = [f"{document.model} ×{document.scale}"]
    if model.get("weights_file"):
        facts.append(f"weights {model['weights_file']} (sha256 {model['weights_sha256'][:12]}…)")
    if model.get("training_data"):  # records that other programs wrote may lack this value
        facts.append(f"trained on {model['training_data']}")
    if model.get("recipe"):
        facts.append(f"recipe {model['recipe']} ({model.get('steps', '?')} steps, seed {model.get('seed', '?')})")
    if model.get("input_size"):
        sides = "×".join(str(side or "any") for side in model["input_size"])
        facts.append(f"in tiles of {sides}, the size of its input")
    facts += describe_adapters(document.record.get("adapters", {}))
    return ", ".join(facts)


def _coverage(facts: DatasetSummary) -> str:
    return str(facts.n) if facts.n == facts.n_expected else f"{facts.n} of {facts.n_expected}"


def _scores(facts: DatasetSummary) -> tuple[float | None, float | None]:
    return (
        next(value for name, value in facts.means.items() if name.startswith("psnr")),
        next(value for name, value in facts.means.items() if name.startswith("ssim")),
    )


def _titles(document: ProtocolSummary) -> list[str]:
    name = document.protocol
    return [name, f"{name} aliased"] if _has_aliased(document) else [name]


def _cells(document: ProtocolSummary, dataset: str) -> list[str]:
    facts = document.datasets[dataset]
    both = score_cells(facts)[1]
    return [both, metric_cell(facts, "psnr_y_aliased")] if _has_aliased(document) else [both]


def _distinct(documents: list[ProtocolSummary], column: str, title: str) -> dict[str, ProtocolSummary]:
    """Return one document for each different set of means, by column title: protocols with the same LR share their
    means.
    """
    found: dict[tuple[float | None, ...], ProtocolSummary] = {}
    for document in documents:
        found.setdefault(tuple(facts.means[column] for facts in document.datasets.values()), document)
    if len(found) == 1:
        return {title: documents[0]}
    return {f"{document.protocol} {title}": document for document in found.values()}


def _has_aliased(document: ProtocolSummary) -> bool:
    return any("psnr_y_aliased" in facts.means for facts in document.datasets.values())


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _provenance(document: ProtocolSummary) -> str:
    record = document.record
    protocol = record["protocols"][document.protocol]
    extras = [f"tile {record['tile']}"] if record["tile"] else []
    extras += ["self-ensemble"] if record["self_ensemble"] else []
    extras += [f"inference: {record['optimise']}"] if record["optimise"] != "none" else []
    extras += [record["precision"]] if record["precision"] != "fp32" else []
    return (
        f"PSNR dB / SSIM under {document.protocol} v{protocol['version']} ({protocol['summary']}); "
        f"LR {protocol['lr_source']}{_origins(record, protocol['lr_source'])}"
        + "".join(f"; {extra}" for extra in extras)
    )


def _origins(record: Record, source: str) -> str:
    """Name the origins of the LR files, with the number of images if there are several origins."""
    counts: Counter[str] = Counter()
    for found in record.get("lr_origins", {}).values() if source != "made" else ():
        counts.update(found)
    kinds = [f"{kind}: {counted(n, 'image')}" if len(counts) > 1 else kind for kind, n in counts.most_common()]
    return f" ({'; '.join(kinds)})" if kinds else ""
