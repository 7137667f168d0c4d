"""What a page builder yields: a path, what the content depends on, and the content, made only when it is needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Page:
    """One file of the site.

    `path` is relative to the site's root. `inputs` are texts (digests of entries, names, numbers) that the content is
    a function of, besides code and templates: while they stay as they are, `content` is not called and the file stays.
    `content` returns the file: text is written as UTF-8.
    """

    path: str
    inputs: tuple[str, ...]
    content: Callable[[], str | bytes]
