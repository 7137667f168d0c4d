"""Tables in the form that papers print: models × datasets, with a variant's differences to its base."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from leaderboard.boards import all_boards, make_board
from leaderboard.collection import Collection
from leaderboard.entries import Entry, Mean
from leaderboard.matching import matched_pairs
from leaderboard.ranking import METRICS, TIE, apart, of_other_inputs, rank, reference_inputs
from leaderboard.views import View
from srbench.escaping import latex_text, markdown_table, markdown_text
from srbench.score_tables.cells import change, fixed
from srbench.score_tables.formats import latex_marked, latex_tabular
from srbench.statistics import MIN_IMAGES

Bases = Mapping[str, Entry]
"""By a variant's id, the entry that differs from it in the attention alone."""

Number = tuple[str, str]
"""A score as printed, and its difference to the base's as `↑0.03`, empty where there is no base."""

References = Mapping[str, str | None]
"""By dataset, the inputs that a view ranks its entries on."""

_LEGEND = "↑ and ↓: against a base that was trained alike. ‡: other pixels or LR than the ranked ones, so not ranked."


def matched_bases(collection: Collection) -> Bases:
    """Return for each variant the base that was trained equally; the first one if there are several."""
    found: dict[str, Entry] = {}
    for pairs in matched_pairs(collection).values():
        for pair in pairs:
            found.setdefault(pair.variant.id, pair.base)
    return found


def latex_table(collection: Collection, tables: Sequence[View], bases: Bases) -> str:
    r"""Return a LaTeX `tabular` (booktabs) of the views of one protocol, one part for each scale; text is escaped.

    The best are bold and the second best underlined, by the rule of the site's main tables.
    """
    protocol = tables[0].protocol
    datasets = list(dict.fromkeys(dataset for view in tables for dataset in view.datasets))
    head = ["Scale", "Model", "Params (K)", *map(latex_text, datasets)]
    comments = [
        f"{protocol.name} v{protocol.version}: {protocol.summary}. PSNR in dB / SSIM.",
        r"Needs \usepackage{booktabs}.",
        "Bold: the highest mean, all that are not significantly below it (Wilcoxon, Holm), and means between these; "
        "underlined: the next.",
        f"Means within {TIE[0]:g} dB or {TIE[1]:g} SSIM are equal; only that counts below {MIN_IMAGES} images.",
        _LEGEND,
    ]
    groups = [[*_latex_rows(collection, view, datasets, bases)] for view in tables]
    return latex_tabular(head, groups, comments=comments)


def markdown_sections(collection: Collection, tables: Sequence[View], bases: Bases) -> str:
    """A section with a table for each view of one protocol."""
    protocol = tables[0].protocol
    parts = [f"# {markdown_text(protocol.name)}", markdown_text(f"{protocol.summary}. PSNR in dB / SSIM. {_LEGEND}")]
    for view in tables:
        names, references = _names(view), _references(view)
        rows = [
            [
                names[entry.id],
                _thousands(entry, view),
                *(
                    " / ".join(map(_markdown_number, _numbers(view, entry, dataset, bases, references)))
                    for dataset in view.datasets
                ),
            ]
            for entry in _rows(collection, view, bases)
        ]
        parts += [f"## ×{view.scale}", markdown_table(["model", "parameters (K)", *view.datasets], rows)]
    return "\n\n".join(parts) + "\n"


def _markdown_number(number: Number) -> str:
    value, difference = number
    return f"{value} ({difference})" if difference else value


def _latex_rows(collection: Collection, view: View, datasets: Sequence[str], bases: Bases) -> Iterator[list[str]]:
    marks = {
        dataset: [rank(collection, view.entries, view.group(dataset), metric) for metric in range(len(METRICS))]
        for dataset in view.datasets
    }
    names, references = _names(view), _references(view)
    for entry in _rows(collection, view, bases):
        parameters = _thousands(entry, view).replace(",", r"\,")
        cells = [rf"$\times${view.scale}", latex_text(names[entry.id]), parameters]
        for dataset in datasets:
            numbers = _numbers(view, entry, dataset, bases, references)
            styled = [
                latex_marked(*number, marked.get(entry.id))
                for marked, number in zip(marks.get(dataset, [{}, {}]), numbers, strict=False)
            ]
            cells.append(" / ".join(styled))
        yield cells


def _references(view: View) -> References:
    return {dataset: reference_inputs(view.entries, view.group(dataset)) for dataset in view.datasets}


def _numbers(view: View, entry: Entry, dataset: str, bases: Bases, references: References) -> list[Number]:
    """PSNR and SSIM of a cell; one dash where there is no mean."""
    group = view.group(dataset)
    mean = entry.means.get(group)
    if mean is None or mean.psnr is None:
        return [("-", "")]
    base = bases[entry.id].means.get(group) if entry.id in bases else None
    alike: Mean | None = base if base and base.inputs == mean.inputs else None
    other = "‡" if of_other_inputs(mean, references[dataset]) else ""
    return [
        (fixed(mean.psnr, 2) + other, change(mean.psnr, alike.psnr if alike else None, 2)),
        (fixed(mean.ssim, 4) + other, change(mean.ssim, alike.ssim if alike else None, 4)),
    ]


def _rows(collection: Collection, view: View, bases: Bases) -> list[Entry]:
    """Return the rows in the order of the main table, with each variant directly below its base."""
    rows = _in_order(collection, view)
    shown = {entry.id for entry in rows}
    below = [entry for entry in rows if entry.id in bases and bases[entry.id].id in shown]
    found: list[Entry] = []
    for entry in rows:
        if entry not in below:
            found += [entry, *(variant for variant in below if bases[variant.id].id == entry.id)]
    return found


def _in_order(collection: Collection, view: View) -> list[Entry]:
    """Return the entries of a view in the order of its main table."""
    board = next((one for one in all_boards(collection) if one.path == view.path), None)
    return [line.entry for line in (board or make_board(collection, view)).lines]


def _names(view: View) -> dict[str, str]:
    """Return the title of each entry by its id, with the reason if it is not ranked."""
    words = apart(view.entries, view.protocol.name)
    return {entry.id: ", ".join([entry.title, *words[entry.id]]) for entry in view.entries}


def _thousands(entry: Entry, view: View) -> str:
    parameters = entry.at("parameters", view.scale)
    return "-" if parameters is None else f"{parameters / 1000:,.0f}"
