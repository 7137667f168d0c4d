from __future__ import annotations

import errno
import hashlib
import itertools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from srbench.errors import SubmissionError
from srbench.records.submission import SubmissionRecord
from srbench.scores import read_run
from srbench.submissions import (
    create,
    draft_submission,
    extend_submission,
    json_schema,
    read_submission,
    read_submissions,
    write_submission,
)
from srbench.submissions.confusables import skeleton
from srbench.submissions.create import public_spec
from srbench.submissions.crops import SIDE
from tests.submissions.generated import generate, plain_document
from tests.submissions.runs import write_run


def submit(root: Path, *runs: Path, id: str = "net", **about: Any) -> Path:
    draft = draft_submission([read_run(run) for run in runs], id=id, about=about)
    return write_submission(root / "submissions", draft)


def test_runs_of_several_scales_become_one_entry(tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / "x2", scale=2, weights="a" * 64, recipe="long"),
        write_run(tmp_path / "x4", weights="b" * 64, recipe="short"),
        write_run(tmp_path / "bam", protocol="bam2021", weights="b" * 64, recipe="short"),
    ]
    entry = read_submission(submit(tmp_path, *runs, title="Net ×2 and ×4", authors=["A. Author"]))
    assert (entry.id, entry.title, entry.level, entry.verification) == ("net", "Net ×2 and ×4", "claimed", None)
    assert plain_document(entry)["training"]["data"] == "DIV2K"
    assert plain_document(entry)["training"]["recipe"] == "long (×2); short (×4)"
    long, short = (hashlib.sha256(name).hexdigest() for name in (b"long", b"short"))
    both = hashlib.sha256(f"x2 {long}\nx4 {short}".encode()).hexdigest()
    assert plain_document(entry)["training"]["recipe_sha256"] == both
    alone = plain_document(draft_submission([read_run(run) for run in runs[1:]], id="net"))["training"]
    assert (alone["recipe"], alone["recipe_sha256"]) == ("short", short)
    assert [run["scale"] for run in plain_document(entry)["runs"]] == [2, 4, 4]
    assert plain_document(entry)["options"] == {
        "precision": "fp32",
        "tile": None,
        "self_ensemble": False,
        "optimise": "none",
        "lr_source": "made",
    }
    scores = entry.scores
    assert scores.groupby(["scale", "protocol"]).size().to_dict() == {
        (2, "matlab-y"): 5,
        (4, "matlab-y"): 5,
        (4, "bam2021"): 5,
    }
    [mean] = plain_document(entry)["runs"][0]["means"]
    assert mean["psnr"] == pytest.approx(scores[scores["scale"] == 2]["psnr_y"].mean(), abs=1e-12)
    assert "not for the public" not in json.dumps(entry.document)


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        ({"precision": "bf16"}, "precision: expected one for all runs"),
        ({"tile": 64}, "tile: expected one for all runs"),
        ({"self_ensemble": True}, "self_ensemble: expected one for all runs"),
        ({"lr_source": "given"}, "lr_source: expected one for all runs"),
        ({"optimise": "fold"}, "optimise: expected one for all runs"),
        ({"spec": "python:other:network"}, "model spec: expected one for all runs"),
        ({"scale": 4, "protocol": "bam2021", "weights": "b" * 64}, "expected the weights of the other runs at ×4"),
        ({"missing": 1, "scale": 2}, "expected all 5 images of Set5, got 4"),
        ({"scale": 4}, "Set5 ×4 under matlab-y is in two runs"),
    ],
)
def test_one_submission_is_one_model_with_one_set_of_options(
    tmp_path: Path, second: dict[str, Any], reason: str
) -> None:
    runs = write_run(tmp_path / "a"), write_run(tmp_path / "b", **{"scale": 2, **second})
    with pytest.raises(SubmissionError, match=reason):
        submit(tmp_path, *runs)
    assert not (tmp_path / "submissions").exists()


def test_fields_that_authors_do_not_write_are_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    with pytest.raises(SubmissionError, match="about: expected the fields title, authors"):
        submit(tmp_path, run, scores_sha256="0" * 64)
    with pytest.raises(SubmissionError, match="about, title: expected plain text"):
        submit(tmp_path, run, title="<b>Net</b>")
    with pytest.raises(SubmissionError, match="--id: expected an id"):
        submit(tmp_path, run, id="../net")


def test_images_of_several_sets_and_protocols_are_one_entry(tmp_path: Path) -> None:
    kinds: list[dict[str, Any]] = [{}, {"dataset": "Set14"}, {"protocol": "bam2021"}]
    runs = [
        write_run(tmp_path / str(number), spec="images:sr", weights=None, images=str(number) * 64, **kind)
        for number, kind in enumerate(kinds)
    ]
    entry = read_submission(submit(tmp_path, *runs, title="Net"))
    assert [run.images_sha256 for run in entry.record.runs] == [str(number) * 64 for number in range(3)]


def test_images_of_a_folder_need_a_title(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", spec="images:/home/me/matlab-y")
    with pytest.raises(SubmissionError, match=r"^title: expected one, since .*; give --title, or title in the file"):
        submit(tmp_path, run)
    title = "My model, " + "long " * 20 + "title"
    document = plain_document(read_submission(submit(tmp_path, run, title=title)))
    assert (document["title"], document["model"]["spec"]) == (title, "images:matlab-y")
    assert document["model"]["name"] == title[:100].rstrip()


@pytest.mark.parametrize(
    ("second", "spec"),
    [
        ({"protocol": "bam2021"}, "onnx:net.onnx"),
        ({"dataset": "Set14"}, "onnx:net.onnx"),
        ({"dataset": "Set14", "spec": "onnx:moved/renamed.onnx"}, "onnx:net.onnx"),
        ({"scale": 2, "weights": "b" * 64, "spec": "onnx:net_x2.onnx"}, "onnx:net.onnx + net_x2.onnx"),
        ({"scale": 8, "weights": "b" * 64, "spec": "onnx:x8/net.onnx"}, "onnx:net.onnx"),
    ],
)
def test_an_extended_entry_is_the_entry_of_all_runs(tmp_path: Path, second: dict[str, Any], spec: str) -> None:
    first: dict[str, Any] = {"spec": "onnx:net.onnx", "recipe": "long"}
    about: dict[str, Any] = {"title": "Net", "footnotes": ["Three seeds."], "date": "2026-01-02"}
    runs = write_run(tmp_path / "a", **first), write_run(tmp_path / "b", **{**first, **second})
    entry = read_submission(submit(tmp_path, runs[0], **about))
    extended = extend_submission(entry, [read_run(runs[1])], about={"date": "2026-01-02"})
    by_scale = sorted(map(read_run, runs), key=lambda run: run.facts.scale)
    expected = draft_submission(by_scale, id="net", about=about)
    names = {"spec": spec, "name": entry.record.model.name}
    assert plain_document(extended) == {
        **plain_document(expected),
        "model": {**plain_document(expected)["model"], **names},
    }
    assert extended.table.drop(["model"]).equals(expected.table.drop(["model"]))
    again = read_submission(write_submission(tmp_path / "submissions", extended, replace=True))
    assert again.record.date == "2026-01-02"


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        ({}, "net: expected scores that the entry lacks, got Set5 ×4 under matlab-y, which it has"),
        ({"dataset": "Set14", "spec": "python:other:network"}, "net, model: expected the entry's, python:example"),
        ({"dataset": "Set14", "tile": 64}, "net, tile: expected the entry's, None, got 64"),
        ({"dataset": "Set14", "weights": "b" * 64}, "expected the weights of the other runs at ×4, got others"),
        ({"scale": 2, "recipe": "short"}, "net: expected weights at ×2 with the entry's training, got another"),
        ({"dataset": "Set14", "missing": 1}, "expected all 14 images of Set14, got 13"),
    ],
)
def test_an_entry_is_extended_only_by_runs_of_its_model(tmp_path: Path, second: dict[str, Any], reason: str) -> None:
    entry = read_submission(submit(tmp_path, write_run(tmp_path / "a", recipe="long")))
    run = write_run(tmp_path / "b", **{"recipe": "long", **second})
    with pytest.raises(SubmissionError, match=reason):
        extend_submission(entry, [read_run(run)])


@pytest.mark.parametrize(
    ("specs", "spec"),
    [
        (("images:sr/x4", "images:sr/x2"), "images:x2 + x4"),
        (("onnx:/a/net_x4.onnx", "onnx:/b/net_x2.onnx"), "onnx:net_x2.onnx + net_x4.onnx"),
        (("onnx:x4/net.onnx", "onnx:x2/net.onnx"), "onnx:net.onnx"),
        (("zoo:imdn@four/w.pt", "zoo:imdn@two/v.pt"), "zoo:imdn@v.pt + w.pt"),
        (("spandrel:four.pth", f"spandrel:{'2' * 185}.pth"), f"spandrel:{'2' * 185}.pth"),
        (("zoo:imdn@four.pt", "zoo:pan@two.pt"), None),
        (("zoo:imdn@four.pt", "zoo:imdn@authors"), None),
        (("onnx:net.onnx", "spandrel:net.onnx"), None),
    ],
)
def test_each_scale_may_have_its_own_file(tmp_path: Path, specs: tuple[str, str], spec: str | None) -> None:
    runs = [
        read_run(write_run(tmp_path / str(scale), spec=one, scale=scale, weights=str(scale) * 64))
        for one, scale in zip(specs, (4, 2), strict=True)
    ]
    if spec is None:
        with pytest.raises(SubmissionError, match="model spec: expected one for all runs"):
            draft_submission(runs, id="net")
        return
    draft = draft_submission(runs, id="net", about={"title": "Net"})
    assert plain_document(draft)["model"]["spec"] == spec
    assert plain_document(read_submission(write_submission(tmp_path, draft)))["model"]["name"]


def test_folders_of_killed_replacements_are_swept(tmp_path: Path) -> None:
    folder = submit(tmp_path, write_run(tmp_path / "run"))
    (folder.parent / ".gone.abcd_012.old").mkdir()
    (folder.parent / ".net.abcdefgh.old").mkdir()
    (folder.parent / ".other.abcdefgh").mkdir()
    for left in folder.parent.glob(".*"):
        os.utime(left, (0, 0))
    (folder.parent / ".fresh.abcdefgh").mkdir()
    write_submission(folder.parent, draft_submission([read_run(tmp_path / "run")], id="net"), replace=True)
    assert sorted(path.name for path in folder.parent.iterdir()) == [".fresh.abcdefgh", "gone", "net"]


def crops(folder: Path, *names: str, colour: str = "red") -> Path:
    folder.mkdir(parents=True)
    for name in names:
        Image.new("RGB", (SIDE, SIDE), colour).save(folder / name, lossless=True)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones included."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("names", [("brick.webp",), ("astronaut.webp",), ()], ids=str)
def test_a_replaced_entry_loses_its_old_samples(tmp_path: Path, names: tuple[str, ...]) -> None:
    draft = draft_submission([read_run(write_run(tmp_path / "run"))], id="net")
    root = tmp_path / "submissions"
    write_submission(root, draft, samples=crops(tmp_path / "old", "astronaut.png", "coffee.png"))
    new = crops(tmp_path / "new", *names) if names else None
    folder = write_submission(root, draft, samples=new, replace=True)
    assert read_submission(folder).samples == names
    assert sorted(contents(root)) == sorted(
        ["net/scores.parquet", "net/submission.json", *(f"net/samples/{name}" for name in names)]
    )


def test_an_entry_can_be_recreated_with_its_own_samples(tmp_path: Path) -> None:
    draft = draft_submission([read_run(write_run(tmp_path / "run"))], id="net")
    folder = write_submission(tmp_path, draft, samples=crops(tmp_path / "crops", "coffee.png"))
    before = contents(folder)
    write_submission(tmp_path, draft, samples=folder / "samples", replace=True)
    assert contents(folder) == before


def _breaks_at(step: int, original: Callable[..., Any]) -> Callable[..., Any]:
    """The function, whose call of that number finds the disk full."""
    calls = itertools.count(1)

    def broken(*arguments: Any, **keywords: Any) -> Any:
        if next(calls) == step:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return original(*arguments, **keywords)

    return broken


@pytest.mark.parametrize(
    ("owner", "name", "step"),
    [
        (create, "TemporaryDirectory", 1),
        (create, "write_atomic", 1),
        (create, "write_atomic", 2),
        (create, "write_atomic", 3),
        (create, "read_submission", 1),
        (Path, "rename", 1),
        (Path, "rename", 2),
    ],
)
def test_a_failed_replacement_leaves_the_entry_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, step: int
) -> None:
    root, runs = tmp_path / "submissions", [read_run(write_run(tmp_path / "run"))]
    old, new = (draft_submission(runs, id="net", about={"title": title}) for title in ("Old", "New"))
    write_submission(root, old, samples=crops(tmp_path / "old", "astronaut.png"))
    before, samples = contents(root), crops(tmp_path / "new", "brick.png", colour="blue")
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, _breaks_at(step, getattr(owner, name)))
        with pytest.raises(SubmissionError, match="the disk is full; free some space and run the same command again"):
            write_submission(root, new, samples=samples, replace=True)
    assert contents(root) == before
    assert read_submission(write_submission(root, new, samples=samples, replace=True)).samples == ("brick.png",)


@pytest.mark.parametrize("name", ["notes.txt", "images.zip"])
def test_files_that_submit_did_not_write_are_kept(tmp_path: Path, name: str) -> None:
    folder = submit(tmp_path, write_run(tmp_path / "run"))
    (folder / name).write_text("mine")
    with pytest.raises(SubmissionError, match=rf"expected only .*, got '{name}'.*; remove the folder, or "):
        submit(tmp_path, write_run(tmp_path / "again"))
    assert (folder / name).read_text() == "mine"
    elsewhere = folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(elsewhere)
    with pytest.raises(SubmissionError, match="expected a folder or nothing, got a link or a file"):
        submit(tmp_path, tmp_path / "run")
    assert folder.is_symlink()


@pytest.mark.parametrize(
    ("spec", "public"),
    [
        ("zoo:imdn@authors", "zoo:imdn@authors"),
        ("zoo:imdn@/home/me/w.safetensors", "zoo:imdn@w.safetensors"),
        ("images:/home/me/SR", "images:SR"),
        ("onnx:nets/a<b>.onnx", "onnx:a-b-.onnx"),
        ("bicubic", "bicubic"),
        ("python:pkg.mod:factory", "python:pkg.mod:factory"),
        ("Net.<locals>", "Net.-locals-"),
    ],
)
def test_paths_of_the_submitter_are_not_published(spec: str, public: str) -> None:
    assert public_spec(spec) == public


def test_names_that_look_alike_have_one_skeleton() -> None:
    for twin in ("irndn-bam", "lmdn-bam", "1mdn.bam", "IMDN_BAM", "ｉｍｄｎ-bam", "іmdn-bаm", "imdn–bam", "ímdn-bam"):
        assert skeleton(twin) == skeleton("imdn-bam"), twin
    names = ["imdn", "imdn-bam", "pan", "carn", "carn-m", "rcan", "edsr", "msrn", "drln", "bicubic", "s-lwsr32"]
    assert len({skeleton(name) for name in names}) == len(names)


def test_json_schema_matches_the_reader(tmp_path: Path) -> None:
    schema = json.loads(json_schema())
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["required"] == list(SubmissionRecord.model_fields) == list(schema["properties"])
    for part in (schema, *schema["$defs"].values()):
        assert part["additionalProperties"] is False
        optional = set(part["properties"]) - set(part.get("required", ()))
        assert all("default" in part["properties"][name] for name in optional - {"factory_args"})
    [folder] = generate(tmp_path, 1)
    assert list(json.loads((folder / "submission.json").read_text())) == list(schema["properties"])


def test_tables_of_trusted_entries_are_not_checked_again(tmp_path: Path) -> None:
    [folder] = generate(tmp_path, 1)
    [entry] = read_submissions(tmp_path).entries
    [again] = read_submissions(tmp_path, trusted={entry.digest}).entries
    assert again == entry
    (folder / "scores.parquet").write_bytes(b"other")
    assert not read_submissions(tmp_path, trusted={entry.digest}).entries
    with pytest.raises(SubmissionError, match=r"expected the table whose hash submission\.json gives"):
        _ = entry.scores


def test_a_missing_folder_is_an_error() -> None:
    with pytest.raises(SubmissionError, match="expected a folder of submissions, got none"):
        read_submissions(Path("nowhere"))
