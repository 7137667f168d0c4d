"""What a model page offers to copy is complete and true to the entry."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from leaderboard.citing import bibtex, commands
from leaderboard.collection import Collection, collect
from leaderboard.entries import Entry
from leaderboard.matching import partners
from srbench.cli import main

ROOT = Path(__file__).parents[2] / "submissions"


@pytest.fixture(scope="module")
def entries() -> Collection:
    return collect(ROOT)


def find(entries: Collection, name: str) -> Entry:
    return next(entry for entry in entries if entry.id == name)


def test_commands_name_every_set_and_protocol_of_a_run(entries: Collection) -> None:
    (first, second, *_, last) = commands(find(entries, "imdn-authors"))
    assert first == (
        "srbench evaluate --model zoo:imdn@authors --scale 2 --dataset Set5 --dataset Set14 --dataset BSD100 "
        "--protocol matlab-y --protocol bam2021 --output runs/imdn-authors-x2"
    )
    assert second == (
        "srbench evaluate --model zoo:imdn@authors --scale 2 --dataset Urban100 --protocol matlab-y "
        "--output runs/imdn-authors-x2-2"
    )
    assert last == "srbench leaderboard check imdn-authors --rerun"


def test_commands_of_all_entries_are_accepted_by_the_parser(entries: Collection) -> None:
    command = main.get_command(click.Context(main), "evaluate")
    assert command is not None
    for entry in entries:
        for line in commands(entry)[:-1]:
            command.make_context("evaluate", line.split()[2:], resilient_parsing=False)


def test_commands_of_an_entry_write_into_different_folders(entries: Collection) -> None:
    for entry in entries:
        folders = [line.rpartition("--output ")[2] for line in commands(entry)[:-1]]
        assert len(folders) == len(set(folders))


def test_bibtex_has_the_paper_and_the_entry(entries: Collection) -> None:
    text = bibtex(find(entries, "imdn-authors"))
    assert "@article{imdn2019," in text and "eprint = {1909.11856}" in text and "Zheng Hui and Xinbo Gao" in text
    assert "@misc{srbench-imdn-authors," in text and "matlab-y v1" in text
    assert bibtex(find(entries, "bicubic")).startswith("@misc{srbench-bicubic,")


def test_the_first_comparison_is_with_the_matched_base(entries: Collection) -> None:
    found = partners(entries)
    assert found["imdn-bam-srbench"] == "imdn-srbench"
    assert found["imdn-authors"].startswith("imdn")
    assert found["rlfn-authors"] == "bicubic"
