"""What a model page offers to copy: the commands that reproduce an entry, and BibTeX of its paper and of the entry."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterator

from leaderboard.entries import Entry
from srbench.escaping import latex_text
from srbench.protocols import get_protocol


def commands(entry: Entry) -> list[str]:
    """Return one `srbench evaluate` command for each run of the entry, and the one that compares the scores."""
    return [*_evaluations(entry), f"srbench leaderboard check {entry.id} --rerun"]


def bibtex(entry: Entry) -> str:
    """Return BibTeX of the paper, if the entry names one, and of the entry."""
    return "\n\n".join(filter(None, (_paper(entry), _entry(entry))))


def _evaluations(entry: Entry) -> Iterator[str]:
    options = entry.record.options
    flags = []
    if options.precision != "fp32":
        flags += ["--precision", options.precision]
    if options.tile is not None:
        flags += ["--tile", str(options.tile)]
    if options.self_ensemble:
        flags.append("--self-ensemble")
    if options.lr_source != "made":
        flags += ["--lr", options.lr_source]
    runs: Counter[int] = Counter()
    for run in sorted(entry.record.runs, key=lambda one: one.scale):
        sets = [word for name in run.datasets for word in ("--dataset", name)]
        protocols = [word for name in run.protocols for word in ("--protocol", name)]
        runs[run.scale] += 1
        number = f"-{runs[run.scale]}" if runs[run.scale] > 1 else ""  # a folder holds one run
        place = ["--output", f"runs/{entry.id}-x{run.scale}{number}"]
        words = ["srbench", "evaluate", "--model", entry.record.model.spec, "--scale", str(run.scale)]
        yield shlex.join([*words, *sets, *protocols, *flags, *place])


def _paper(entry: Entry) -> str:
    paper = entry.record.paper
    if paper is None:
        return ""
    from_authors = entry.record.model.tag != "srbench" and entry.record.authors
    arxiv = re.search(r"arxiv\.org/abs/(\d{4}\.\d{4,5})", paper.url or "")
    fields = {
        "title": f"{{{latex_text(paper.title)}}}",
        "author": latex_text(" and ".join(entry.record.authors)) if from_authors else "",
        "year": str(paper.year or ""),
        "eprint": arxiv[1] if arxiv else "",
        "archiveprefix": "arXiv" if arxiv else "",
        "url": paper.url or "",
    }
    return _item("article", _key(entry.record.model.network or entry.id, paper.year), fields)


def _entry(entry: Entry) -> str:
    names = {protocol for _, protocol, _ in entry.means}
    protocols = ", ".join(f"{name} v{get_protocol(name).version}" for name in sorted(names))
    fields = {
        "title": f"{{{latex_text(entry.title)}: scores on the srbench leaderboard}}",
        "author": latex_text(" and ".join(entry.record.authors)),
        "year": entry.date[:4],
        "note": latex_text(f"entry {entry.id} of {entry.date}, {protocols}, sha256 {entry.record.scores_sha256[:16]}"),
    }
    return _item("misc", f"srbench-{entry.id}", fields)


def _item(kind: str, key: str, fields: dict[str, str]) -> str:
    lines = [f"  {name} = {{{text}}}," for name, text in fields.items() if text]
    return "\n".join([f"@{kind}{{{key},", *lines, "}"])


def _key(name: str, year: int | None) -> str:
    return re.sub(r"[^a-z0-9-]", "", name.lower()) + str(year or "")
