"""Hooks of the documentation's builder: pages from the files at the root and from the commands, and an offline site.

README.md, CONTRIBUTING.md and the like are read where they lie, so that no fact has two sources.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path

from catalogues import ROOT, curve_charts, filled
from cli_reference import pages as cli_pages
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.plugins import get_plugin_logger
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT_PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "extend/index.md",
    "ARCHITECTURE.md": "architecture.md",
    "SECURITY.md": "security.md",
    "studies/README.md": "studies.md",
    "submissions/README.md": "submitting.md",
    "benchmarks/REPORT.md": "benchmarks.md",
}
"""Files outside docs/ and the pages they become; links between them, and into docs/, are turned to match."""
DESCRIBED = {"srbench/cli/__init__.py": "cli/index.md"}
"""Files that pages link to for who reads them in the repository, and the generated pages that say the same."""

_LINK = re.compile(r"\]\(([^):\s#]+\.(?:md|py))(#[^)\s]*)?\)")
_LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}
_LOADING_RELATIONS = {"stylesheet", "preload", "preconnect", "modulepreload", "icon", "dns-prefetch"}
_CSS_FETCH = re.compile(r"(?:url\(|@import\s)\s*[\"']?(https?:)?//")

log = get_plugin_logger("srbench")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Give the generated pages their places in the navigation."""
    config["generated"] = generated = dict(_root_pages()) | cli_pages() | curve_charts()
    for section in (entry for entry in config.nav or () if isinstance(entry, dict)):
        for listed in section.values():
            if isinstance(listed, list):
                folder = posixpath.dirname(listed[0]) + "/"
                listed.extend(uri for uri in generated if uri.startswith(folder) and uri not in listed)
    placed = str(config.nav)
    config.nav = [*(config.nav or ()), *(uri for uri in generated if "/" not in uri and repr(uri) not in placed)]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    for uri, content in config["generated"].items():
        files.append(File.generated(config, uri, content=content))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Put the tables of the catalogues where a page asks for them, and turn its links out of docs/ to match."""
    uri = page.file.src_uri
    return _relink(filled(markdown), f"docs/{uri}", uri)


def on_post_build(config: MkDocsConfig) -> None:
    """Refuse a site that loads anything from elsewhere; list the links that lead elsewhere."""
    site, leading = Path(config.site_dir), set()
    for path in sorted(site.rglob("*.html")):
        references = _References()
        references.feed(path.read_text(encoding="utf-8"))
        if references.loads or references.mermaid:
            raise PluginError(f"{path.relative_to(site)} loads from elsewhere: {references.loads or 'mermaid'}")
        leading |= references.leads
    for path in sorted(site.rglob("*.css")):
        if _CSS_FETCH.search(path.read_text(encoding="utf-8")):
            raise PluginError(f"{path.relative_to(site)} loads from elsewhere")
    log.info("%d links lead elsewhere and were not followed: %s", len(leading), " ".join(sorted(leading)) or "-")


def _root_pages() -> Iterator[tuple[str, str]]:
    for name, uri in ROOT_PAGES.items():
        if not (ROOT / name).is_file():
            continue
        text = (ROOT / name).read_text(encoding="utf-8")
        if name == "CONTRIBUTING.md":
            yield from _extension_pages(text)
        else:
            yield uri, _relink(text, name, uri)


def _extension_pages(text: str) -> Iterator[tuple[str, str]]:
    """One short page per section of CONTRIBUTING.md, and its introduction with the list of them."""
    introduction, *sections = re.split(r"^## ", text, flags=re.MULTILINE)
    titles = [section.partition("\n")[0].strip() for section in sections]
    uris = [_extension_page(title.lower().replace(" ", "-")) for title in titles]
    listed = "\n".join(f"- [{title}]({posixpath.basename(uri)})" for title, uri in zip(titles, uris, strict=True))
    yield "extend/index.md", f"{_relink(introduction, 'CONTRIBUTING.md', 'extend/index.md').rstrip()}\n\n{listed}\n"
    for section, uri in zip(sections, uris, strict=True):
        yield uri, _relink(f"# {section}", "CONTRIBUTING.md", uri)


def _extension_page(anchor: str) -> str:
    """The page of the section of CONTRIBUTING.md that has this anchor."""
    return f"extend/{anchor}.md"


def _relink(text: str, name: str, uri: str) -> str:
    """Links of the file `name`, as links of the page that it becomes."""

    def turned(match: re.Match[str]) -> str:
        file, anchor = posixpath.normpath(posixpath.join(posixpath.dirname(name), match[1])), match[2] or ""
        target = (ROOT_PAGES | DESCRIBED).get(file, file.removeprefix("docs/"))
        if file == "CONTRIBUTING.md" and anchor:
            target, anchor = _extension_page(anchor.removeprefix("#")), ""
        return f"]({posixpath.relpath(target, posixpath.dirname(uri) or '.')}{anchor})"

    return _LINK.sub(turned, text)


class _References(HTMLParser):
    """What a page loads from other hosts, and where its links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.leads: set[str] = set()
        self.mermaid = False

    def handle_starttag(self, tag: str, attrs: Iterable[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        # The theme's script would fetch the program that draws such diagrams.
        self.mermaid |= "mermaid" in found.get("class", "").split()
        target = found.get(_LOADS.get(tag, ""), "")
        loading = tag != "link" or _LOADING_RELATIONS.intersection(found.get("rel", "").split())
        if loading and re.match(r"(https?:)?//", target):
            self.loads.append(target)
        if tag == "a" and re.match(r"(https?:)?//", found.get("href", "")):
            self.leads.add(found["href"])
