from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from srbench.cli import main
from srbench.submissions import json_schema, read_submission
from tests.submissions.runs import write_run


def srbench(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run")


def test_submit_and_check(run: Path, tmp_path: Path) -> None:
    about = tmp_path / "about.toml"
    about.write_text('title = "My net"\nauthors = ["A. Author"]\n'
                     '[[claims]]\nscale = 4\ndataset = "Set5"\npsnr = 30.5\nssim = 0.88\nsource = "Table 1"\n')
    root = tmp_path / "submissions"
    result = srbench("submit", run, "--id", "my-net", "--about", about, "--license", "MIT", "--submissions", root)
    assert result.exit_code == 0, result.output
    assert result.stdout == (f"wrote {root / 'my-net'}; see it with `srbench leaderboard check my-net "
                             f"--submissions {root}`\n")  # fmt: skip
    assert sorted(path.name for path in (root / "my-net").iterdir()) == ["scores.parquet", "submission.json"]
    entry = read_submission(root / "my-net")
    assert (entry.title, entry.document["license"]) == ("My net", "MIT")
    assert entry.document["model"]["parameters"] == {"4": 1000}
    result = srbench("leaderboard", "check", "--submissions", root, "--output", tmp_path / "out")
    assert result.exit_code == 0
    assert result.stdout == (
        "entry   level    errors  reviews  notes\n"
        "------  -------  ------  -------  -----\n"
        "my-net  claimed  0       0        1\n\n"
        "note    my-net: not compared with bicubic, which has no entry here on the same images: "
        "Set5 ×4 under matlab-y\n"
    )
    assert json.loads((tmp_path / "out" / "check.json").read_text())["passed"] is True


def test_what_is_refused_is_said(run: Path, tmp_path: Path) -> None:
    result = srbench("submit", run, run, "--id", "net", "--submissions", tmp_path / "s")
    assert (result.exit_code, result.stderr) == (1, "Error: runs[1]: Set5 ×4 under matlab-y is in two runs\n")
    result = srbench("submit", run, "--id", "Net", "--submissions", tmp_path / "s")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: --id: expected an id of 1 to 64 characters a-z 0-9 . -")
    (tmp_path / "about.json").write_text("[1]")
    result = srbench("submit", run, "--id", "net", "--about", tmp_path / "about.json")
    assert "expected a table of fields, got list" in result.stderr
    assert srbench("submit", "--id", "net").exit_code == 2
    assert srbench("submit", tmp_path / "none", "--id", "net").exit_code == 2


def test_samples_that_are_dropped_are_said(run: Path, tmp_path: Path) -> None:
    arguments = ["submit", run, "--id", "net", "--submissions", tmp_path / "submissions"]
    assert srbench("samples", "--model", "bicubic", "--output", tmp_path / "samples").exit_code == 0
    result = srbench(*arguments, "--samples", tmp_path / "samples")
    assert (result.exit_code, result.stderr) == (0, "")
    assert len(read_submission(tmp_path / "submissions" / "net").samples) == 7
    result = srbench(*arguments)
    assert result.stderr == ("removed the entry's samples, which may show another model; give new ones with "
                             "--samples\n")  # fmt: skip
    assert read_submission(tmp_path / "submissions" / "net").samples == ()
    assert srbench(*arguments).stderr == ""


def test_the_schema_is_published() -> None:
    result = srbench("submit", "--schema")
    assert (result.exit_code, result.stdout) == (0, json_schema())


def test_a_broken_entry_fails_the_check_and_nothing_else(run: Path, tmp_path: Path) -> None:
    root = tmp_path / "submissions"
    for name in ("good", "broken"):
        assert srbench("submit", run, "--id", name, "--submissions", root).exit_code == 0
    (root / "broken" / "scores.parquet").write_bytes(b"PAR1")
    result = srbench("leaderboard", "check", "--submissions", root)
    assert result.exit_code == 1
    assert "error   broken: scores.parquet: expected the table whose hash submission.json gives" in result.stdout
    assert result.stderr == "Error: expected entries that pass, got 1 findings against them\n"
    assert srbench("leaderboard", "check", "good", "--submissions", root).exit_code == 0
    assert srbench("leaderboard", "check", "brokem", "--submissions", root).stderr == (
        "Error: unknown submission 'brokem'; did you mean broken?\n")  # fmt: skip
    assert srbench("leaderboard", "check", "--rerun", "--submissions", root).exit_code == 2
