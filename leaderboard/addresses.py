"""The path of each page relative to the root of the site, and links from one page to another."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import quote, urlsplit

INDEX = "index.html"


def address_safe(name: str) -> str:
    """Return a name as part of a path; characters other than letters, digits, `-`, `.` and `_` are percent-encoded.

    Different names stay different. No result is `.`, `..` or hidden, or contains a slash. The name of the file has
    percent signs, so `link` codes them again.
    """
    coded = quote(name, safe="")
    return f"%2E{coded[1:]}" if coded.startswith(".") else coded


def table_path(scale: int, protocol: str, page: int = 1, family: str = "") -> str:
    """Return the main table of a scale, protocol and group of entries; page 1 has no number."""
    name = "-".join(filter(None, (address_safe(protocol), family, "" if page == 1 else str(page))))
    return f"x{scale}/{name}.html"


def model_path(entry_id: str) -> str:
    """Return the path of the page of an entry."""
    return f"models/{address_safe(entry_id)}.html"


def dataset_path(name: str) -> str:
    """Return the path of the page of a dataset."""
    return f"datasets/{address_safe(name)}.html"


def protocol_path(name: str) -> str:
    """Return the path of the page of a protocol."""
    return f"protocols/{address_safe(name)}.html"


def scores_anchor(scale: int, protocol: str, dataset: str) -> str:
    """Return the HTML id of a dataset's per-image scores on a model page. Means link to it."""
    return f"x{scale}-{protocol}-{address_safe(dataset)}".replace("%", "_")


def link(path: str, *, root: str = "", anchor: str = "") -> str:
    """Return the address of a page of this site, relative to a page; `root` leads from that page to the site's root."""
    return root + _coded(path) + (f"#{anchor}" if anchor else "")


@lru_cache(1 << 14)
def _coded(path: str) -> str:
    return quote(path, safe="/-._~")


def way_up(path: str) -> str:
    """Return the way from a page to the root of the site: `../` for each folder."""
    return "../" * path.count("/")


def web_address(text: object) -> str:
    """Return an http or https address unchanged, and an empty string for anything else, such as `javascript:`."""
    if not isinstance(text, str) or any(character.isspace() or ord(character) < 32 for character in text):
        return ""
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    return text if parts.scheme in ("http", "https") and parts.netloc else ""
