"""The built site in a headless browser, where a machine has one: Chromium by name, or the one that CHROME names."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from leaderboard import main_tables
from leaderboard.site import build
from tests.submissions.generated import generate

ROOT = Path(__file__).parents[3]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

PATIENCE = 120
"""Seconds that anything may take: machines that run the tests may be busy with others."""

Visit = Callable[..., Any]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder as long; the hook of the folder above then decides about it."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.long)


def find_browser() -> str | None:
    named = os.environ.get("CHROME")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright to test the site")
    path = find_browser()
    if path is None:
        pytest.skip("install chromium, or name a browser in CHROME, to test the site")
    # Chromium refuses to run as root in its sandbox; the pages are our own.
    arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=path, args=arguments, timeout=PATIENCE * 1000)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def site(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of the real entries, built once for all test processes, and only where there is a browser."""
    shared = tmp_path_factory.getbasetemp().parent if "PYTEST_XDIST_WORKER" in os.environ else None
    output = (shared or tmp_path_factory.mktemp("site")) / "real-site"
    with FileLock(f"{output}.lock"):
        if not output.exists():
            assert not build(ROOT / "submissions", output).problems
    return output


@pytest.fixture(scope="session")
def crowded_site(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of more generated entries than one page of a table holds."""
    folder = tmp_path_factory.mktemp("crowded")
    generate(folder / "in", 55)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(main_tables, "ROWS", 50)
        build(folder / "in", folder / "out")
    return folder / "out"


@pytest.fixture
def visit(browser: Any) -> Iterator[Visit]:
    """Opens pages from the disk; at the end, none may have complained or asked for anything outside its site."""
    contexts: list[Any] = []
    complaints: list[str] = []

    def opened(
        site: Path, path: str = "index.html", *, scheme: str = "light", width: int = 1280, scripts: bool = True
    ) -> Any:
        context = browser.new_context(
            color_scheme=scheme, viewport={"width": width, "height": 900}, java_script_enabled=scripts
        )
        context.set_default_timeout(PATIENCE * 1000)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"{path}: {message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"{path}: {error}"))
        page.on("requestfailed", lambda request: complaints.append(f"{path}: failed: {request.url}"))
        page.on("request", lambda request: _note_foreign(request.url, site, complaints))
        page.goto(f"{site.as_uri()}/{path}")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not complaints


def wait_until(page: Any, expression: str, *, seconds: float = PATIENCE) -> None:
    """Wait for a JavaScript expression to hold. Playwright's own waiting would need the page to allow `eval`."""
    stop = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < stop, f"waited {seconds} s for {expression}"
        page.wait_for_timeout(20)


def _note_foreign(url: str, site: Path, complaints: list[str]) -> None:
    if not url.startswith((f"{site.as_uri()}/", "data:")):
        complaints.append(f"a request leaves the site: {url}")
