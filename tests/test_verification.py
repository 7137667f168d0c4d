"""What a check finds, what re-scoring and re-running prove, and who may say that it was done."""

from __future__ import annotations

import json
import math
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from srbench.cli import main
from srbench.errors import SubmissionError
from srbench.files import sha256_of
from srbench.images import decode, save_png
from srbench.protocols import get_protocol
from srbench.submissions import Submission, read_submission, read_submissions
from srbench.verification import rescoring
from srbench.verification.check_all import CheckedFolder, _check_outliers, check_submissions
from srbench.verification.checks import bicubic_scores, check_entry
from srbench.verification.crop_checks import compare_crops
from srbench.verification.earlier import earlier_runs
from srbench.verification.rerun import RerunSettings, rerun
from srbench.verification.rescoring import rescore
from srbench.verification.tolerances import images_bound
from tests.in_process_runs import rerun_in_process
from tests.submissions.generated import SPEC, generate, rewrite

Edit = Callable[[list[dict[str, Any]], dict[str, Any]], object]


def srbench(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def found(checked: CheckedFolder, id: str) -> list[tuple[str, str]]:
    return [(finding.severity, finding.message) for finding in checked.findings if finding.id == id]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bicubic on the Sample under two preparations, submitted, with its SR images."""
    folder = tmp_path_factory.mktemp("sample")
    for protocol in ("matlab-y", "bam2021"):
        result = srbench(
            "evaluate",
            "--model",
            "bicubic",
            "--scale",
            4,
            "--dataset",
            "Sample",
            "--protocol",
            protocol,
            "--output",
            folder / f"run-{protocol}",
            "--save-images",
            folder / "images" / protocol,
        )
        assert result.exit_code == 0, result.output
    result = srbench(
        "submit",
        folder / "run-matlab-y",
        folder / "run-bam2021",
        "--id",
        "net",
        "--submissions",
        folder / "submissions",
    )
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def root(sample: Path, tmp_path: Path) -> Path:
    shutil.copytree(sample / "submissions", tmp_path / "submissions")
    return tmp_path / "submissions"


def test_rescored_images_raise_the_level_until_the_entry_changes(root: Path, sample: Path) -> None:
    result = srbench("leaderboard", "check", "net", "--rescore", sample / "images", "--submissions", root)
    assert result.exit_code == 0, result.output
    assert "14 scores reproduced, at most 0 dB and 0 SSIM away" in result.stderr
    entry = read_submission(root / "net")
    assert entry.level == "images-rescored"
    assert entry.verification is not None
    assert entry.verification.checked_sha256 == entry.checked_sha256
    assert entry.verification.largest_deviation.model_dump() == {"psnr": 0.0, "ssim": 0.0}

    path = root / "net" / "submission.json"
    path.write_text(path.read_text().replace("Bicubic (MATLAB)", "Bicubic"))
    changed = read_submission(root / "net")
    assert (changed.level, changed.verification) == ("claimed", None)
    assert changed.digest != entry.digest
    assert (
        found(check_submissions(root), "net")
        == [
            ("review", "changed since it was verified, so it shows as claimed; verify it again"),
            (
                "note",
                "not compared with bicubic, which has no entry here on the same images: "
                "Sample ×4 under bam2021 and 1 more",
            ),
        ][:1]
    )


@pytest.mark.long
def test_scores_of_different_images_are_refused(root: Path, sample: Path, tmp_path: Path) -> None:
    shutil.copytree(sample / "images", tmp_path / "images")
    path = tmp_path / "images" / "matlab-y" / "Sample" / "coffee.png"
    save_png(path, np.roll(decode(path), 1, axis=1))
    result = srbench("leaderboard", "check", "net", "--rescore", tmp_path / "images", "--submissions", root)
    assert result.exit_code == 1
    assert "Sample/coffee ×4 under matlab-y: psnr stated" in result.stderr
    assert not (root / "net" / "verification.json").exists()
    assert read_submission(root / "net").level == "claimed"
    path.unlink()
    result = srbench("leaderboard", "check", "net", "--rescore", tmp_path / "images", "--submissions", root)
    assert "got no such file" in result.stderr


@pytest.mark.parametrize(
    ("column", "change", "shown"),
    [
        ("psnr_y", 2e-6, "psnr"),
        pytest.param("ssim_y", -2e-6, "ssim", marks=pytest.mark.long),
        pytest.param("psnr_lr", 1.0, "psnr_lr", marks=pytest.mark.long),
        pytest.param("psnr_y_aliased", 0.1, "psnr_y_aliased", marks=pytest.mark.long),
    ],
)
def test_every_stated_score_is_compared_with_the_images(
    root: Path, sample: Path, column: str, change: float, shown: str
) -> None:
    rewrite(root / "net", lambda rows, _: rows[3].update({column: rows[3][column] + change}))
    outcome = rescore(read_submission(root / "net"), sample / "images")
    assert len(outcome.failures) == 1
    assert f"under matlab-y: {shown} stated" in outcome.failures[0]


@pytest.mark.long
@pytest.mark.parametrize("stated", [60.0, 108.0])
def test_a_high_stated_score_does_not_widen_its_tolerance(root: Path, sample: Path, stated: float) -> None:
    """`bam2021` does not round, so images prove its scores within what rounding costs at the PSNR that they have."""
    rewrite(root / "net", lambda rows, _: [row.update(psnr_y=stated) for row in rows if row["protocol"] == "bam2021"])
    outcome = rescore(read_submission(root / "net"), sample / "images")
    assert outcome.failures[-1] == "and 2 more"
    assert all(f"under bam2021: psnr stated {stated:.5f}, found" in failure for failure in outcome.failures[:-1])
    assert max(images_bound(get_protocol("bam2021"), found)[0] for found in (25.0, 60.0, 500.0, math.inf)) == 0.3


def test_unsafe_images_are_not_opened(
    root: Path, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = read_submission(root / "net")
    monkeypatch.setattr(rescoring, "run", lambda plan: pytest.fail("decoded"))
    images = tmp_path / "images"
    shutil.copytree(sample / "images", images)
    Image.new("1", (8000, 5000)).save(images / "matlab-y" / "big.png")
    with pytest.raises(SubmissionError, match=r"big\.png: expected at most 24,000,000 pixels, got 40,000,000"):
        rescore(entry, images)
    for data in (b"\x89PNG\r\n\x1a\n<script>", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n"):
        (images / "matlab-y" / "big.png").write_bytes(data)
        with pytest.raises(SubmissionError, match="expected an image that opens, got none"):
            rescore(entry, images)
    (images / "matlab-y" / "big.png").unlink()
    (images / "link").symlink_to(tmp_path)
    with pytest.raises(SubmissionError, match="expected plain files and folders, got a link"):
        rescore(entry, images)
    with pytest.raises(SubmissionError, match="archives are not unpacked"):
        rescore(entry, sample / "images.zip")


def test_images_of_one_preparation_do_not_verify_the_other(root: Path, sample: Path) -> None:
    with pytest.raises(SubmissionError, match="since the entry's protocols need different LR"):
        rescore(read_submission(root / "net"), sample / "images" / "matlab-y" / "Sample")


@pytest.mark.long
def test_a_rerun_in_a_separate_process_finds_one_wrong_score(sample: Path, tmp_path: Path) -> None:
    assert srbench("submit", sample / "run-matlab-y", "--id", "net", "--submissions", tmp_path).exit_code == 0
    rewrite(tmp_path / "net", lambda rows, _: rows[3].update(psnr_y=rows[3]["psnr_y"] + 0.01))
    result = srbench("leaderboard", "check", "net", "--rerun", "--submissions", tmp_path, "--device", "cpu")
    assert result.exit_code == 1
    assert result.stderr.startswith(
        "Error: net: expected the stated scores within 0.001 dB and 1e-05 SSIM, for fp32 "
        "on any device; Sample/coffee ×4 under matlab-y: psnr stated "
    )
    assert result.stderr.count("stated ") == 2


def of_spec(entry: Submission, spec: str, sha256: str = "0" * 64) -> Submission:
    """Return an entry that claims another model with other weights in its first run."""
    model = entry.record.model.model_copy(update={"spec": spec})
    first, *others = entry.record.runs
    runs = (first.model_copy(update={"weights_sha256": sha256}), *others)
    return replace(entry, record=entry.record.model_copy(update={"model": model, "runs": runs}))


@pytest.mark.long
def test_a_rerun_has_a_time_limit_and_runs_no_foreign_code(root: Path, tmp_path: Path) -> None:
    entry = read_submission(root / "net")
    with pytest.raises(SubmissionError, match=r"expected the run to end within 0\.01 s"):
        rerun(entry, RerunSettings(device="cpu", timeout=0.01))
    for spec in (SPEC, "images:SR"):
        with pytest.raises(SubmissionError, match="runs without its author's code"):
            rerun(of_spec(entry, spec))
    evil, ran = tmp_path / "evil.pth", tmp_path / "ran"
    evil.write_bytes(pickle.dumps(_Evil(str(ran))))
    entry = of_spec(entry, "zoo:imdn@evil.pth")
    with pytest.raises(SubmissionError, match="expected a file with the sha256 0000"):
        rerun(entry, RerunSettings(weights=tmp_path))
    entry = of_spec(entry, "zoo:imdn@evil.pth", sha256_of(evil))
    with pytest.raises(SubmissionError, match=r"got exit code 1: .*evil\.pth"):
        rerun(entry, RerunSettings(weights=evil, device="cpu"))
    assert not ran.exists()


@pytest.mark.long
def test_two_runs_of_a_scale_are_probed_together(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rerun_in_process(monkeypatch)
    entry = read_submission(root / "net")
    assert [run.scale for run in entry.record.runs] == [4, 4]
    found = rerun(entry, RerunSettings(device="cpu"))
    assert found.rows == 14 and [one.images for one in found.memorisation] == [7]


@pytest.mark.long
def test_scores_that_were_reproduced_before_are_not_run_again(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = rerun_in_process(monkeypatch)
    before, root = tmp_path / "before", tmp_path / "after"
    check = ("leaderboard", "check", "net", "--rerun", "--device", "cpu", "--submissions")
    assert srbench("submit", sample / "run-matlab-y", "--id", "net", "--submissions", before).exit_code == 0
    both = ("submit", sample / "run-matlab-y", sample / "run-bam2021", "--id", "net", "--submissions", root)
    assert srbench(*both).exit_code == 0
    assert "that was run again, got one that is only claimed" in srbench(*check, root, "--earlier", before).stderr
    assert "net: expected the earlier version" in srbench(*check, root, "--earlier", tmp_path).stderr
    assert srbench(*check, before).exit_code == 0
    commands.clear()
    result = srbench(*check, root, "--earlier", before)
    today = datetime.now(UTC).date().isoformat()
    assert f"net: 14 scores reproduced, 7 of them on {today}, at most 0 dB" in result.stderr
    assert [part for command in commands for part in command if part in ("matlab-y", "bam2021")] == ["bam2021"]
    verification, earlier = (read_submission(folder / "net").verification for folder in (root, before))
    assert verification and earlier and verification.earlier and verification.memorisation == earlier.memorisation
    assert (verification.earlier.rows, verification.earlier.checked_sha256) == (7, earlier.checked_sha256)
    assert not list(check_submissions(root).findings)
    assert "earlier version of the entry, got the same one" in srbench(*check, root, "--earlier", root).stderr

    assert srbench(*both, "--replace").exit_code == 0
    rewrite(root / "net", lambda rows, _: rows[3].update(psnr_y=rows[3]["psnr_y"] + 0.01))
    commands.clear()
    result = srbench(*check, root, "--earlier", before)
    assert "expected a run that" in result.stderr and not commands, "a changed score is not taken over"


def test_reviews_wait_for_a_maintainer_once(sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rerun_in_process(monkeypatch)
    before, after = tmp_path / "before", tmp_path / "after"
    runs = sample / "run-matlab-y", sample / "run-bam2021"
    for root, submitted in ((before, runs[:1]), (after, runs)):
        assert srbench("submit", *runs, "--id", "a", "--title", "A", "--submissions", root).exit_code == 0
        assert srbench("submit", *submitted, "--id", "net", "--submissions", root).exit_code == 0
    check = ("leaderboard", "check", "net", "--rerun", "--device", "cpu", "--submissions")
    accept = ("--by", "A. Maintainer", "--accept")
    assert "open reviews, got 1 review: has the means of 'a' to the last digit" in srbench(*check, before).stderr
    assert "a part of a review's message, got 'typo'" in srbench(*check, before, *accept, "typo").stderr
    assert srbench(*check, before, *accept, "to the last digit").exit_code == 0
    first = read_submission(before / "net").verification
    assert first and [(one.finding[-17:], one.by) for one in first.accepted] == [("to the last digit", "A. Maintainer")]

    assert "open reviews, got 1 review" in srbench(*check, after).stderr
    assert srbench(*check, after, "--earlier", before).exit_code == 0
    second = read_submission(after / "net").verification
    assert second and second.earlier and second.accepted == first.accepted


@pytest.mark.long
def test_only_new_sets_are_probed_after_an_earlier_verification(
    test_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SRBENCH_DATA", str(test_data / "data"))
    commands = rerun_in_process(monkeypatch)
    before, after = tmp_path / "before", tmp_path / "after"
    for name in ("Set5", "Set14"):
        run = ("evaluate", "--model", "bicubic", "--scale", 2, "--dataset", name, "--output", tmp_path / name)
        assert srbench(*run).exit_code == 0
    assert srbench("submit", tmp_path / "Set5", "--id", "net", "--submissions", before).exit_code == 0
    check = ("leaderboard", "check", "net", "--rerun", "--device", "cpu", "--submissions")
    assert srbench(*check, before).exit_code == 0
    shutil.copytree(before, after)
    extended = srbench("submit", tmp_path / "Set14", "--id", "net", "--submissions", after, "--extend")
    assert "removed verification.json" in extended.stderr
    commands.clear()
    assert srbench(*check, after, "--earlier", before).exit_code == 0
    assert [part for command in commands for part in command if part in ("Set5", "Set14")] == ["Set14"]
    verification = read_submission(after / "net").verification
    complete = rerun(read_submission(after / "net"), RerunSettings(device="cpu"))
    assert verification and verification.memorisation == complete.memorisation
    assert [facts.images for facts in complete.memorisation] == [19]


def lower_a_score(scale: int, rows: list[dict[str, Any]], _: dict[str, Any]) -> None:
    next(row for row in rows if row["scale"] == scale)["psnr_y"] = 20.0


@pytest.mark.long
def test_crops_of_a_changed_scale_are_not_taken_over(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rerun_in_process(monkeypatch)
    before, after, twice, crops = (tmp_path / name for name in ("before", "after", "x2", "crops"))
    assert (
        srbench("evaluate", "--model", "bicubic", "--scale", 2, "--dataset", "Sample", "--output", twice).exit_code == 0
    )
    assert srbench("samples", "--model", "bicubic", "--output", crops).exit_code == 0  # at ×4
    made = ("submit", sample / "run-matlab-y", twice, "--id", "net", "--samples", crops, "--submissions", before)
    assert srbench(*made).exit_code == 0
    check = ("leaderboard", "check", "net", "--rerun", "--device", "cpu", "--submissions", before)
    assert srbench(*check).exit_code == 0
    for changed, kept, crops_kept in ((4, 2, False), (2, 4, True)):
        shutil.rmtree(after, ignore_errors=True)
        shutil.copytree(before, after)
        rewrite(after / "net", partial(lower_a_score, changed))
        found = earlier_runs(read_submission(after / "net"), before)
        assert (found.scales, found.samples_verified) == ({kept}, crops_kept)


@pytest.mark.long
def test_a_rerun_also_reproduces_the_crops(sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rerun_in_process(monkeypatch)
    root, crops = tmp_path / "submissions", tmp_path / "crops"
    assert srbench("samples", "--model", "bicubic", "--output", crops).exit_code == 0
    assert (
        srbench("submit", sample / "run-matlab-y", "--id", "net", "--submissions", root, "--samples", crops).exit_code
        == 0
    )
    save_png(tmp_path / "own" / "new.png", decode(sample / "images" / "matlab-y" / "Sample" / "coffee.png")[::-1])
    thorough = ("--thorough", tmp_path / "own")
    result = srbench("leaderboard", "check", "net", "--rerun", "--submissions", root, "--device", "cpu", *thorough)
    assert "net ×4: +0.00 dB compared with bicubic on 1 unpublished image, +0.00 dB on Sample" in result.stderr
    assert "net: 7 scores and 10 sample crops reproduced, at most 0 dB" in result.stderr
    entry = read_submission(root / "net")
    assert (entry.level, entry.samples_verified) == ("model-rerun", True) and entry.verification
    [probe] = entry.verification.memorisation or ()
    assert (probe.scale, probe.status, probe.images) == (4, "passed", 7)
    assert "net ×4: memorisation probe passed" in result.stderr
    [gains] = entry.verification.unpublished
    assert (gains.scale, gains.images, gains.benchmark, gains.gain, gains.benchmark_gain) == (4, 1, "Sample", 0, 0)

    old = entry.verification.plain() | {"schema_version": 1}
    del old["samples_sha256"]  # as it was written before crops were made again
    _write_verification(root, old)
    before = read_submission(root / "net")
    assert (before.level, before.samples_verified) == ("model-rerun", False)
    result = srbench("leaderboard", "check", "net", "--rerun-crops", "--submissions", root, "--device", "cpu")
    assert "net: 10 sample crops reproduced; level model-rerun" in result.stderr
    after = read_submission(root / "net")
    assert after.samples_verified and after.verification == entry.verification

    [path] = (root / "net" / "samples").glob("brick.*")
    pixels = np.asarray(Image.open(path)).copy()
    pixels[7, 7, 1] ^= 2
    Image.fromarray(pixels).save(path, lossless=True, exact=True)
    other = read_submission(root / "net")
    assert (other.level, other.samples_verified, other.digest == entry.digest) == ("model-rerun", False, False)
    note = "a re-run did not reproduce its samples; pages show them as submitted"
    assert ("note", note) in found(check_submissions(root), "net")
    [failure] = compare_crops(other, crops)
    assert failure.startswith("samples/brick.webp: a value differs by 2 levels from the model's own crop; ")


def _write_verification(root: Path, document: dict[str, Any]) -> None:
    """As a maintainer does it: in the entry and in the list."""
    path = root / "net" / "verification.json"
    path.write_text(json.dumps(document, indent=1) + "\n")
    listed = {"net": {"level": document["level"], "sha256": sha256_of(path)}}
    (root / "verified.json").write_text(json.dumps({"schema_version": 1, "entries": listed}))


class _Evil:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path(self.path),)


def test_a_forged_verification_has_no_effect(root: Path, sample: Path) -> None:
    assert srbench("leaderboard", "check", "net", "--rescore", sample / "images", "--submissions", root).exit_code == 0
    [forged] = generate(root, 1)
    genuine = json.loads((root / "net" / "verification.json").read_text())
    own = read_submission(forged)
    document = {**genuine, "id": own.id, "level": "model-rerun", "checked_sha256": own.checked_sha256}
    (forged / "verification.json").write_text(json.dumps(document))
    assert read_submission(forged).level == "claimed"
    assert read_submission(forged).digest == own.digest
    reason = "has a verification.json that no maintainer wrote; remove the file"
    assert ("error", reason) in found(check_submissions(root), own.id)

    # A maintainer's verification of one entry says nothing of another, or of a higher level.
    shutil.copy(root / "net" / "verification.json", forged / "verification.json")
    assert read_submission(forged).level == "claimed"
    (root / "net" / "verification.json").write_text(json.dumps({**genuine, "level": "model-rerun"}))
    assert read_submission(root / "net").level == "claimed"


@pytest.mark.long
def test_only_maintainers_change_the_list(root: Path, sample: Path, tmp_path: Path) -> None:
    base = tmp_path / "base"
    shutil.copytree(root, base)
    assert srbench("leaderboard", "check", "net", "--rescore", sample / "images", "--submissions", root).exit_code == 0
    assert check_submissions(root).passed
    checked = check_submissions(root, base=base)
    assert found(checked, "verified.json") == [
        ("error", "expected the list of the base; only maintainers change it, in a change of its own")
    ]
    reason = "the change adds its verification.json, which only maintainers do; undo that"
    assert ("error", reason) in found(checked, "net")
    shutil.rmtree(base / "net")
    assert ("error", reason) in found(check_submissions(root, base=base), "net")
    (root / "net" / "verification.json").unlink()
    assert found(check_submissions(root), "net")[0] == (
        "review",
        "verified.json lists it, but its verification.json is gone, so it shows as claimed; verify it again",
    )


def test_replaced_entry_loses_its_verification_and_passes(root: Path, sample: Path, tmp_path: Path) -> None:
    assert srbench("leaderboard", "check", "net", "--rescore", sample / "images", "--submissions", root).exit_code == 0
    base = tmp_path / "base"
    shutil.copytree(root, base)
    (root / "net" / "verification.json").unlink()
    removed = "the change removes its verification.json, which only maintainers do; undo that"
    assert found(check_submissions(root, base=base), "net")[-1] == ("error", removed)
    shutil.rmtree(root)
    shutil.copytree(base, root)
    title, submitted = ("--title", "Other"), ("--submissions", root)
    done = srbench("submit", sample / "run-matlab-y", "--id", "net", *title, *submitted, "--replace")
    assert done.stderr == "removed verification.json, which holds only for the replaced files; maintainers verify\n"
    assert read_submission(root / "net").level == "claimed"
    assert check_submissions(root, base=base).passed


def test_a_change_adds_one_entry_and_touches_nothing_else(root: Path, tmp_path: Path) -> None:
    generate(root, 2)
    (root / "brief.study.json").write_text("{}")
    base = tmp_path / "base"
    shutil.copytree(root, base)
    shutil.copytree(root / "net-00001", root / "new")
    checked = check_submissions(root, ["net"], base=base)
    assert checked.passed
    rewrite(root / "net-00000", lambda _, document: document.update(title="Other"))
    shutil.rmtree(root / "net-00001")
    (root / "brief.study.json").write_text('{"mean": 9.99}')
    (root / "entry.zip").write_bytes(b"PK")
    (root / "new" / "link").symlink_to(tmp_path)
    errors = {
        finding.id: finding.message
        for finding in check_submissions(root, ["net"], base=base).findings
        if finding.severity == "error"
    }
    only = "a submission adds or changes one entry's folder and touches nothing else"
    assert errors["brief.study.json"] == f"the change modifies it; {only}"
    assert errors["entry.zip"] == f"the change adds it; {only}"
    assert errors["net-00001"].startswith("expected a change of one entry, got one of net-00000, too")
    assert errors["new"].startswith("expected a change of one entry")


@pytest.mark.parametrize("text", ["{", "[]", '{"schema_version": 1, "entries": {"../net": {}}}', "[" * 100_000])
def test_a_damaged_list_makes_every_entry_claimed(root: Path, text: str) -> None:
    (root / "verified.json").write_text(text)
    collection = read_submissions(root)
    assert [entry.level for entry in collection.entries] == ["claimed"]
    assert [problem.id for problem in collection.problems] == ["verified.json"]
    assert not check_submissions(root).passed


def _all(column: str, value: float) -> Edit:
    return lambda rows, _: [row.update({column: value}) for row in rows]


IMDN = "e660c38221147217a136debeb99eb304d62d9c0f73ac421ed66281b619719714"


def _zoo(rows: list[dict[str, Any]], document: dict[str, Any], *, weights: str = IMDN, **model: Any) -> None:
    document["model"] |= {
        "spec": "zoo:imdn@authors",
        "network": "imdn",
        "attention": "cca",
        "tag": "authors",
        "parameters": {"4": 715_176},
        "macs": {"4": 61_328_796_672},
        **model,
    }
    document["runs"][0]["weights_sha256"] = weights
    for row in rows:
        row["model"] = "zoo:imdn@authors"


CASES: dict[str, tuple[Edit, str, str]] = {
    "over 60 dB": (_all("psnr_y", 60.5), "review", "PSNR over 60 dB on 10 scores, such as Set5/baby ×4 under matlab-y"),
    "identical": (lambda rows, _: rows[0].update(psnr_y=math.inf, ssim_y=1.0), "review", "over 60 dB on 1 score, such"),
    "far over bicubic": (_all("psnr_y", 55.0), "review", "PSNR more than 18 dB over bicubic's"),
    "shifted": (_all("psnr_lr", 46.0), "review", "psnr_lr far under bicubic's (3 dB on a set, 10 dB on an image) on "),
    "one foreign image": (lambda rows, _: rows[2].update(psnr_lr=37.0), "review", "on an image) on 1 score, such as"),
    "another LR": (lambda rows, _: [row.update(lr_sha256="0" * 64) for row in rows], "review", "another LR than"),
    "another HR": (
        lambda rows, _: [row.update(hr_sha256="0" * 64) for row in rows if row["image"] == "baby"],
        "error",
        "Set5: the fingerprint does not belong to the hashes of the images",
    ),
    "changing HR": (lambda rows, _: rows[0].update(hr_sha256="0" * 64), "error", "expected the same HR images"),
    "other variant": (
        lambda _, document: document["runs"][0]["datasets"]["Set5"].update(variant="edsr"),
        "error",
        "Set5: stated as edsr, but its pixels are canonical",
    ),
    "old protocol": (
        lambda rows, document: (
            [row.update(protocol_version=9) for row in rows if row["protocol"] == "bam2021"]
            and document["runs"][0]["protocols"]["bam2021"].update(version=9)
        ),
        "error",
        "bam2021: expected version 1, got 9",
    ),
    "unknown network": (
        lambda rows, document: _zoo(rows, document, spec="zoo:imdn@authors", network="pan"),
        "error",
        "model.network: stated as pan, but zoo:imdn@authors has imdn",
    ),
    "too few parameters": (
        lambda rows, document: _zoo(rows, document, parameters={"4": 1}),
        "error",
        "model.parameters: stated as {'4': 1}, but zoo:imdn@authors has {'4': 715176}",
    ),
    "other weights": (
        lambda rows, document: _zoo(rows, document, weights="0" * 64),
        "error",
        "the weights' hash differs from that of zoo:imdn@authors",
    ),
}


@pytest.mark.parametrize(("edit", "severity", "message"), CASES.values(), ids=list(CASES))
def test_numbers_are_compared_with_known_facts(tmp_path: Path, edit: Edit, severity: str, message: str) -> None:
    bicubic, folder = generate(tmp_path, 2)
    baseline = bicubic_scores([read_submission(rewrite(bicubic, _as_bicubic))])
    assert list(check_entry(read_submission(folder), baseline)) == []
    said = list(check_entry(read_submission(rewrite(folder, edit)), baseline))
    assert [kind for kind, text in said if message in text] == [severity], said


def test_lr_that_is_not_what_it_says_is_an_error(tmp_path: Path) -> None:
    bicubic, folder = generate(tmp_path, 2)
    baseline = bicubic_scores([read_submission(rewrite(bicubic, _as_bicubic))]).assign(verified=True)
    assert list(check_entry(read_submission(folder), baseline)) == []
    said = list(check_entry(read_submission(rewrite(folder, CASES["another LR"][0])), baseline))
    assert [kind for kind, text in said if text.startswith("LR that is not what it says")] == ["error"]


def _as_bicubic(rows: list[dict[str, Any]], document: dict[str, Any]) -> None:
    document["model"].update(spec="bicubic")
    for row in rows:
        row.update(model="bicubic")


def _only(rows: list[dict[str, Any]], document: dict[str, Any], *, names: tuple[str, ...], dataset: str) -> None:
    rows[:] = [{**row, "dataset": dataset} for row in rows if row["image"] in names]
    facts = document["runs"][0]["datasets"].pop("Set5")
    document["runs"][0]["datasets"][dataset] = {**facts, "n": len(names), "n_expected": len(names)}


def test_a_set_that_lacks_images_or_is_unknown_is_an_error(tmp_path: Path) -> None:
    easy, other = generate(tmp_path, 2)
    rewrite(easy, lambda rows, document: _only(rows, document, names=("baby", "bird"), dataset="Set5"))
    rewrite(other, lambda rows, document: _only(rows, document, names=("baby", "bird"), dataset="MySet"))
    checked = check_submissions(tmp_path)
    assert ("error", "Set5: expected 5 images, got 2") in found(checked, "net-00000")
    assert any(
        kind == "error" and text.startswith("MySet: expected a dataset that srbench knows")
        for kind, text in found(checked, "net-00001")
    )


def test_copied_titles_and_tables_are_reviewed(tmp_path: Path) -> None:
    first, second = generate(tmp_path, 2)
    shutil.copy(first / "scores.parquet", second / "scores.parquet")
    rewrite(second, lambda _, document: document.update(title="Νet О", date="2026-02-01"))
    checked = check_submissions(tmp_path)
    assert {text for kind, text in found(checked, second.name) if kind == "review"} == {
        "its title looks like that of 'net-00000'",
        "has the means of 'net-00000' to the last digit",
    }


def test_means_taken_from_another_entry_are_reviewed(tmp_path: Path) -> None:
    first, mixed, fewer, tiled = generate(tmp_path, 4)
    taken = pq.read_table(first / "scores.parquet").to_pylist()

    def mix(rows: list[dict[str, Any]], _: dict[str, Any]) -> None:
        rows[:] = [theirs if row["protocol"] == "matlab-y" else row for row, theirs in zip(rows, taken, strict=True)]

    def take_fewer(rows: list[dict[str, Any]], document: dict[str, Any]) -> None:
        rows[:] = [theirs for theirs in taken if theirs["protocol"] == "matlab-y"]
        document["runs"][0]["protocols"].pop("bam2021")

    rewrite(mixed, mix)
    rewrite(fewer, take_fewer)
    shutil.copy(first / "scores.parquet", tiled / "scores.parquet")
    rewrite(tiled, lambda _, document: document["options"].update(tile=4096))
    checked = check_submissions(tmp_path)
    assert found(checked, mixed.name)[-1] == ("review", "has 1 of its 2 means of 'net-00000' to the last digit")
    assert found(checked, fewer.name)[-1] == ("review", "has the means of 'net-00000' to the last digit")
    assert all(kind == "note" for kind, _ in found(checked, tiled.name))  # openly the same model


def test_means_far_above_all_reruns_are_reviewed(tmp_path: Path) -> None:
    for folder, psnr in zip(generate(tmp_path, 3), (32.0, 33.1, 32.9), strict=True):
        rewrite(folder, _all("psnr_y", psnr))
    own, high, near = read_submissions(tmp_path).entries
    assert not list(_check_outliers([own, high, near]))
    assert not list(_check_outliers([replace(own, level="model-rerun"), high, near])), "own weights set no bar"
    rewrite(tmp_path / own.id, lambda _, document: document["model"].update(tag="authors"))
    run_again = read_submission(tmp_path / own.id)
    [finding] = _check_outliers([replace(run_again, level="model-rerun"), high, near])
    assert (finding.id, finding.severity, finding.message) == (
        high.id,
        "review",
        "mean PSNR more than 1 dB over every network that was run again on 2 sets, such as Set5 ×4 under matlab-y",
    )
