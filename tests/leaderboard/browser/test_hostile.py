"""Text of strangers stays text, even if the schema that refuses markup were not there."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from leaderboard.site import build
from srbench.records.fields import Text
from tests.leaderboard.browser.conftest import ROOT, Visit
from tests.submissions.generated import generate

# Each would show itself by running `document.title = 'run'` or by asking for something from elsewhere.
TITLE = "\"><img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>{{ 7 * 7 }}"
LINE = "</script><script>document.title='run'</script>\u2028'+document.title+'"


@pytest.fixture(scope="module")
def hostile_site(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site whose entries got past a schema that was made to take any text."""
    folder = tmp_path_factory.mktemp("hostile")
    first, second = generate(folder / "in", 2, datasets=("Set5", "Set14"))
    change(
        first,
        lambda document: document.update(
            title=TITLE,
            authors=[LINE],
            footnotes=[LINE],
            claims=[{"scale": 4, "dataset": "Set5", "psnr": 32.0, "ssim": None, "source": LINE}],
            training={
                "data": LINE,
                "recipe": LINE,
                "recipe_sha256": None,
                "fingerprint": None,
                "steps": 1,
                "seed": 1,
                "tag": None,
            },
        ),
    )
    change(second, lambda document: document["model"].update(name=TITLE, source=LINE))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Text, "check", lambda self, value: value)
        assert not build(folder / "in", folder / "out").problems
    return folder / "out"


def change(folder: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads((folder / "submission.json").read_text(encoding="utf-8"))
    edit(document)
    (folder / "submission.json").write_text(json.dumps(document), encoding="utf-8")


@pytest.fixture(scope="module")
def endless_site(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of two entries whose words are as long as the schema lets them be."""
    folder = tmp_path_factory.mktemp("endless")
    for entry in generate(folder / "in", 2, datasets=("Set5", "Set14"), scales=(2, 3, 4)):
        change(
            entry,
            lambda document: document.update(
                id=document["id"] + "w" * 55,
                title="W" * 119 + document["id"][-1],
                authors=["A" * 100, "B" * 100],
                paper={"title": "P" * 300, "url": None, "year": 2026},
                code="https://example.org/" + "c" * 150,
                license="L" * 100,
                footnotes=["F" * 200],
                model={**document["model"], "name": "M" * 100, "source": "S" * 300},
                training={
                    "data": "D" * 300,
                    "recipe": "R" * 300,
                    "recipe_sha256": None,
                    "fingerprint": None,
                    "steps": 1,
                    "seed": 1,
                    "tag": None,
                },
            ),
        )
        shutil.copytree(ROOT / "submissions" / "pan-authors" / "samples", entry / "samples")
        entry.rename(entry.with_name(entry.name + "w" * 55))
    report = build(folder / "in", folder / "out")
    assert not report.problems
    return folder / "out"


ENDLESS = tuple(f"net-0000{number}" + "w" * 55 for number in range(2))


@pytest.mark.parametrize(
    "path",
    [
        "index.html",
        "x4/matlab-y.html",
        f"models/{ENDLESS[0]}.html",
        "charts/x4-matlab-y-Set5.html",
        "datasets/Set5.html",
        "protocols/matlab-y.html",
        f"compare.html#a={ENDLESS[0]}&b={ENDLESS[1]}",
    ],
    ids=lambda path: path[:12],
)
def test_a_word_without_end_widens_no_page(endless_site: Path, visit: Visit, path: str) -> None:
    page = visit(endless_site, path)
    if path.startswith("compare"):
        page.wait_for_selector("img-comparison-slider")
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    for width in (1200, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(
    "path",
    [
        "index.html",
        "x4/matlab-y.html",
        "models/net-00000.html",
        "models/net-00001.html",
        "charts/x4-matlab-y-Set5.html",
        "datasets/Set5.html",
        "compare.html#a=net-00000&b=net-00001",
    ],
)
def test_nothing_runs_and_the_text_is_shown(hostile_site: Path, visit: Visit, path: str) -> None:
    page = visit(hostile_site, path)
    if path.startswith("compare"):
        page.wait_for_selector("#plots svg")
    assert page.title() != "run"
    assert page.locator("img[src=x]").count() == 0
    assert "7 * 7" in page.content()
    assert page.evaluate("document.querySelectorAll('script:not([src])').length") == 0
