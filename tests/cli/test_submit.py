from __future__ import annotations

import json
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from srbench.cli import main
from srbench.records.submission import AUTHOR_FIELDS
from srbench.submissions import json_schema, read_submission
from tests.submissions.generated import plain_document
from tests.submissions.runs import write_run
from tests.test_docs import blocks


def srbench(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run")


def test_submit_and_check(run: Path, tmp_path: Path) -> None:
    about = tmp_path / "about.toml"
    about.write_text(
        'title = "My net"\nauthors = ["A. Author"]\n'
        '[[claims]]\nscale = 4\ndataset = "Set5"\npsnr = 30.5\nssim = 0.88\nsource = "Table 1"\n'
    )
    root = tmp_path / "submissions"
    result = srbench("submit", run, "--id", "my-net", "--about", about, "--license", "MIT", "--submissions", root)
    assert result.exit_code == 0, result.output
    assert result.stdout == (
        f"wrote {root / 'my-net'}; see it with `srbench leaderboard check my-net --submissions {root}`\n"
    )
    assert sorted(path.name for path in (root / "my-net").iterdir()) == ["scores.parquet", "submission.json"]
    entry = read_submission(root / "my-net")
    assert (entry.title, plain_document(entry)["license"]) == ("My net", "MIT")
    assert plain_document(entry)["model"]["parameters"] == {"4": 1000}
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


def readme_example() -> str:
    [example] = [block for block in blocks("submissions/README.md") if block.title == "about.toml"]
    return example.body


def test_the_example_of_the_readme_fills_every_field(run: Path, tmp_path: Path) -> None:
    (tmp_path / "about.toml").write_text(readme_example(), encoding="utf-8")
    result = srbench("submit", run, "--id", "net", "--about", tmp_path / "about.toml", "--submissions", tmp_path)
    assert result.exit_code == 0, result.output
    document = plain_document(read_submission(tmp_path / "net"))
    said = tomllib.loads(readme_example())
    assert said.keys() == set(AUTHOR_FIELDS)
    assert {name: document[name] for name in said} == said | {"date": "2026-01-31"}
    for name, inner in (
        ("paper", document["paper"]),
        ("training", document["training"]),
        ("runtime", document["runtime"]),
        ("claims", document["claims"][0]),
    ):
        assert None not in inner.values(), f"the example leaves something of {name} out"


@pytest.mark.parametrize(
    ("text", "field", "expected"),
    [
        ('paper = {title = "P"}', "paper", {"title": "P", "url": None, "year": None}),
        (
            'training = {data = "DIV2K"}',
            "training",
            {
                "data": "DIV2K",
                "recipe": None,
                "recipe_sha256": None,
                "fingerprint": None,
                "steps": None,
                "seed": None,
                "tag": None,
            },
        ),
        (
            'training = {seed = 3, data = "DIV2K"}',
            "training",
            {
                "data": "DIV2K",
                "recipe": None,
                "recipe_sha256": None,
                "fingerprint": None,
                "steps": None,
                "seed": 3,
                "tag": None,
            },
        ),
        (
            'runtime = {device = "CPU", size = [1, 2]}',
            "runtime",
            {"device": "CPU", "size": [1, 2], "fps": None, "seconds_per_image": None},
        ),
        (
            '[[claims]]\nscale = 4\ndataset = "Set5"\npsnr = 30\nsource = "T"',
            "claims",
            [{"scale": 4, "dataset": "Set5", "psnr": 30, "ssim": None, "source": "T"}],
        ),
        ("date = 2026-01-02", "date", "2026-01-02"),
        ('date = "2026-01-02"', "date", "2026-01-02"),
    ],
)
def test_what_toml_cannot_say_may_be_left_out(
    run: Path, tmp_path: Path, text: str, field: str, expected: object
) -> None:
    about = tmp_path / "about.TOML"
    about.write_text(text)
    result = srbench("submit", run, "--id", "net", "--about", about, "--submissions", tmp_path)
    assert result.exit_code == 0, result.output
    document = plain_document(read_submission(tmp_path / "net"))
    assert document[field] == expected
    assert json.dumps(document[field]) == json.dumps(expected), "in the order of the schema"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('title = ""', ", title: expected text of 1 to 120 characters without blanks around it, got ''"),
        ('authors = "A. Author"', ", authors: expected a list, got 'A. Author'"),
        ("paper = {year = 2021}", ", paper.title: expected this field, got none"),
        ('paper = {title = "P", pages = 3}', ", paper.pages: unknown field 'pages'"),
        ('paper = {title = "P", url = "http://x.org"}', ", paper.url: expected an https:// address in ASCII, got "),
        ("paper = 2021", ", paper: expected an object, got 2021"),
        (
            "[[claims]]\nscale = 4",
            ", claims[0].dataset: expected this field, got none",
        ),
        ("date = 2026-01-02T00:00:00", ", date: expected a date YYYY-MM-DD, got datetime"),
        ("date = 1999-01-02", ", date: expected a date from 2000-01-01 on, got '1999-01-02'"),
        ("date = 9999-12-31", ", date: expected a date that is not in the future, up to "),
        ("claims = [3]", ", claims[0]: expected an object, got 3"),
        (
            f"paper = {{title = 'P', year = 0x{'f' * 5000}}}",
            ", paper.year: expected an integer from 1990 to 2100, got an ",
        ),
        ("id = 'x'", ": expected the fields title, authors, paper, code, license, date, training, runtime, claims, "),
        ("title = ", ": expected TOML or JSON, got a file that does not parse (Invalid value"),
        ("a = " + "[" * 9999, ": expected TOML or JSON, got a file that does not parse ("),
    ],
)
def test_errors_in_the_about_file_name_the_file(run: Path, tmp_path: Path, text: str, reason: str) -> None:
    about = tmp_path / "about.toml"
    about.write_text(text)
    result = srbench("submit", run, "--id", "net", "--about", about, "--submissions", tmp_path / "s")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {about}{reason}")
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("flag", "value", "reason"),
    [
        (
            "--title",
            "<b>Net</b>",
            "--title: expected plain text without markup, got '?b?Net?/b?'; refused character: U+003C",
        ),
        ("--title", "a\u202eb", "--title: expected printable characters that show, got U+202E"),
        (
            "--id",
            "my_net",
            "--id: expected an id of 1 to 64 characters a-z 0-9 . - starting with a letter or digit, "
            "got 'my_net'; refused character: '_' (U+005F LOW LINE)",
        ),
        (
            "--id",
            "caf\xe9",
            "--id: expected an id of 1 to 64 characters a-z 0-9 . - starting with a letter or digit, "
            "got 'caf?'; refused character: U+00E9 LATIN SMALL LETTER E WITH ACUTE",
        ),
        ("--title", "", "--title: expected text of 1 to 120 characters without blanks around it, got ''"),
        ("--author", "=A", "--author[0]: expected text that no spreadsheet takes for a formula"),
        ("--code", "http://x.org", "--code: expected an https:// address in ASCII, got 'http?//x.org'"),
        ("--license", " ", "--license: expected text of 1 to 100 characters without blanks around it, got ' '"),
    ],
)
def test_errors_in_an_option_name_the_option(run: Path, tmp_path: Path, flag: str, value: str, reason: str) -> None:
    given = {"--id": "net", flag: value}
    result = srbench("submit", run, *chain.from_iterable(given.items()), "--submissions", tmp_path / "s")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: {reason}")


def test_images_without_a_title_are_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", spec="images:runs/matlab-y")
    arguments = ["submit", run, "--id", "net", "--submissions", tmp_path / "s"]
    assert srbench(*arguments).stderr == (
        "Error: title: expected one, since the name of a folder of images says nothing of the model that made them; "
        "give --title, or title in the file of --about\n"
    )
    assert srbench(*arguments, "--title", "My net").exit_code == 0


def test_a_refused_submission_gives_the_reason(run: Path, tmp_path: Path) -> None:
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
    assert len(read_submission(tmp_path / "submissions" / "net").samples) == 10
    result = srbench(*arguments)
    assert result.exit_code == 1
    assert "expected a new entry, got an existing one; give --replace, --extend or another --id" in result.stderr
    result = srbench(*arguments, "--replace")
    assert result.stderr == (
        "removed the entry's samples, which may show another model; give new ones with --samples\n"
    )
    assert read_submission(tmp_path / "submissions" / "net").samples == ()
    assert srbench(*arguments, "--replace").stderr == ""


def test_an_extended_entry_keeps_its_facts_and_samples(run: Path, tmp_path: Path) -> None:
    arguments = ["--id", "net", "--submissions", tmp_path / "submissions"]
    more = write_run(tmp_path / "more", dataset="Set14")
    result = srbench("submit", more, *arguments, "--extend")
    assert (result.exit_code, "expected an existing entry to extend, got none" in result.stderr) == (1, True)
    assert srbench("samples", "--model", "bicubic", "--output", tmp_path / "samples").exit_code == 0
    samples = ["--samples", tmp_path / "samples"]
    assert srbench("submit", run, *arguments, "--title", "My net", "--author", "A", *samples).exit_code == 0
    assert srbench("submit", more, *arguments, "--extend", "--replace").exit_code == 2
    result = srbench("submit", more, *arguments, "--extend", "--author", "B")
    assert (result.exit_code, result.stderr) == (0, "")
    entry = read_submission(tmp_path / "submissions" / "net")
    assert (entry.title, entry.record.authors, len(entry.samples)) == ("My net", ("B",), 10)
    assert entry.scores["dataset"].value_counts().to_dict() == {"Set14": 14, "Set5": 5}
    result = srbench("submit", more, *arguments, "--extend")
    assert (result.exit_code, "got Set14 ×4 under matlab-y, which it has" in result.stderr) == (1, True)


def test_the_schema_is_published() -> None:
    result = srbench("submit", "--schema")
    assert (result.exit_code, result.stdout) == (0, json_schema())


NEEDS_RERUN = "needs --rerun or --rerun-crops: add that, or leave it out"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--weights", "."), f"--weights {NEEDS_RERUN}"),
        (("--device", "auto"), f"--device {NEEDS_RERUN}"),
        (("--timeout", "3600"), f"--timeout {NEEDS_RERUN}"),
        (("--rescore", ".", "--device", "cpu"), f"--device {NEEDS_RERUN}"),
        (("--rescore", ".", "--weights", "."), f"--weights {NEEDS_RERUN}"),
        (("--data-root", "."), "--data-root needs --rescore or --rerun: add that, or leave it out"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_options_that_a_check_does_not_use_are_refused(tmp_path: Path, options: tuple[str, ...], reason: str) -> None:
    result = srbench("leaderboard", "check", "net", *options, "--submissions", tmp_path)
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (2, f"Error: {reason}")


@pytest.mark.parametrize(
    "options",
    [
        ("--rerun", "--weights", ".", "--device", "cpu", "--timeout", "9", "--data-root", "."),
        ("--rescore", ".", "--data-root", "."),
    ],
    ids=" ".join,
)
def test_an_option_that_a_check_looks_at_is_taken(tmp_path: Path, options: tuple[str, ...]) -> None:
    result = srbench("leaderboard", "check", "net", *options, "--submissions", tmp_path)
    assert (result.exit_code, result.stderr) == (1, "Error: unknown submission 'net'; known: none\n")


def test_a_broken_entry_fails_the_check_and_nothing_else(run: Path, tmp_path: Path) -> None:
    root = tmp_path / "submissions"
    for name in ("good", "broken"):
        assert srbench("submit", run, "--id", name, "--submissions", root).exit_code == 0
    (root / "broken" / "scores.parquet").write_bytes(b"PAR1")
    result = srbench("leaderboard", "check", "--submissions", root)
    assert result.exit_code == 1
    assert "error   broken: scores.parquet: expected the table whose hash submission.json gives" in result.stdout
    assert result.stderr == "Error: expected entries that pass, got 1 finding against them\n"
    assert srbench("leaderboard", "check", "good", "--submissions", root).exit_code == 0
    assert srbench("leaderboard", "check", "brokem", "--submissions", root).stderr == (
        "Error: unknown submission 'brokem'; did you mean broken?\n"
    )
    assert srbench("leaderboard", "check", "--rerun", "--submissions", root).exit_code == 2
