"""Pages of entries: claims beside measurements, every row or an honest part of it, pairs that were trained alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from leaderboard import comparison, models
from leaderboard.collection import Collection, collect
from leaderboard.entries import Entry
from leaderboard.matching import matched_pairs
from leaderboard.models import compared_claims, score_tables
from srbench.records.verification import DropFacts, MemorisationFacts, VerificationRecord
from srbench.statistics import paired_difference
from tests.submissions.generated import generate, rewrite

Edit = Callable[[dict[str, Any]], None]
Collect = Callable[..., Collection]


@pytest.fixture
def collected(tmp_path: Path) -> Collect:
    """Read generated entries after edits to their documents."""

    def read(*edits: Edit) -> Collection:
        for folder, edit in zip(generate(tmp_path / "in", len(edits), datasets=("Set5", "Set14")), edits, strict=True):
            rewrite(folder, partial(whole, edit))
        return collect(tmp_path / "in")

    def whole(edit: Edit, rows: list[dict[str, Any]], document: dict[str, Any]) -> None:
        edit(document)
        for row in rows:
            row["model"] = document["model"]["spec"]

    return read


def trained(attention: str, **changes: Any) -> Edit:
    training = {
        "data": "DIV2K",
        "recipe": "r",
        "recipe_sha256": None,
        "fingerprint": None,
        "steps": 10,
        "seed": 1,
        "tag": None,
        **changes,
    }

    def edit(document: dict[str, Any]) -> None:
        document["training"] = training
        document["model"].update(network="imdn", attention=attention)

    return edit


def test_base_and_bam_are_paired_only_if_trained_alike(collected: Collect) -> None:
    several = {"steps": None, "recipe": "a (×2); b (×4)", "recipe_sha256": "a" * 64}
    collection = collected(
        trained("cca"),
        trained("bam"),
        trained("bam", seed=2),
        trained("bam", steps=11),
        trained("bam", recipe=None),
        trained("cca", steps=None),
        trained("bam", steps=None),
        trained("cca", **several),
        trained("bam", **several),
        trained("bam", **several | {"recipe_sha256": "b" * 64}),
        trained("bam", form="unit"),
        trained("bam", init="c" * 64),
    )
    pairs = matched_pairs(collection)
    assert set(pairs) == {"net-00000", "net-00001", "net-00007", "net-00008"}
    (pair,) = pairs["net-00001"]
    assert (pair.base.id, pair.variant.id) == ("net-00000", "net-00001")


def test_the_panel_is_the_paired_difference_of_the_rows(collected: Collect) -> None:
    collection = collected(trained("cca"), trained("bam"))
    (pair,) = matched_pairs(collection)["net-00000"]
    found = dict(pair.differences(collection))
    assert list(found) == [
        (4, protocol, dataset) for protocol in ("matlab-y", "bam2021") for dataset in ("Set5", "Set14")
    ]
    group = 4, "matlab-y", "Set14"
    a, b = (np.array([row["psnr_y"] for row in entry.rows()[group]]) for entry in (pair.variant, pair.base))
    # Of the two datasets of this protocol, Set5 is too small for a test, so the family has one member.
    expected = paired_difference(a, b)
    assert found[group] == replace(expected, p_holm=expected.p_value)
    html = page_of(collection, "net-00000")
    assert "Base against BAM" in html
    assert f"{found[group].mean:+.3f}".replace("-", "−") in html


def test_an_entry_without_the_ranking_set_shows_another_score(tmp_path: Path) -> None:
    generate(tmp_path, 2, datasets=("Urban100", "BSD100"))
    generate(tmp_path, 1, start=2, datasets=("BSD100",))
    collection = collect(tmp_path)
    psnr = {one.id: one.means[4, "matlab-y", "BSD100"].psnr for one in collection.entries}["net-00002"]
    assert f"<strong>{psnr:.2f} dB</strong> on BSD100 ×4: no rank without Urban100" in page_of(collection, "net-00002")
    assert "on Urban100 ×4: rank" in page_of(collection, "net-00000")


def test_entries_from_images_state_no_unknown_facts(collected: Collect) -> None:
    def edit(document: dict[str, Any]) -> None:
        document["model"].update(spec="images:SR")
        document["runs"][0].update(weights_sha256=None, images_sha256="b" * 64)

    html = page_of(collected(edit), "net-00000")
    assert "<dt>SR images ×4</dt>" in html and "Weights ×4" not in html
    assert "<dt>Training</dt><dd>not stated</dd>" in html
    assert "<dt>Run with</dt><dd>not stated: only the SR images are known</dd>" in html
    assert "Not ranked with the others: from images." in html


def test_a_claim_is_compared_with_every_protocol_nearest_first(collected: Collect) -> None:
    claim = {"scale": 4, "dataset": "Set5", "psnr": 30.1, "ssim": 0.79, "source": "a paper"}
    collection = collected(lambda document: document.update(claims=[claim]))
    (found,) = compared_claims(collection.entries[0])
    assert found.scores == "30.10 / 0.7900"
    distances = [abs(difference or 0) for _, _, difference in found.measured]
    assert len(distances) == 2
    assert distances == sorted(distances)
    for _, mean, difference in found.measured:
        assert difference == pytest.approx((mean.psnr or 0) - 30.1)


def test_a_huge_entry_shows_its_ends_and_says_so(collected: Collect, monkeypatch: pytest.MonkeyPatch) -> None:
    collection = collected(lambda _: None)
    monkeypatch.setattr(models, "_MOST_ROWS", 10)
    monkeypatch.setattr(models, "_FEW_ROWS", 3)
    tables = {table.group: table for table in score_tables(collection.entries[0])}
    table = tables[4, "matlab-y", "Set14"]
    scores = sorted(float(str(row["psnr_y"])) for row in collection.entries[0].rows()[table.group])
    assert [row["psnr"] for row in table.rows] == [*scores[:3], *scores[-3:]]
    assert table.left_out == 14 - 6
    assert "6 of 14 images" in page_of(collection, "net-00000")


def test_the_data_of_the_comparison_are_the_rows(collected: Collect) -> None:
    collection = collected(lambda document: document.update(title="Ünïcode “net” 超"))
    made = {page.path: page.content for page in comparison.pages(collection)}
    script = str(made["data/compare/net-00000.js"]())
    assert script.isascii()
    document = json.loads(script.removeprefix("srbenchCompare.entry(").removesuffix(");\n"))
    assert document["title"] == "Ünïcode “net” 超"
    for group, rows in collection.entries[0].rows().items():
        kept = document["groups"][" ".join(map(str, group))]
        assert document["images"][kept["images"]] == [row["image"] for row in rows]
        assert kept["psnr"] == [row["psnr_y"] for row in rows]
        assert kept["ssim"] == [row["ssim_y"] for row in rows]


def test_a_licence_and_the_size_of_a_measurement_are_shown_as_submitted(collected: Collect) -> None:
    runtime = {"device": "a GPU", "size": [180, 320], "fps": {"4": 9.0}, "seconds_per_image": None}

    def edit(document: dict[str, Any]) -> None:
        document.update(license="MIT", runtime=runtime)
        document["model"]["weights_licence"] = "not stated"

    page = page_of(collected(edit), "net-00000")
    assert "<dt>Licence</dt><dd>not stated; MIT as submitted</dd>" in page
    assert "Frames per second are the submitter’s measurement on a GPU with an LR of 320×180 pixels." in page


def test_numbers_that_srbench_did_not_count_are_marked_as_claimed(collected: Collect) -> None:
    def edit(document: dict[str, Any]) -> None:
        document["runtime"] = {"device": "a GPU", "size": [180, 320], "fps": {"4": 9.0}, "seconds_per_image": None}
        document["model"].update(parameters={"4": 1000}, macs={"4": 2000})

    claimed = '<span class="level claimed">claimed</span>'
    collection = collected(edit)
    [entry] = collection.entries
    assert [entry.only_claimed(name) for name in ("parameters", "macs")] == [True, True]
    cells = page_of(collection, entry.id).partition('id="speed"')[2].partition("</table>")[0]
    assert cells.count(claimed) == 3
    assert not rerun_entry(entry, probed=True).only_claimed("parameters")
    assert rerun_entry(entry, probed=False).only_claimed("parameters")


def test_page_says_whether_the_memorisation_probe_was_run(collected: Collect) -> None:
    collection = collected(lambda document: None)
    [entry] = collection.entries

    def verification(probed: bool) -> str:
        page = page_of(replace(collection, entries=(rerun_entry(entry, probed=probed),)), entry.id)
        return page.partition('id="verification"')[2].partition("</section>")[0]

    assert 'class="level model-rerun">re-run, probe not run</span>' in verification(False)
    assert "re-run</span>" in verification(True)
    assert "×4: passed on 5 images, largest drop 0.25 dB" in verification(True)


def rerun_entry(entry: Entry, *, probed: bool) -> Entry:
    """Return the entry as if it had been re-run, with the memorisation probe or before there was one."""
    file = Path(__file__).parents[2] / "submissions" / "bicubic" / "verification.json"
    record = VerificationRecord.model_validate_json(file.read_text())
    drops = {"crop": DropFacts(mean=0.01, image=0.05), "shift": DropFacts(mean=0.1, image=0.25)}
    facts = MemorisationFacts(scale=4, status="passed", images=5, drops=drops)
    record = record.model_copy(update={"memorisation": (facts,) if probed else None})
    return replace(entry, submission=replace(entry.submission, level="model-rerun", verification=record))


def test_entries_with_equal_titles_get_their_id_in_the_chooser(collected: Collect) -> None:
    collection = collected(*(lambda document, title=title: document.update(title=title) for title in ("A", "B", "A")))
    made = {page.path: str(page.content()) for page in comparison.pages(collection)}
    names = ["A (net-00000)", "B", "A (net-00002)"]
    index = json.loads(made[comparison.INDEX].removeprefix("srbenchCompare.index(").removesuffix(");\n"))
    assert [title for _, title, _ in index["entries"]] == names
    assert [title in made["compare.html"] for title in names] == [True] * 3


def page_of(collection: Collection, entry: str) -> str:
    return str(next(page for page in models.pages(collection) if page.path == f"models/{entry}.html").content())
