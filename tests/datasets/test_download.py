"""`srbench data`: what is fetched, imported and listed, through the real command line."""

from __future__ import annotations

import hashlib
import re
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from srbench.cli import main
from srbench.datasets import available_datasets, open_dataset
from srbench.datasets.catalogue import CATALOGUE, known_images
from srbench.images import encode_png
from tests.datasets.layouts import content, flat, image


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["data", *arguments])


@pytest.fixture
def hub_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A mirror with an archive like the hub's: no hash of it is published."""
    flat(tmp_path / "Set5_HR", content("Set5")[0], {}, "Set5")
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    with tarfile.open(mirror / "Set5_HR.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "Set5_HR", arcname="Set5_HR")
    monkeypatch.setenv("SRBENCH_MIRROR", str(mirror))
    return mirror


def test_an_unpinned_archive_needs_its_own_word(hub_mirror: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    refused = _run("download", "Set5", "--data-root", str(root))
    assert refused.exit_code == 1
    assert "Set5_HR.tar.gz is unpinned" in refused.stderr
    assert available_datasets(root) == []
    taken = _run("download", "Set5", "--data-root", str(root), "--allow-unpinned")
    assert taken.exit_code == 0
    assert taken.stdout.startswith("Set5 (test): 5 of 5 images from Set5_HR.tar.gz/Set5_HR, given LR: none;")
    assert open_dataset("Set5", data_root=root).names == [image.name for image in known_images("Set5")]


def test_other_bytes_under_a_pinned_name_are_not_used(hub_mirror: Path, tmp_path: Path) -> None:
    (hub_mirror / "benchmark.tar").write_bytes((hub_mirror / "Set5_HR.tar.gz").read_bytes())
    result = _run("download", "Set5", "--data-root", str(tmp_path / "root"))
    assert result.exit_code == 1
    assert "expected md5 4ace41d33c2384b97e6b320cd0afd6ba" in result.stderr


@pytest.mark.parametrize(("name", "reason"), [("Manga109", "redistributed"), ("RealSR7", "password")])
def test_what_cannot_be_downloaded_says_why(name: str, reason: str) -> None:
    result = _run("download", name)
    assert result.exit_code == 1
    assert reason in result.stderr


def test_import_reports_used_and_skipped_files(tmp_path: Path) -> None:
    hr, _ = content("Set5")
    flat(tmp_path / "given", dict(list(hr.items())[:4]), {}, "Set5")
    (tmp_path / "given" / "notes.txt").write_text("")
    result = _run("import", "set5", str(tmp_path / "given"), "--data-root", str(tmp_path / "root"))
    assert result.exit_code == 0
    assert result.stdout.startswith("Set5 (test): 4 of 5 images from given, given LR: none; pixels: unknown;")
    assert "left out 1: not an image (png, jpg, bmp)" in result.stderr
    assert "warning: Set5 lacks 1 image\n" in result.stderr
    (tmp_path / "given" / "notes.txt").unlink()
    result = _run("import", "Set14", str(tmp_path / "given"), "--data-root", str(tmp_path / "root"))
    assert result.stderr == (
        "Error: Set14: expected its images, found none; 4 files left out: not one of the names of "
        "Set14 (baby and 3 more)\n"
    )


def test_list_shows_every_dataset(tmp_path: Path) -> None:
    flat(tmp_path / "Set5" / "HR", content("Set5")[0], {}, "Set5")
    result = _run("list", "--data-root", str(tmp_path))
    lines = [line.split() for line in result.stdout.splitlines()]
    found = [line[:4] for line in lines]
    assert {line[0] for line in found[1:]} == set(CATALOGUE)
    for expected in (
        ["dataset", "split", "state", "images"],
        ["Set5", "test", "complete", "5/5"],
        ["Set14", "test", "missing", "0/14"],
        ["BSD100", "test", "missing", "0/100"],
        ["Urban100", "test", "missing", "0/100"],
        ["Manga109", "test", "missing", "0/109"],
        ["DIV2K", "train", "missing", "0/800"],
        ["DIV2K", "validation", "missing", "0/100"],
        ["DIV2K", "test", "hidden", "0/?"],
        ["RealSR7", "test", "missing", "0/?"],
    ):
        assert expected in found


def test_verify_exits_0_only_for_what_is_known(test_data: Path, tmp_path: Path) -> None:
    real = _run("verify", "--data-root", str(test_data / "data"))
    assert real.exit_code == 0, real.output
    flat(tmp_path / "Set5" / "HR", content("Set5")[0], {}, "Set5")
    assert _run("verify", "Set5", "--data-root", str(tmp_path)).exit_code == 1
    nothing = _run("verify", "--data-root", str(tmp_path / "nothing"))
    assert nothing.exit_code == 1
    assert "found none" in nothing.stderr


def test_a_missing_set_does_not_stop_the_check_of_others(tmp_path: Path) -> None:
    flat(tmp_path / "RealSR7" / "HR", content("RealSR7")[0], {}, "RealSR7")
    result = _run("verify", "Urban100", "RealSR7", "--data-root", str(tmp_path))
    assert result.exit_code == 1
    assert "Urban100 (test) was not found" in result.stderr and result.stdout.startswith("RealSR7: 7 images")


def test_preview_writes_a_sheet(tmp_path: Path) -> None:
    result = _run("preview", "--scale", "2", "--count", "1", "--output", str(tmp_path))
    assert result.stdout == f"{tmp_path / 'Sample_x2.png'}\n"
    assert (tmp_path / "Sample_x2.png").is_file()


def test_unknown_names_are_answered_with_close_ones(tmp_path: Path) -> None:
    result = _run("list", "Set15")
    assert result.exit_code == 1
    assert "did you mean Set5 or Set14" in result.stderr


def test_bsd100_arrives_image_by_image_with_its_pinned_bytes(
    test_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SRBENCH_MIRROR", str(test_data / "data" / "BSD100" / "HR"))
    result = _run("download", "BSD100", "--data-root", str(tmp_path))
    assert result.exit_code == 0, result.stderr
    assert open_dataset("BSD100", data_root=tmp_path).variant == "canonical"


def _div2k_mirror(folder: Path, split: str) -> dict[str, str]:
    """The four archives of a split, with two images each; their MD5 by name."""
    folder.mkdir()
    first = 1 if split == "train" else 801
    hashes = {}
    for part in ("HR", *(f"LR_bicubic_X{scale}" for scale in (2, 3, 4))):
        path = folder / f"DIV2K_{split}_{part}.zip"
        scale = int(part[-1]) if part != "HR" else 0
        inner = f"DIV2K_{split}_HR/{{}}.png" if not scale else f"DIV2K_{split}_LR_bicubic/X{scale}/{{}}x{scale}.png"
        with zipfile.ZipFile(path, "w") as archive:
            for number in (first, first + 1):
                pixels = image(number, height=12 // max(1, scale), width=24 // max(1, scale))
                archive.writestr(inner.format(f"{number:04}"), encode_png(pixels))
        hashes[path.name] = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    return hashes


@pytest.mark.parametrize(
    ("name", "split"), [("DIV2K", "valid"), ("div2k:validation", "valid"), ("DIV2K:train", "train")]
)
def test_div2k_fetches_the_asked_split_and_says_the_size_first(
    name: str, split: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashes = _div2k_mirror(tmp_path / "mirror", split)
    monkeypatch.setenv("SRBENCH_MIRROR", str(tmp_path / "mirror"))
    entry = CATALOGUE["DIV2K"]
    sources = tuple(
        replace(s, files=tuple(replace(f, size=None, md5=hashes.get(f.name, f.md5)) for f in s.files))
        for s in entry.sources
    )
    monkeypatch.setitem(CATALOGUE, "DIV2K", replace(entry, sources=sources))
    result = _run("download", name, "--data-root", str(tmp_path / "root"))
    assert result.exit_code == 0, result.stderr
    title = {"valid": "validation", "train": "train"}[split]
    size = sum(path.stat().st_size for path in (tmp_path / "mirror").iterdir())
    announced = f"DIV2K ({title}): 4 files, {size / 1e6:.1f} MB, from ETH Zürich"
    assert result.stderr.splitlines()[0] == announced
    assert result.stdout.startswith(f"DIV2K ({title}): 2 of {100 if split == 'valid' else 800} images")
    assert [path.name for path in (tmp_path / "root" / "DIV2K").glob("*.parquet")] == [f"{title}.parquet"]


def test_list_shows_what_a_download_would_take(tmp_path: Path) -> None:
    lines = _run("list", "DIV2K", "BSD100", "Manga109", "--data-root", str(tmp_path)).stdout.splitlines()
    sizes = [re.split("  +", line)[4] for line in lines[1:]]
    assert sizes == ["7.7 MB to download", "-", "at least 4.5 GB to download", "at least 566.8 MB to download", "-"]


def test_a_hidden_split_is_named_before_anything_is_fetched(tmp_path: Path) -> None:
    result = _run("download", "Set5", "DIV2K:test", "--data-root", str(tmp_path))
    assert result.exit_code == 1 and "its HR was never published" in result.stderr and "files" not in result.stderr
