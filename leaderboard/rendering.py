"""Render templates as HTML: one Jinja2 environment that escapes all text and refuses undefined names."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from functools import cache, partial
from importlib import metadata
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from leaderboard.addresses import (
    dataset_path,
    link,
    model_path,
    protocol_path,
    scores_anchor,
    table_path,
    way_up,
    web_address,
)
from srbench.errors import counted
from srbench.statistics import p_text

MISSING = "–"
"""What is shown where there is no number."""

LEVELS = {
    "model-rerun": "re-run",
    "images-rescored": "re-scored",
    "claimed": "claimed",
}
"""The word for each verification level, the strongest first."""

LEVEL_MEANINGS = {
    "model-rerun": "srbench ran the weights again and got these scores",
    "images-rescored": "srbench scored the submitted images again",
    "claimed": "not checked, so not ranked with verified ones: the scores are the submitter's own",
}
"""What each verification level means, for titles and legends."""

NAVIGATION: list[tuple[str, str]] = [
    ("Ranking", "index.html"),
    ("Does BAM help?", "bam.html"),
    ("Gallery", "gallery.html"),
    ("Compare", "compare.html"),
    ("Charts", "charts/index.html"),
    ("Papers", "papers/index.html"),
    ("Studies", "studies/index.html"),
    ("Datasets", "datasets/index.html"),
    ("Protocols", "protocols/index.html"),
    ("Submit", "submit.html"),
    ("About", "about.html"),
]
"""The main menu: label and address from the root. Each must exist for every build."""


SOCIAL_CARD = "static/card.png"
"""The picture for links to the site; it exists where the site's address is known."""

NOT_FOUND = "404.html"
"""The page that a host shows for wrong addresses."""


@dataclass(frozen=True)
class SiteLinks:
    """Addresses outside the site that its pages link to. Links with an empty address are left out.

    `address` is that of the site itself, for canonical links: they end in a page's path. `commit` is the commit of the
    entries: see `leaderboard.data_commit.commit_of`.
    """

    repository: str = ""
    docs: str = ""
    address: str = ""
    commit: str = ""


def _version() -> str:
    try:
        return metadata.version("sisr-bench")
    except metadata.PackageNotFoundError:
        return "of a source tree"


@dataclass
class SiteFacts:
    """Facts about the build that every page prints: the date of the newest entry (empty without entries), and links."""

    date: str = ""
    links: SiteLinks = field(default_factory=SiteLinks)
    version: str = field(default_factory=_version)


SITE = SiteFacts()
"""The facts of the build that is being made."""


@cache
def environment() -> Environment:
    """Return the Jinja2 environment: autoescape for every template, StrictUndefined, the templates of this package."""
    # select_autoescape does not escape *.html.j2, so escaping is switched on for all templates.
    made = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters.update(
        db=db,
        db2=db2,
        short_data=short_data,
        signed=signed,
        p_text=partial(p_text, missing=MISSING),
        code=with_code,
        words=command_words,
        similarity=similarity,
        thousands=thousands,
        count=counted,
        web=web_address,
        markup=Markup,
    )
    made.globals.update(
        link=link,
        model_path=model_path,
        dataset_path=dataset_path,
        protocol_path=protocol_path,
        table_path=table_path,
        scores_anchor=scores_anchor,
        levels=LEVELS,
        level_meanings=LEVEL_MEANINGS,
        navigation=NAVIGATION,
        site=SITE,
        social_card=SOCIAL_CARD,
    )
    return made


def render(template: str, *, path: str, **context: object) -> str:
    """Return the HTML of a page at `path`.

    Templates get `path`, `root` (the way up, to be put before every local address), `page_address` (the complete
    address, empty if the site's address is not known) and the context.
    """
    return (
        environment()
        .get_template(template)
        .render(path=path, root=_root(path), page_address=_page_address(path), **context)
    )


def _root(path: str) -> str:
    """Return the relative path to the root.

    The page for wrong addresses gets the site's address: it is shown at any depth.
    """
    address = SITE.links.address
    return f"{address.rstrip('/')}/" if path == NOT_FOUND and address else way_up(path)


def _page_address(path: str) -> str:
    return f"{SITE.links.address.rstrip('/')}/{link(path)}" if SITE.links.address else ""


def db(value: float | None) -> str:
    """Return PSNR in dB with three decimals."""
    return number(value, 3)


def db2(value: float | None) -> str:
    """Return PSNR in dB with two decimals, as papers print it."""
    return number(value, 2)


def with_code(text: str) -> Markup:
    """Return text in which parts between backticks are shown as code; everything is escaped."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part) for number, part in enumerate(parts)
    )


def command_words(text: str) -> Markup:
    """Return commands with an element around each word, so that a page breaks lines only between words."""
    return Markup("\n").join(
        Markup(" ").join(Markup("<span>{}</span>").format(word) for word in line.split(" "))
        for line in text.split("\n")
    )


def signed(value: float | None) -> str:
    """Return a difference with its sign and three decimals; zero has no sign."""
    if value is None or math.isnan(value):
        return MISSING
    text = f"{value:+.3f}"
    return "0.000" if float(text) == 0 else text.replace("-", "−")


def short_signed(value: float) -> str:
    """Return a difference for the tick of an axis: `+0.2`, and `0` for a value that rounds to zero."""
    return f"{value:+.3g}".replace("-", "−") if abs(value) > 1e-9 else "0"


def short_data(text: str) -> str:
    """Return the name of training data without its details: `DIV2K` for `DIV2K, 800 images`."""
    name = re.split(r"[,:;]", text)[0].strip()
    name = "not named" if name.startswith("data that") else name
    return name if len(name) <= 14 else f"{name[:13]}…"


def similarity(value: float | None) -> str:
    """Return SSIM with four decimals."""
    return number(value, 4)


def thousands(value: float | None) -> str:
    """Return a count in short form with a unit: 703 k, 15.6 M, 40.8 G."""
    if value is None:
        return MISSING
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:.3g}\u2009{unit}" if value < 999.5 * size else f"{value / size:.0f}\u2009{unit}"
    return f"{value:g}"


def number(value: float | None, decimals: int) -> str:
    """Return a score with a fixed number of decimals, or the signs for a missing or infinite one."""
    if value is None or math.isnan(value):
        return MISSING
    return "∞" if math.isinf(value) else f"{value:.{decimals}f}"
