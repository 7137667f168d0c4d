"""The complete site: every link works, nothing is loaded from elsewhere, and a failed build changes nothing."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag
from xml.etree import ElementTree

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from PIL import Image

from leaderboard import dataset_pages, main_tables, writing
from leaderboard.collection import collect
from leaderboard.data_commit import commit_of
from leaderboard.rendering import SiteLinks, with_code
from leaderboard.site import MARKER_NAME, build
from srbench import __version__
from srbench.cli import main
from srbench.errors import ResultsError, SubmissionError
from tests.submissions.generated import generate, rewrite

# XHTML's empty elements never close.
_OPTIONAL = ("td", "th", "tr")
"""Elements that another one of these closes, as the HTML standard allows."""
_VOID = {"meta", "link", "input", "img", "br", "hr", "source", "wbr", "col", "area", "base", "embed", "track"}


class Parsed(HTMLParser):
    """Ids, references, scripts and whatever a strict policy would block, of one page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.references: list[str] = []
        self.blocked: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in _OPTIONAL:
            self._close_optional("tr" if tag == "tr" else "td")
        if tag not in _VOID:
            self.open.append(tag)
        if given.get("id"):
            self.ids.append(str(given["id"]))
        self.references += [str(given[name]) for name in ("href", "src") if given.get(name)]
        self.blocked += [f"{tag} {name}" for name in given if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in given and given.get("type") != "application/json"):
            self.blocked.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.open.pop()

    def _close_optional(self, tag: str) -> None:
        """Close an open cell, and for `tr` an open row, too."""
        while self.open and self.open[-1] in (_OPTIONAL if tag == "tr" else _OPTIONAL[:2]):
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag in ("tr", "tbody"):
            self._close_optional("tr" if tag == "tbody" else "td")
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()


@pytest.fixture(scope="module")
def submissions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("submissions")
    generate(root, 3, datasets=("Set5", "Set14"))
    return root


@pytest.fixture(scope="module")
def site(submissions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("site")
    assert build(submissions, output).problems == ()
    return output


@pytest.fixture
def own(submissions: Path, tmp_path: Path) -> Path:
    """Submissions that a test may change."""
    return Path(shutil.copytree(submissions, tmp_path / "submissions"))


def pages(site: Path) -> dict[str, str]:
    return {path.relative_to(site).as_posix(): path.read_text(encoding="utf-8") for path in site.rglob("*.html")}


def content(site: Path) -> dict[str, bytes]:
    return {
        path.relative_to(site).as_posix(): path.read_bytes()
        for path in site.rglob("*")
        if path.is_file() and path.name != MARKER_NAME
    }


def test_every_local_reference_leads_somewhere(site: Path) -> None:
    parsed = {name: Parsed(text) for name, text in pages(site).items()}
    for name, page in parsed.items():
        assert len(page.ids) == len(set(page.ids)), name
        for reference in page.references:
            address, anchor = urldefrag(reference)
            if address.startswith(("https://", "http://", "data:")):
                continue
            target = (site / name).parent.joinpath(unquote(address)).resolve() if address else site / name
            assert target.is_file(), f"{name}: {reference}"
            inside = target.relative_to(site.resolve()).as_posix() if address else name
            if anchor and "=" not in anchor and inside in parsed:  # with one it is a script's view of the page
                assert anchor in parsed[inside].ids, f"{name}: {reference}"


def test_pages_are_well_formed_and_keep_to_their_policy(site: Path) -> None:
    for name, text in pages(site).items():
        page = Parsed(text)
        assert not page.open, f"{name}: not closed: {page.open}"
        assert not page.blocked, f"{name}: {page.blocked}"
        policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
        assert policy and "default-src 'none'" in policy[1] and "unsafe" not in policy[1], name


def test_a_page_links_the_sheets_that_its_classes_stand_in(site: Path) -> None:
    own, common = (
        set(re.findall(r"\.([a-z][\w-]*)", (site / "static" / name).read_text(encoding="utf-8")))
        for name in ("pages.css", "site.css")
    )
    for name, text in pages(site).items():
        used = {word for words in re.findall(r'class="([^"]*)"', text) for word in words.split()}
        assert "static/pages.css" in text or not used & (own - common), name


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    loads = re.compile(r"<(?:script|link|img|source|iframe)\b[^>]*(?:src|href|srcset)=\"(?:https?:)?//", re.IGNORECASE)
    for name, text in pages(site).items():
        assert not loads.search(text), name
    for sheet in site.rglob("*.css"):
        assert not re.search(r"@import|url\(\s*[\"']?(?:https?:)?//", sheet.read_text(encoding="utf-8")), sheet.name


def test_each_mean_is_that_of_the_rows_it_links_to(site: Path, submissions: Path) -> None:
    frame = pq.read_table(submissions / "net-00001" / "scores.parquet").to_pandas()
    rows = frame[(frame["scale"] == 4) & (frame["protocol"] == "bam2021") & (frame["dataset"] == "Set14")]
    text = (site / "x4" / "bam2021.html").read_text(encoding="utf-8")
    link = re.escape('<a href="../models/net-00001.html#x4-bam2021-Set14">')
    shown = re.findall(rf"{link}([^<]+)</a>", re.sub(r"</?b[^>]*>| class=.(first|second).", "", text))
    assert shown == [f"{rows['psnr_y'].mean():.2f}"]
    assert f"<i>{rows['ssim_y'].mean():.4f}</i>" in re.sub(" class=.(first|second).", "", text)


def test_the_same_submissions_give_the_same_site(site: Path, submissions: Path, tmp_path: Path) -> None:
    build(submissions, tmp_path / "again")
    assert content(tmp_path / "again") == content(site)


def test_a_second_build_replaces_every_page(own: Path, tmp_path: Path) -> None:
    generate(own, 1, start=3, datasets=("BSD100",), scales=(3,), protocols=("matlab-rgb",))
    build(own, tmp_path / "site")
    assert (tmp_path / "site" / "x3" / "matlab-rgb.html").exists()
    shutil.rmtree(own / "net-00003")
    build(own, tmp_path / "site")
    build(own, tmp_path / "new")
    assert content(tmp_path / "site") == content(tmp_path / "new")
    assert not (tmp_path / "site" / "x3").exists()


def test_a_host_keeps_its_dot_files_and_cname(own: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    build(own, site)
    (site / ".nojekyll").touch()
    (site / "CNAME").write_text("example.org")
    (site / ".git").mkdir()
    (site / ".git" / "HEAD").write_text("ref")
    (site / "stale.html").write_text("old")
    build(own, site)
    assert (site / "CNAME").read_text() == "example.org" and (site / ".nojekyll").exists()
    assert (site / ".git" / "HEAD").read_text() == "ref" and not (site / "stale.html").exists()


@pytest.mark.parametrize("moment", ["pages", "swap"])
def test_an_interrupted_build_leaves_the_old_site(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    build(own, tmp_path / "site")
    before = content(tmp_path / "site")
    generate(own, 1, start=3, datasets=("Set5",), scales=(4,))
    rename = Path.rename

    def interrupt(*_: object, **__: object) -> str:
        raise KeyboardInterrupt

    def fail_to_swap(path: Path, target: Path) -> Path:
        if path.name == ".site.new":
            raise OSError("the disk is full")
        return rename(path, target)

    with monkeypatch.context() as patched:
        if moment == "pages":
            patched.setattr(main_tables, "render", interrupt)
        else:
            patched.setattr(Path, "rename", fail_to_swap)
        with pytest.raises((KeyboardInterrupt, ResultsError)):
            build(own, tmp_path / "site")
    assert content(tmp_path / "site") == before
    assert build(own, tmp_path / "site").entries == 4


def test_a_folder_with_other_files_is_refused_and_kept(submissions: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ResultsError, match=r"expected an empty folder or a site built before.*choose another --output"):
        build(submissions, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_missing_folder_of_submissions_is_named(tmp_path: Path) -> None:
    with pytest.raises(SubmissionError, match="check --submissions"):
        build(tmp_path / "none", tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_broken_entries_are_reported_and_left_out(own: Path, tmp_path: Path) -> None:
    (own / "net-00001" / "submission.json").write_text('{"title": "<script>alert(1)</script>"}')
    report = build(own, tmp_path / "site")
    assert [problem.id for problem in report.problems] == ["net-00001"]
    assert report.entries == 2
    assert not [name for name, text in pages(tmp_path / "site").items() if "net-00001" in text or "alert(1)" in text]


def test_entries_that_contradict_the_catalogues_are_left_out(own: Path, tmp_path: Path) -> None:
    def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
        path = folder / "submission.json"
        document = json.loads(path.read_text())
        change(document)
        path.write_text(json.dumps(document))

    edit((own / "net-00000").rename(own / "index"), lambda document: document.update(id="index"))
    liar = {"spec": "zoo:imdn@authors", "network": "imdn", "attention": "cca", "tag": "authors", "parameters": {"4": 9}}
    rewrite(
        own / "net-00001",
        lambda rows, document: [row.update(model=liar["spec"]) for row in rows] and document["model"].update(liar),
    )
    rewrite(
        own / "net-00002",
        lambda rows, document: (
            [row.update(dataset="index") for row in rows if row["dataset"] == "Set14"]
            and document["runs"][0]["datasets"].update(index=document["runs"][0]["datasets"].pop("Set14"))
        ),
    )
    report = build(own, tmp_path / "site")
    assert report.entries == 1
    assert (tmp_path / "site" / "models" / "index.html").is_file()
    assert {problem.id: problem.message.partition(":")[0] for problem in report.problems} == {
        "net-00001": "model.parameters",
        "net-00002": "index",
    }
    assert build(own, tmp_path / "site").problems == report.problems


def test_markup_in_text_is_shown_as_text(own: Path, tmp_path: Path) -> None:
    path = own / "net-00001" / "submission.json"
    document = json.loads(path.read_text())
    document |= {"title": "A & B \"quoted\" 'x' {{ 7*7 }} 1 < 2", "footnotes": ['1 < 2 & "so" on']}
    path.write_text(json.dumps(document))
    assert build(own, tmp_path / "site").problems == ()
    text = (tmp_path / "site" / "x4" / "matlab-y.html").read_text(encoding="utf-8")
    assert "A &amp; B &#34;quoted&#34; &#39;x&#39; {{ 7*7 }} 1 &lt; 2" in text
    for name, page in pages(tmp_path / "site").items():
        assert not Parsed(page).open, name
        assert "1 < 2" not in page and "49 1" not in page, name


def test_a_table_has_its_rows_on_pages_of_a_fixed_number(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main_tables, "ROWS", 2)
    build(own, tmp_path / "site")
    files = [tmp_path / "site" / "x4" / name for name in ("matlab-y.html", "matlab-y-2.html")]
    found = [file.read_text(encoding="utf-8") for file in files]
    rows = [re.findall(r'<th scope="row"><a href="../models/([^"]+)\.html">', text) for text in found]
    assert [len(names) for names in rows] == [2, 1]
    assert sorted(rows[0] + rows[1]) == ["net-00000", "net-00001", "net-00002"]
    script = (tmp_path / "site" / "data" / "x4-matlab-y.rows-2.js").read_text(encoding="utf-8")
    (_, html), *others = json.loads(script.removeprefix("window.srbenchRows(2, ").removesuffix(");\n"))
    assert not others and html in found[1]


def test_rows_made_otherwise_stand_in_groups_of_their_own(own: Path, tmp_path: Path) -> None:
    path = own / "net-00002" / "submission.json"
    document = json.loads(path.read_text())
    document["options"] |= {"self_ensemble": True, "tile": 64}
    path.write_text(json.dumps(document))
    build(own, tmp_path / "site")
    text = (tmp_path / "site" / "x4" / "matlab-y.html").read_text(encoding="utf-8")
    main, group = text.split('<tbody data-group="self-ensemble, tiled">')
    assert "net-00002" in group and "net-00002" not in main
    assert not re.search(r'class="(first|second)"', group.split("</tbody>")[0])


def test_data_files_hold_every_mean_and_row(site: Path, submissions: Path) -> None:
    means = json.loads((site / "data" / "means.json").read_text(encoding="utf-8"))
    assert len(means) == 3 * 2 * 2
    lines = list(csv.DictReader(io.StringIO((site / "data" / "means.csv").read_text(encoding="utf-8"))))
    assert [float(line["psnr"]) for line in lines] == [mean["psnr"] for mean in means]
    frame = pq.read_table(submissions / "net-00000" / "scores.parquet").to_pandas()
    rows = list(csv.DictReader(io.StringIO((site / "data" / "entries" / "net-00000.csv").read_text(encoding="utf-8"))))
    expected = list(zip(frame["image"], frame["psnr_y"], strict=True))
    assert [(row["image"], float(row["psnr_y"])) for row in rows] == expected
    document = json.loads((site / "data" / "entries" / "net-00000.json").read_text(encoding="utf-8"))
    assert document["submission"] == json.loads((submissions / "net-00000" / "submission.json").read_text())
    assert len(document["scores"]) == len(frame)


def test_the_feed_is_atom_and_lists_the_newest_first(site: Path) -> None:
    feed = ElementTree.parse(site / "feed.xml").getroot()
    atom = "{http://www.w3.org/2005/Atom}"
    assert feed.tag == f"{atom}feed"
    assert [entry.findtext(f"{atom}title") for entry in feed.iter(f"{atom}entry")] == ["Net 2", "Net 1", "Net 0"]
    assert {child.tag for entry in feed.iter(f"{atom}entry") for child in entry} >= {f"{atom}id", f"{atom}updated"}


def test_an_empty_collection_is_a_site_too(tmp_path: Path) -> None:
    (tmp_path / "submissions").mkdir()
    assert build(tmp_path / "submissions", tmp_path / "site").entries == 0
    assert "There are no entries yet" in (tmp_path / "site" / "index.html").read_text(encoding="utf-8")


def test_a_table_is_there_as_latex_and_markdown(site: Path) -> None:
    latex = (site / "data" / "x4-matlab-y.tex").read_text(encoding="utf-8")
    markdown = (site / "data" / "x4-matlab-y.md").read_text(encoding="utf-8")
    assert latex.count(r"\\") == 1 + 3 and r"\toprule" in latex
    assert all(name in latex and name in markdown for name in ("Net 0", "Net 1", "Net 2"))


def test_parts_between_backticks_are_shown_as_code() -> None:
    assert str(with_code("run `srbench <x>` now")) == "run <code>srbench &lt;x&gt;</code> now"
    assert str(with_code("one ` alone & more")) == "one ` alone &amp; more"


def test_links_outside_the_site_are_only_those_given(submissions: Path, site: Path, tmp_path: Path) -> None:
    plain = (site / "index.html").read_text()
    assert 'rel="canonical"' not in plain and "Repository" not in plain and "og:image" not in plain
    links = SiteLinks("https://example.org/code", "https://example.org/docs", "https://example.org/board/", "c0ffee")
    build(submissions, tmp_path / "out", links)
    page = (tmp_path / "out/models/net-00001.html").read_text()
    assert '<link rel="canonical" href="https://example.org/board/models/net-00001.html">' in page
    assert page.count('href="https://example.org/code"') == page.count('href="https://example.org/docs"') == 2
    assert "commit <code>c0ffee</code>" in page
    assert '<meta property="og:description" content="Net 1: ' in page
    assert 'href="https://example.org/board/static/site.css"' in (tmp_path / "out/404.html").read_text()
    assert '<meta property="og:image" content="https://example.org/board/static/card.png">' in page
    with Image.open(tmp_path / "out/static/card.png") as card:
        assert card.size == (1200, 630)


def test_commit_is_named_only_for_unchanged_entries(tmp_path: Path) -> None:
    git = ("git", "-C", str(tmp_path), "-c", "user.name=A", "-c", "user.email=a@example.org")
    assert commit_of(tmp_path) == ""
    for command in (
        ("init", "-q"),
        ("commit", "-q", "--allow-empty", "-m", "Begin"),
        ("add", "."),
        ("commit", "-qm", "Add"),
    ):
        (tmp_path / "entry.json").write_text("{}")
        subprocess.run([*git, *command], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout
    assert commit_of(tmp_path) == head[:12]
    (tmp_path / "entry.json").write_text("[]")
    assert commit_of(tmp_path) == ""


def test_several_processes_write_the_same_site(
    submissions: Path, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "PARALLEL_FROM", 1)
    build(submissions, tmp_path / "site")
    assert content(tmp_path / "site") == content(site)


def test_lists_of_a_dataset_are_paged_without_gaps(submissions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset_pages, "_ROWS", 2)
    collection = collect(submissions)
    found = {page.path: str(page.content()) for page in dataset_pages.pages(collection)}
    paths = [path for path in found if path == "datasets/Set5.html" or path.startswith("datasets/Set5/")]
    listed = [
        name
        for path in paths
        for name in re.findall(r'<th scope="row"><a href="[./]*models/([^"]+).html"', found[path])
    ]
    assert len(paths) == -(-len(collection) // 2) > 1
    assert sorted(listed) == sorted(entry.id for entry in collection)
    assert "Set5/entries-2.html#entries" in found[paths[0]]


def test_the_footer_has_version_and_date_of_the_data(site: Path) -> None:
    footer = (site / "index.html").read_text().partition("<footer")[2]
    assert f"Built by srbench {__version__}." in footer
    assert '<time datetime="2026-01-03">' in footer


def test_an_address_that_is_no_web_page_is_refused(tmp_path: Path) -> None:
    arguments = ["leaderboard", "build", "--submissions", str(tmp_path), "--repository", "javascript:alert(1)"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert "--repository: expected an address such as https://example.org/, got 'javascript:alert(1)'" in result.stderr
