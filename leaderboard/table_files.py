"""Write the main tables as LaTeX and Markdown with BibTeX of their entries, to copy into a paper.

The same texts are the files of `srbench leaderboard export`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial

from leaderboard.citing import bibtex
from leaderboard.collection import Collection
from leaderboard.data_files import view_csv
from leaderboard.latex import Bases, latex_table, markdown_sections, matched_bases
from leaderboard.pages import Page
from leaderboard.views import View, views


def pages(collection: Collection) -> Iterator[Page]:
    """Return `data/xSCALE-PROTOCOL` as `.tex`, `.md` and `.bib`, and as a script for the buttons that copy them."""
    bases = matched_bases(collection)
    for view in views(collection):
        stem = f"data/{view.stem}"
        yield Page(f"{stem}.tex", partial(latex_table, collection, [view], bases))
        yield Page(f"{stem}.md", partial(markdown_sections, collection, [view], bases))
        yield Page(f"{stem}.bib", partial(_bibtex, view))
        yield Page(copy_path(view), partial(_script, collection, view, bases))


def copy_path(view: View) -> str:
    """Return the path of the script with the texts that the buttons of a main table copy."""
    return f"data/{view.stem}.copy.js"


def _bibtex(view: View) -> str:
    """Return BibTeX of all entries of a view, without repetitions."""
    items = [item for entry in view.entries for item in bibtex(entry).split("\n\n")]
    return "\n\n".join(dict.fromkeys(items)) + "\n"


def _script(collection: Collection, view: View, bases: Bases) -> str:
    texts = {
        "LaTeX": latex_table(collection, [view], bases),
        "Markdown": markdown_sections(collection, [view], bases),
        "CSV": view_csv(view),
        "BibTeX": _bibtex(view),
    }
    return f"srbenchCopy({json.dumps(texts)});\n"
