"""The main tables as LaTeX and Markdown, to be copied into a paper: the files of `srbench leaderboard export`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from leaderboard.collection import Collection
from leaderboard.latex import latex_table, markdown_sections, matched_bases
from leaderboard.pages import Page
from leaderboard.views import views


def pages(collection: Collection) -> Iterator[Page]:
    """Return `data/xSCALE-PROTOCOL.tex` and `.md` for each scale and protocol."""
    bases = matched_bases(collection)
    for view in views(collection):
        yield Page(f"data/{view.stem}.tex", partial(latex_table, collection, [view], bases))
        yield Page(f"data/{view.stem}.md", partial(markdown_sections, collection, [view], bases))
