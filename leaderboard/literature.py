"""Rows that papers printed, by the id of their source, for tables that show them next to measured scores."""

from __future__ import annotations

import re

from leaderboard.printed_scores import Reported, reported_rows
from srbench.errors import UnknownNameError
from srbench.score_tables.formats import ReportedRow


def source_id(source: str) -> str:
    """Return the id of a source: the arXiv number and the table, else its words in lower case.

    Examples:
        >>> source_id("Wang, Hu, Shen 2021, arXiv:2104.07566, table 1")
        '2104.07566-table-1'
        >>> source_id("sunny2109/SAFMN, figs/efficient_sr.png")
        'sunny2109-safmn-figs-efficient-sr.png'
    """
    name = source.partition("arXiv:")[2] or source
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.")


def literature_rows(asked: str) -> list[ReportedRow]:
    """Return the rows of a source, `ID`, or the rows of one of its networks, `ID:NETWORK`.

    Raises:
        UnknownNameError: no such source or network.
    """
    name, _, network = asked.partition(":")
    found: dict[str, list[Reported]] = {}
    for one in reported_rows():
        found.setdefault(source_id(one.row["source"]), []).append(one)
    if name not in found:
        raise UnknownNameError("source of reported rows", name, found)
    rows = [one for one in found[name] if not network or one.row["network"].lower() == network.lower()]
    if not rows:
        raise UnknownNameError(f"network of {name}", network, {one.row["network"] for one in found[name]})
    return _by_network(rows)


def _by_network(rows: list[Reported]) -> list[ReportedRow]:
    labels: dict[str, list[Reported]] = {}
    for one in rows:
        training = f" (trained on {one.row['training_set']})" if one.row["training_set"] else ""
        labels.setdefault(f"{one.row['network']}{training}", []).append(one)
    return [
        ReportedRow(
            label,
            members[0].row["source"],
            members[0].row["parameters_k"] or "-",
            {(int(one.row["scale"]), one.row["dataset"]): (one.row["psnr"], one.row["ssim"]) for one in members},
        )
        for label, members in labels.items()
    ]
