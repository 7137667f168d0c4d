"""Names become paths that stay inside, and links that lead to them; only web addresses are links."""

from __future__ import annotations

from pathlib import PurePosixPath
from urllib.parse import unquote

import pytest

from leaderboard.addresses import dataset_path, link, model_path, scores_anchor, table_path, way_up, web_address

NAMES = ["..", "../../etc/passwd", "a/b", "a b", "a%2Fb", ".hidden", "é", "Set5", 'x"onload="y', "a\\b", "#x", "?y"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_one_part_of_a_path_and_its_link_leads_back(name: str) -> None:
    path = dataset_path(name)
    assert path.count("/") == 1 and ".." not in PurePosixPath(path).parts and not path.split("/")[1].startswith(".")
    assert not set(path) & set('\\"#? ')
    assert unquote(link(path)) == path
    assert not set(scores_anchor(4, "matlab-y", name)) & set('%\\"#? /')


def test_different_names_have_different_paths() -> None:
    assert len({model_path(name) for name in [*NAMES, "%2E.", "%2e.", "a%20b"]}) == len(NAMES) + 3


def test_paths_lead_up_as_far_as_they_lead_down() -> None:
    assert way_up("index.html") == ""
    assert way_up(table_path(4, "matlab-y", 3)) == "../"
    assert table_path(4, "matlab-y") == "x4/matlab-y.html"


@pytest.mark.parametrize(
    "text",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        " https://a.b",
        "https://a.b\n",
        "data:text/html,x",
        "//a.b",
        "https:///x",
        "ftp://a.b",
        "",
        None,
        7,
        "https://[x",
    ],
)
def test_other_addresses_than_of_the_web_are_no_links(text: object) -> None:
    assert web_address(text) == ""


def test_addresses_of_the_web_stay() -> None:
    assert web_address("https://example.org/a?b=c#d") == "https://example.org/a?b=c#d"
