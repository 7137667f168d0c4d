"""Run folders: killed, resumed, tampered with, and never mixed up."""

from __future__ import annotations

import json
import math
import os
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from srbench.errors import ResultsError
from srbench.files import sha256_of
from srbench.journal import JOURNAL_NAME, Journal, checksum
from srbench.scores import RECORD_NAME, SCHEMA_VERSION, SCORES_NAME, Row, RunFolder, columns_of, mean, read_run
from tests.records.complete import run_record

KEY = {"model": "bicubic", "scale": 2, "protocols": {"matlab-y": 1}, "datasets": {"Set5": "abc"}}
RECORD = run_record()


def row(image: str, psnr: float = 30.25) -> Row:
    return {
        "model": "bicubic",
        "dataset": "Set5",
        "scale": 2,
        "protocol": "matlab-y",
        "protocol_version": 1,
        "image": image,
        "psnr_y": psnr,
        "ssim_y": 0.9,
        "psnr_rgb": None,
        "ssim_rgb": None,
        "psnr_y_aliased": 27.5,
        "psnr_lr": 40.0,
        "seconds": 0.1,
        "lr_source": "made",
        "hr_sha256": "h",
        "lr_sha256": "l",
        "lr_origin": None,
    }


def test_a_finished_folder_holds_exactly_two_files(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run", KEY)
    folder.append([row("baby", math.inf)])
    folder.append([row("bird")])
    folder.finish(RECORD)
    assert sorted(path.name for path in folder.path.iterdir()) == [RECORD_NAME, SCORES_NAME]
    run = read_run(folder.path)
    assert run.scores["psnr_y"].tolist() == [math.inf, 30.25]
    assert run.scores["psnr_rgb"].isna().all()
    assert read_run(folder.path / SCORES_NAME).record["key"] == KEY
    assert RunFolder(tmp_path / "run", KEY).rows == folder.rows


@pytest.mark.parametrize("cut", [0, 1, 40])
def test_a_journal_cut_anywhere_in_its_last_line_loses_only_that_line(tmp_path: Path, cut: int) -> None:
    folder = RunFolder(tmp_path, KEY)
    folder.append([row("baby", math.inf)])
    folder.append([row("bird")])
    journal = tmp_path / JOURNAL_NAME
    if cut:
        os.truncate(journal, journal.stat().st_size - cut)
    again = RunFolder(tmp_path, KEY)
    kept = ["baby", "bird"] if not cut else ["baby"]
    assert [line["image"] for line in again.rows] == kept
    again.append([row("head")])
    assert [line["image"] for line in RunFolder(tmp_path, KEY).rows] == [*kept, "head"]


def test_another_run_is_refused_and_the_difference_named(tmp_path: Path) -> None:
    RunFolder(tmp_path, KEY).append([row("baby")])
    with pytest.raises(ResultsError, match="scale: 2 there, 3 now"):
        RunFolder(tmp_path, {**KEY, "scale": 3})
    assert len(RunFolder(tmp_path, KEY).rows) == 1


def test_a_folder_with_files_of_others_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".cache").mkdir()
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ResultsError, match=r"expected an empty folder or one of this run, got other files \(notes.txt"):
        RunFolder(tmp_path, KEY)
    (tmp_path / "notes.txt").unlink()
    RunFolder(tmp_path, KEY).append([row("baby")])
    (tmp_path / "notes.txt").touch()
    assert len(RunFolder(tmp_path, KEY).rows) == 1, "notes next to a run do not stop it"


def test_damage_is_never_read_as_a_run(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "whole", KEY)
    folder.append([row("baby")])
    with pytest.raises(ResultsError, match="unfinished"):
        read_run(folder.path)
    folder.finish(RECORD)
    for name in (SCORES_NAME, RECORD_NAME):
        data = (folder.path / name).read_bytes()
        for position in range(0, len(data), max(1, len(data) // 40)):
            damaged = tmp_path / "damaged"
            shutil.copytree(folder.path, damaged)
            flipped = bytearray(data)
            flipped[position] ^= 1
            (damaged / name).write_bytes(bytes(flipped))
            with pytest.raises(ResultsError):
                read_run(damaged)
            shutil.rmtree(damaged)
    (folder.path / RECORD_NAME).write_text("{")
    with pytest.raises(ResultsError, match="damaged"):
        read_run(folder.path)


def test_a_damaged_journal_says_which_line(tmp_path: Path) -> None:
    RunFolder(tmp_path, KEY).append([row("baby"), row("bird")])
    journal = tmp_path / JOURNAL_NAME
    lines = journal.read_text().splitlines()
    journal.write_text("\n".join([lines[0], "{torn", lines[2]]) + "\n")
    with pytest.raises(ResultsError, match="line 2"):
        RunFolder(tmp_path, KEY)


def test_older_tables_have_null_as_aliasing_score(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run", KEY)
    folder.append([row("baby")])
    folder.finish({**RECORD, "schema_version": 1})
    table = folder.path / SCORES_NAME
    pq.write_table(pq.read_table(table).select(columns_of(1)), table)
    record = folder.path / RECORD_NAME
    document = {name: value for name, value in json.loads(record.read_text()).items() if name != "crc32"}
    record.write_text(json.dumps({**document, "scores_sha256": sha256_of(table)}))
    run = read_run(folder.path)
    assert (run.scores["psnr_y"].tolist(), run.scores["psnr_y_aliased"].isna().all()) == ([30.25], True)
    record.write_text(json.dumps({**document, "schema_version": SCHEMA_VERSION + 1}))
    with pytest.raises(ResultsError, match="schema version"):
        read_run(folder.path)


def test_a_table_from_before_lr_origins_is_read_with_nulls(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run", KEY)
    folder.append([row("baby")])
    folder.finish({**RECORD, "schema_version": 3})
    table, record = folder.path / SCORES_NAME, folder.path / RECORD_NAME
    pq.write_table(pq.read_table(table).select(columns_of(3)), table)
    document = {name: value for name, value in json.loads(record.read_text()).items() if name != "crc32"}
    document["scores_sha256"] = sha256_of(table)
    record.write_text(json.dumps({**document, "crc32": checksum(document)}))
    run = read_run(folder.path)
    assert run.scores.columns[-1] == "lr_origin"
    assert (run.scores["psnr_y"].tolist(), run.scores["lr_origin"].isna().all()) == ([30.25], True)


def test_a_journal_of_schema_version_3_is_resumed(tmp_path: Path) -> None:
    Journal(tmp_path, KEY, versions=(3,), columns=columns_of(3)).append([row("baby")])
    folder = RunFolder(tmp_path, KEY)
    folder.append([{**row("bird"), "lr_origin": "matlab-bicubic"}])
    assert [(line["image"], line.get("lr_origin")) for line in RunFolder(tmp_path, KEY).rows] == [
        ("baby", None),
        ("bird", "matlab-bicubic"),
    ]
    folder.finish(RECORD)
    assert read_run(tmp_path).scores["lr_origin"].fillna("unknown").tolist() == ["unknown", "matlab-bicubic"]


def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultsError, match="file") as caught:
        RunFolder(tmp_path / "file", KEY)
    assert "kept" not in str(caught.value), "there is nothing yet"


def test_a_table_without_its_record_is_not_overwritten(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, KEY)
    folder.append([row("baby")])
    journal = (tmp_path / JOURNAL_NAME).read_bytes()
    folder.finish(RECORD)
    (tmp_path / RECORD_NAME).unlink()
    with pytest.raises(ResultsError, match=r"expected run\.json next to scores\.parquet, got the table alone"):
        RunFolder(tmp_path, KEY)
    (tmp_path / JOURNAL_NAME).write_bytes(journal)
    assert len(RunFolder(tmp_path, KEY).rows) == 1, "killed between table and record, a run goes on"


def test_a_full_disk_keeps_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, new = RunFolder(tmp_path, KEY), RunFolder(tmp_path / "new", KEY)
    folder.append([row("baby")])

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ResultsError, match=r"disk is full.*is kept"):
        folder.append([row("bird")])
    with pytest.raises(ResultsError, match=r"disk is full(?!.*is kept)"):
        new.append([row("bird")])
    with pytest.raises(ResultsError, match="disk is full"):
        folder.finish(RECORD)
    monkeypatch.undo()
    assert not (tmp_path / SCORES_NAME).exists()
    assert RunFolder(tmp_path, KEY).rows[0]["image"] == "baby"


def test_no_infinity_or_nan_is_written_as_json(tmp_path: Path) -> None:
    RunFolder(tmp_path, KEY).append([row("baby", math.inf)])
    line = json.loads((tmp_path / JOURNAL_NAME).read_text().splitlines()[1])
    assert line["psnr_y"] == "inf"


def test_a_mean_with_a_gap_is_no_mean(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, KEY)
    folder.append([row("baby"), {**row("bird"), "ssim_y": None}])
    folder.finish(RECORD)
    scores = read_run(tmp_path).scores
    assert mean(scores["psnr_y"]) == 30.25
    assert mean(scores["ssim_y"]) is None
