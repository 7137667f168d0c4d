"""A static page that compares upscaled images under a slider; it opens without a server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined


@dataclass(frozen=True)
class ViewImage:
    """One image of the page: its name, the size of its results, and the files of the input and of each model."""

    name: str
    width: int
    height: int
    files: tuple[str, ...]


def view_page(images: Sequence[ViewImage], models: Sequence[str], *, scale: int) -> str:
    """Return the page as HTML. Addresses of images are relative; scripts and styles are inside."""
    text = resources.files(__package__).joinpath("view.html.j2").read_text("utf-8")
    template = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True).from_string(text)
    shown = [
        {"name": one.name, "width": one.width, "height": one.height, "files": [quote(file) for file in one.files]}
        for one in images
    ]
    return template.render(images=shown, sources=["input", *models], scale=scale)
