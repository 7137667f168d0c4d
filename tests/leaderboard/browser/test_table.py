"""The main table where scripts run: sorting, filtering, and addresses that keep the view."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tests.leaderboard.browser.conftest import Visit, wait_until


def names(page: Any) -> list[str]:
    return [text.strip() for text in page.locator("#scores tbody tr:not(.group) th").all_text_contents()]


def column(page: Any, key: str) -> list[float]:
    at = page.evaluate(
        "(key) => { const found = {}; [...document.querySelectorAll('#scores tbody tr:not(.group)')]"
        ".forEach((row, line) => { found[line] = row.dataset.p; }); return found; }",
        key,
    )
    return [float(value) for value in at.values() if value]


def test_sorting_by_a_column_and_back(site: Path, visit: Visit) -> None:
    page = visit(site, "x4/matlab-y.html")
    before = names(page)
    button = page.locator('th[data-key="parameters"] button')
    button.click()
    ascending = column(page, "parameters")
    assert ascending == sorted(ascending)
    assert page.locator('th[data-key="parameters"]').get_attribute("aria-sort") == "ascending"
    button.click()
    assert column(page, "parameters") == sorted(ascending, reverse=True)
    assert sorted(names(page)) == sorted(before)


def test_a_filter_leaves_what_fits_and_says_how_many(site: Path, visit: Visit) -> None:
    page = visit(site, "x4/matlab-y.html")
    everything = names(page)
    page.click("#filter")
    page.fill('#controls [name="name"]', "imdn")
    assert names(page) == [name for name in everything if "imdn" in name.lower()]
    assert page.locator("#count").inner_text().startswith(f"{len(names(page))} of {len(everything)}")
    page.click('#controls [type="reset"]')
    assert names(page) == everything


def letters(name: str) -> str:
    """What a browser sorts names by before it looks at punctuation."""
    return re.sub(r"\W", "", name).casefold()


def test_an_address_keeps_the_view(site: Path, visit: Visit) -> None:
    page = visit(site, "x4/matlab-y.html")
    page.click("#filter")
    page.select_option('#controls [name="parameters"]', "500000")
    page.click('th[data-key="model"] button')
    address = page.url.rpartition("/")[2]
    again = visit(site, f"x4/{address}")
    assert names(again) == names(page) == sorted(names(page), key=letters)
    assert len(names(page)) > 0
    assert all(value <= 500_000 for value in column(again, "parameters"))


def arrows(page: Any) -> dict[str, str]:
    """The columns that are said to be sorted, and how."""
    return dict(
        page.locator("#scores [aria-sort]").evaluate_all(
            "(cells) => cells.map((cell) => [(cell.dataset.order ? cell : cell.querySelector('[data-order]'))"
            ".dataset.key,"
            " cell.getAttribute('aria-sort')])"
        )
    )


AS_IT_CAME = {"rank": "ascending"}


UNKNOWN = {
    "sort=nope": AS_IT_CAME,
    "sort=nope&order=ascending&name=i": AS_IT_CAME,
    "attention=zzz": AS_IT_CAME,
    "level=&parameters=1&page=-3": AS_IT_CAME,
    "sort=parameters": {"parameters": "ascending"},
    "sort=Set14.ssim&order=up&training=zzz": {"Set14.ssim": "descending"},
}


def test_unknown_values_in_an_address_are_ignored(site: Path, visit: Visit) -> None:
    page = visit(site, "x4/matlab-y.html")
    everything = names(page)
    for asked, arrow in UNKNOWN.items():
        page.goto("about:blank")
        page.goto(f"{site.as_uri()}/x4/matlab-y.html#{asked}")
        assert arrows(page) == arrow, asked
        if "name=" not in asked:
            assert sorted(names(page)) == sorted(everything), asked
        shown = page.locator("#controls select").evaluate_all("(all) => all.map((one) => one.selectedIndex)")
        assert shown == [0, 0, 0, 0], asked  # "any", and not a blank


def test_a_numbered_page_keeps_its_rows_at_its_address(crowded_site: Path, visit: Visit) -> None:
    first, second = (names(visit(crowded_site, f"x4/matlab-y{suffix}.html")) for suffix in ("", "-2"))
    page = visit(crowded_site, "x4/matlab-y-2.html")
    page.locator('th[data-key="model"] button').click()
    wait_until(page, "document.querySelector('#scores tbody th').textContent.trim() === 'Net 0'")
    page.click("#filter")
    page.click('#controls [type="reset"]')
    assert names(page) == first
    assert arrows(page) == AS_IT_CAME
    again = visit(crowded_site, f"x4/{page.url.rpartition('/')[2]}")
    wait_until(again, "document.querySelectorAll('#scores tbody tr').length === 50")
    assert names(again) == first
    page.locator("#pager button", has_text="2").click()
    assert names(page) == second
    assert page.url.endswith("matlab-y-2.html")


def test_sorting_reaches_over_all_pages_of_a_long_table(crowded_site: Path, visit: Visit) -> None:
    page = visit(crowded_site, "x4/matlab-y.html")
    assert len(names(page)) == 50
    page.locator('th[data-key="model"] button').click()
    wait_until(page, "document.querySelector('#scores tbody th').textContent.trim() === 'Net 0'")
    assert names(page) == [f"Net {number}" for number in range(50)]
    page.locator("#pager button", has_text="2").click()
    assert names(page) == [f"Net {number}" for number in range(50, 55)]
