"""Reading the site: complete without scripts, accessible in both themes, nothing loaded from elsewhere."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.leaderboard.browser.conftest import ROOT, Visit

# One page of each kind, with the address in which its parts are all shown.
KINDS = (
    "index.html",
    "about.html",
    "x4/matlab-y.html",
    "models/rcan-srbench.html",
    "compare.html#a=imdn-authors&b=pan-authors&view=4 matlab-y",
    "charts/index.html",
    "charts/x4-matlab-y-BSD100.html",
    "bam.html",
    "gallery.html",
    "submit.html",
    "404.html",
    "search.html",
    "studies/index.html",
    "studies/pan-x4-attention-brief.html",
    "papers/index.html",
    "papers/2108.10257.html",
    "datasets/index.html",
    "datasets/Set5.html",
    "protocols/index.html",
    "protocols/bam2021.html",
)


@pytest.fixture(scope="session")
def axe() -> str:
    pytest.importorskip("axe_playwright_python", reason="pip install axe-playwright-python to test accessibility")
    return resources.files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "path",
    [*KINDS, pytest.param("papers/2104.07566.html", marks=pytest.mark.long)],
    ids=lambda path: path.partition("#")[0],
)
def test_page_is_accessible_and_fits_the_screen(site: Path, visit: Visit, axe: str, path: str) -> None:
    page = visit(site, path)
    for width in (1920, 390, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    if path.startswith("compare"):
        page.wait_for_selector("#plots svg")
    # Two of many alike: hidden rows are not looked at, and all of them take half a minute.
    page.evaluate("[...document.querySelectorAll('details')].slice(0, 2).forEach((one) => { one.open = true; })")
    page.evaluate(axe)
    violations = _violations(page, "")
    # Only the colours differ in the dark theme.
    page.emulate_media(color_scheme="dark")
    violations += _violations(page, "runOnly: ['color-contrast', 'link-in-text-block'], ")
    assert not violations


def _violations(page: Any, options: str) -> list[str]:
    # Without preload: it would fetch style sheets, which the pages' own policy forbids.
    found = page.evaluate(f"axe.run(document, {{ {options}resultTypes: ['violations'], preload: false }})")
    return [
        f"{one['id']}: {one['help']}: {[node['html'][:200] for node in one['nodes'][:3]]}"
        for one in found["violations"]
    ]


def test_means_are_in_the_html_without_scripts(site: Path, visit: Visit) -> None:
    folders = sorted(path.parent for path in (ROOT / "submissions").glob("*/scores.parquet"))
    expected = {}
    for folder in folders:
        rows = pd.read_parquet(folder / "scores.parquet").query("scale == 4 and protocol == 'matlab-y'")
        expected[folder.name] = {name: part["psnr_y"].mean() for name, part in rows.groupby("dataset")}
    page = visit(site, "x4/matlab-y.html", scripts=False)
    for entry, means in expected.items():
        for dataset, mean in means.items():
            anchor = f"#x4-matlab-y-{dataset}"
            link = page.locator(f'#scores a[href="../models/{entry}.html{anchor}"]').first
            assert link.inner_text() == f"{mean:.2f}"
    link = page.locator(f'#scores a[href="../models/{folders[0].name}.html#x4-matlab-y-Set5"]').first
    link.click()
    assert page.locator(":target").is_visible()  # the closed parts around the list were opened
    panel = page.locator(".images", has=page.locator(":target"))
    assert panel.locator("h3").inner_text() == "Set5 ×4 matlab-y"
    assert f"{expected[folders[0].name]['Set5']:.3f} dB" in panel.locator(".means").inner_text()


def test_a_model_page_holds_every_row(site: Path, visit: Visit) -> None:
    rows = pd.read_parquet(ROOT / "submissions" / "imdn-authors" / "scores.parquet")
    page = visit(site, "models/imdn-authors.html", scripts=False)
    shown = page.locator(".images table tbody tr")
    assert shown.count() == len(rows)
    row = rows.query("scale == 4 and protocol == 'bam2021' and image == 'butterfly'").iloc[0]
    cells = page.locator("#x4-bam2021-Set5 table tr", has_text="butterfly").locator("td").all_text_contents()
    assert cells[:2] == [f"{row.psnr_y:.3f}", f"{row.ssim_y:.4f}"]


def test_without_scripts_the_comparison_says_so_and_leads_on(site: Path, visit: Visit) -> None:
    page = visit(site, "compare.html", scripts=False)
    assert "needs JavaScript" in page.locator("main").inner_text()
    page.get_by_role("link", name="IMDN").first.click()
    assert "/models/imdn" in page.url
    assert page.locator("h1").inner_text().startswith("IMDN")


def test_charts_are_readable_without_scripts(site: Path, visit: Visit) -> None:
    page = visit(site, "charts/x4-matlab-y-BSD100.html", scripts=False)
    chart = page.locator("svg.chart").first
    assert "PSNR against parameters: BSD100 ×4, matlab-y" in (chart.get_attribute("aria-label") or "")
    assert "Pareto front" in (chart.locator("desc").text_content() or "")
    assert {"IMDN", "PAN"} <= {(name.text_content() or "").split()[0] for name in chart.locator("text.name").all()}
    # The page's style sheet colours what the SVG only names.
    assert chart.locator("circle").first.evaluate("(one) => getComputedStyle(one).stroke") != "none"


@pytest.mark.parametrize(
    "path",
    [
        "bam.html",
        "studies/pan-x4-attention-brief.html",
        "charts/x4-matlab-y-Set14.html",
        "models/imdn-authors.html",
        "compare.html#a=imdn-authors&b=pan-authors&view=4 matlab-y&metric=ssim",
    ],
    ids=lambda path: path.partition("#")[0],
)
def test_no_text_of_a_chart_is_cut_or_covered(site: Path, visit: Visit, path: str) -> None:
    page = visit(site, path, width=390)
    page.wait_for_selector("svg.chart")
    narrow = _misplaced_texts(page)
    page.set_viewport_size({"width": 1280, "height": 900})
    assert not narrow + _misplaced_texts(page)


def _misplaced_texts(page: Any) -> list[str]:
    places = page.locator("svg.chart").evaluate_all(
        "(charts) => charts.map((chart) => [chart, ...chart.querySelectorAll('text')].map((one) => {"
        " const box = one.getBoundingClientRect();"
        " return [one.textContent, box.left, box.top, box.right, box.bottom]; }))"
    )
    wrong = []
    for (_, *frame), *texts in places:
        for index, (text, left, top, right, bottom) in enumerate(texts):
            if left < frame[0] - 0.5 or top < frame[1] - 0.5 or right > frame[2] + 0.5 or bottom > frame[3] + 0.5:
                wrong.append(f"{text!r} is cut")
            # A box is as high as the font, letters are not.
            wrong += [
                f"{text!r} and {other[0]!r}"
                for other in texts[index + 1 :]
                if left < other[3] and other[1] < right and top + 2 < other[4] and other[2] + 2 < bottom
            ]
    assert places
    return wrong


def test_charts_answer_to_the_mouse_where_scripts_run(site: Path, visit: Visit) -> None:
    page = visit(site, "charts/x4-matlab-y-BSD100.html")
    point = page.locator("svg.chart circle[data-href]").last  # drawn last: no other point lies over it
    point.scroll_into_view_if_needed()
    point.hover()
    tip = page.locator(".tip")
    assert tip.is_visible()
    assert ":" in tip.inner_text()
    point.click()
    page.wait_for_url("**/models/**")


def test_the_theme_is_the_readers_choice_and_is_kept(site: Path, visit: Visit) -> None:
    page: Any = visit(site, scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    for _ in range(2):
        page.click("#theme")
    dark = page.evaluate(ground)
    assert dark != light
    page.get_by_role("link", name="Charts").first.click()
    page.wait_for_url("**/charts/index.html")
    assert page.evaluate(ground) == dark


def test_the_search_finds_models_papers_and_datasets_from_a_file(site: Path, visit: Visit) -> None:
    page = visit(site, "search.html")
    everything = page.locator("#search-list li").count()
    page.fill('#search [name="text"]', "2104.07566")
    assert page.locator("#search-list li:visible a").all_text_contents() == ["Wang, Hu, Shen 2021, arXiv:2104.07566"]
    page.fill('#search [name="text"]', "pan bam")
    assert "PAN-BAM, trained by srbench" in page.locator("#search-list li:visible a").all_text_contents()
    page.fill('#search [name="text"]', "no such thing")
    assert page.locator("#search-count").inner_text() == "Nothing found"
    assert visit(site, "search.html", scripts=False).locator("#search-list li:visible").count() == everything
