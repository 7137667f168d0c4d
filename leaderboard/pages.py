"""The output of a page builder: the path and the content of a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Page:
    """One file of the site.

    `path` is relative to the site's root. `content` returns the file when it is written: text is encoded as UTF-8.
    """

    path: str
    content: Callable[[], str | bytes]
