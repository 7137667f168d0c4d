"""Sets read from a root, a folder and the embedded Sample: order, pixels, pairs, and every way in which they fail."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from srbench.datasets import Sample, Set5, available_datasets, data_root, open_dataset
from srbench.datasets.imageset import SAMPLE_NAMES
from srbench.datasets.parquet_writer import ImageWriter
from srbench.errors import DatasetError, ImageError, ProtocolError, SrbenchError, UnknownNameError
from srbench.images import encode_png, pixel_sha256, save_png
from srbench.protocols import get_protocol
from srbench.resize import imresize
from srbench.result import evaluate


def _image(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def _root(tmp_path: Path, *, names: tuple[str, ...] = ("baby", "bird"), lr: bool = False) -> Path:
    for seed, name in enumerate(names):
        save_png(tmp_path / "Set5" / "HR" / f"{name}.png", _image(24, 36, seed))
        if lr:
            save_png(tmp_path / "Set5" / "LR_bicubic" / "X4" / f"{name}x4.png", _image(6, 9, seed))
    return tmp_path


def test_sample_is_the_photographs_of_scikit_image() -> None:
    images = open_dataset("Sample")
    assert images.names == sorted(SAMPLE_NAMES)
    assert images.n_expected == len(images) == 7
    assert images.hr("astronaut").shape == (512, 512, 3)
    brick = images.hr("brick")
    assert (brick[..., 0] == brick[..., 2]).all()
    assert images.fingerprint == "233e43c167bbd7b6d869fae4634e659bad73a0461e54a41577e44cfa41235146"


def test_a_root_needs_no_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = _root(tmp_path, names=("woman", "baby"), lr=True)
    monkeypatch.setenv("SRBENCH_DATA", str(root))
    assert data_root() == root
    assert available_datasets() == ["Set5"]
    images = open_dataset("set5")
    assert (images.name, images.names, images.n_expected) == ("Set5", ["baby", "woman"], 5)
    assert images.given_scales == (4,)
    assert (images.given_lr("baby", scale=4) == _image(6, 9, 1)).all()
    assert images.variant == "unknown"


def test_a_folder_of_images_is_a_set(tmp_path: Path) -> None:
    save_png(tmp_path / "mine" / "b.png", _image(8, 8))
    save_png(tmp_path / "mine" / "a.png", _image(9, 9))
    (tmp_path / "mine" / "notes.txt").write_text("not an image")
    images = open_dataset(f"folder:{tmp_path / 'mine'}")
    assert (images.name, images.names, images.n_expected) == ("mine", ["a", "b"], 2)
    for name in ("Set5", "b100", "Sample", "Set50"):
        save_png(tmp_path / name / "baby.png", _image(8, 8))
        images = open_dataset(f"folder:{tmp_path / name}")
        assert (images.name, images.variant) == (name if name == "Set50" else f"folder-{name}", "own")


def test_fingerprint_follows_the_pixels_and_not_the_clock(tmp_path: Path) -> None:
    root = _root(tmp_path)
    path = root / "Set5" / "HR" / "baby.png"
    before, stat = open_dataset("Set5", data_root=root).fingerprint, path.stat()
    save_png(path, _image(24, 36, seed=9))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    images = open_dataset("Set5", data_root=root)
    assert images.fingerprint != before
    assert images.pixel_hashes["baby"] == pixel_sha256(images.hr("baby"))
    assert open_dataset("Set5", data_root=root).fingerprint == images.fingerprint
    (kept,) = (Path(os.environ["SRBENCH_CACHE"]) / "fingerprints").iterdir()
    for damage in ('{"bird": 5}', "[1]", '{"bird": [], "baby": [1, 2, 3, 4, null]}', "[" * 100_000, "\xff"):
        kept.write_text(damage, encoding="latin-1")
        assert open_dataset("Set5", data_root=root).fingerprint == images.fingerprint


def test_errors_say_what_was_expected(tmp_path: Path) -> None:
    root = _root(tmp_path, lr=True)
    for name in ("a.webp", "b.TIF", "c.png"):
        (tmp_path / "others").mkdir(exist_ok=True)
        (tmp_path / "others" / name).touch()
    cases: list[tuple[str, type[SrbenchError], str]] = [
        ("Set55", UnknownNameError, "did you mean"),
        ("Urban100", DatasetError, r"Urban100/HR.*srbench data download Urban100.*data import"),
        ("Manga109", DatasetError, r"ask its authors"),
        ("RealSR7", DatasetError, r"file-sharing page with a password"),
        (f"folder:{tmp_path / 'nowhere'}", DatasetError, "expected a folder"),
        (f"folder:{root}", DatasetError, "found none"),
        (f"folder:{tmp_path / 'others'}", DatasetError, "got a.webp and 1 more, which would be missing in every mean"),
        ("Sample:foo", DatasetError, "has no parts, got 'foo'"),
    ]
    for spec, error, text in cases:
        with pytest.raises(error, match=text):
            open_dataset(spec, data_root=root)
    images = open_dataset("Set5", data_root=root)
    with pytest.raises(DatasetError, match="no image 'nobody'"):
        images.hr("nobody")
    with pytest.raises(DatasetError, match=r"no given LR at ×2.*--lr made"):
        images.given_lr("baby", scale=2)


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    root = _root(tmp_path)
    (root / "Set5" / "HR" / "baby.jpg").write_bytes(b"")
    with pytest.raises(DatasetError, match=r"baby\.jpg and baby\.png"):
        open_dataset("Set5", data_root=root)


def test_an_incomplete_import_does_not_hide_a_complete_folder(tmp_path: Path) -> None:
    root = _root(tmp_path)
    for names, refused in ((["baby"], True), (["baby", "bird"], False)):
        with ImageWriter(root / "Set5/test.parquet") as writer:
            for name in names:
                writer.add(name, encode_png(_image(24, 36)), {})
        if refused:
            with pytest.raises(DatasetError, match=r"test\.parquet: .*got 1 images while .*HR next to it has 2"):
                open_dataset("Set5", data_root=root)
        else:
            assert open_dataset("Set5", data_root=root).location == root / "Set5/test.parquet"


def test_lr_that_does_not_pair_is_refused(tmp_path: Path) -> None:
    root = _root(tmp_path, lr=True)
    save_png(root / "Set5" / "LR_bicubic" / "X4" / "babyx4.png", _image(7, 9))
    with pytest.raises(DatasetError, match="expected LR of 9×6 pixels for HR of 36×24 at ×4, got 9×7"):
        open_dataset("Set5", data_root=root).given_lr("baby", scale=4)


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\nbroken"])
def test_damaged_images_are_named(data: bytes, tmp_path: Path) -> None:
    root = _root(tmp_path)
    (root / "Set5" / "HR" / "bird.png").write_bytes(data)
    with pytest.raises(ImageError, match="Set5/bird"):
        open_dataset("Set5", data_root=root).hr("bird")


def test_a_view_gives_what_its_protocol_prepares() -> None:
    view = Sample(scale=3, protocol="bam2021")
    lr, hr = view[view.names.index("chelsea")]
    expected_hr, expected_lr = get_protocol("bam2021").prepare(open_dataset("Sample").hr("chelsea"), scale=3)
    assert (lr.dtype, hr.dtype, len(view)) == (torch.float32, torch.float32, 7)
    assert (hr.mul(255).round().permute(1, 2, 0).numpy() == expected_hr).all()
    assert (lr.mul(255).round().permute(1, 2, 0).numpy() == expected_lr).all()


def test_a_view_converts_to_the_hub_format(tmp_path: Path) -> None:
    view = Set5(scale=4, data_root=_root(tmp_path))
    table = view.to_hf()
    assert table.column_names == ["name", "hr", "lr_x4"]
    assert table["name"] == ["baby", "bird"]
    lr, hr = view.pair("bird")
    assert (np.asarray(table[1]["hr"]) == hr).all()
    assert (np.asarray(table[1]["lr_x4"]) == lr).all()


def test_the_hub_format_follows_the_given_lr(tmp_path: Path) -> None:
    view = Set5(scale=4, data_root=_root(tmp_path, lr=True), lr="any")
    before = view.to_hf()
    save_png(tmp_path / "Set5" / "LR_bicubic" / "X4" / "babyx4.png", _image(6, 9, 7))
    after = view.to_hf()
    assert (np.asarray(before[0]["lr_x4"]) == _image(6, 9, 0)).all()
    assert (np.asarray(after[0]["lr_x4"]) == view.pair("baby")[0]).all()
    assert (np.asarray(after[0]["lr_x4"]) == _image(6, 9, 7)).all()


@pytest.mark.parametrize(("height", "width"), [(27, 39), (24, 38), (25, 36), (24, 36)])
@pytest.mark.parametrize("up", [True, False])
def test_given_lr_is_cut_like_its_hr(height: int, width: int, up: bool, tmp_path: Path) -> None:
    # MATLAB shrinks a whole HR to sides rounded up; what HR' and LR keep lies where it lay.
    whole = imresize(_image(height, width), 1 / 4)
    lr = whole if up else np.ascontiguousarray(whole[: height // 4, : width // 4])
    save_png(tmp_path / "Set5" / "HR" / "baby.png", _image(height, width))
    save_png(tmp_path / "Set5" / "LR_bicubic" / "X4" / "babyx4.png", lr)
    for view in (Set5(4, "div2k-rgb", tmp_path), Set5(4, data_root=tmp_path, lr="given")):
        low, hr = view.pair("baby")
        assert (low.shape, hr.shape) == ((6, 9, 3), (24, 36, 3))
        assert (low == whole[:6, :9]).all()
        assert (hr == _image(height, width)[:24, :36]).all()
    with pytest.raises(ProtocolError, match="makes its own LR"):
        Set5(4, "bam2021", tmp_path, lr="given")
    frame = evaluate("bicubic", "Set5", scale=4, lr="given", data_root=tmp_path).scores
    assert frame["lr_sha256"].tolist() == [pixel_sha256(np.ascontiguousarray(whole[:6, :9]))]


@pytest.mark.parametrize(("name", "count"), [("Set5", 5), ("Set14", 14), ("BSD100", 100)])
def test_real_sets_are_canonical(name: str, count: int, test_data: Path) -> None:
    images = open_dataset(name, data_root=test_data / "data")
    assert (len(images), images.n_expected, images.variant) == (count, count, "canonical")


def test_matlab_lr_of_set5_is_what_the_protocol_makes(test_data: Path) -> None:
    for scale in (2, 3, 4):
        made, given = (Set5(scale, data_root=test_data / "data", lr=source) for source in ("made", "given"))
        assert all((made.pair(name)[0] == given.pair(name)[0]).all() for name in made.names)
