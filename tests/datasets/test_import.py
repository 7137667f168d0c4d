"""Import of every dataset from every layout: counts, names, order, bytes; and what is left out, and why."""

from __future__ import annotations

import io
import json
import pickle
import re
import shutil
import signal
import struct
import subprocess
import sys
import tarfile
import time
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from srbench.datasets import open_dataset
from srbench.datasets.catalogue import CATALOGUE
from srbench.datasets.importing import import_dataset
from srbench.datasets.verify import verify_dataset
from srbench.errors import DatasetError, FetchError, ImageError
from srbench.images import encode_png, save_png
from tests.datasets.layouts import LAYOUTS, content, flat, image, names_of

# DIV2K comes in its own layout alone, and the other sets do not come in that one.
CASES = [(name, layout) for name in CATALOGUE for layout in LAYOUTS if (layout == "div2k") == (name == "DIV2K")]


@pytest.mark.parametrize(("name", "layout"), CASES)
def test_every_layout_gives_names_order_and_bytes(name: str, layout: str, tmp_path: Path) -> None:
    build, scales = LAYOUTS[layout]
    hr, lr = content(name)
    build(tmp_path / "given", hr, lr, name)
    reports = import_dataset(name, [tmp_path / "given"], data_root=tmp_path / "root")
    assert [name for report in reports for name in report.names] == list(hr)
    for report in reports:
        images = open_dataset(f"{name}:{report.split}", data_root=tmp_path / "root")
        assert images.names == list(report.names) == sorted(report.names)
        assert images.given_scales == report.lr_scales == scales
        assert images.n_expected == len(images)
        assert all(images.hr_bytes(name) == hr[name] for name in images.names)
        assert all(images.store.lr(name, scale) == lr[scale][name] for name in images.names for scale in scales)
        assert images.fingerprint == report.fingerprint


def test_flat_div2k_is_split_by_number(tmp_path: Path) -> None:
    hr, lr = content("DIV2K")
    flat(tmp_path / "given", hr, lr, "DIV2K")
    flat(tmp_path / "given", {f"{name}x2": data for name, data in lr[2].items()}, {}, "DIV2K")
    train, validation = import_dataset("DIV2K", [tmp_path / "given"], data_root=tmp_path / "root")
    assert (train.split, len(train.names), train.lr_scales) == ("train", 800, (2,))
    assert (validation.split, validation.names[0], len(validation.names)) == ("validation", "0801", 100)


def test_bsds500_gives_the_hundred_of_val(tmp_path: Path) -> None:
    hr, _ = content("BSD100")
    base = tmp_path / "BSDS500" / "data" / "images"
    flat(base / "val", hr, {}, "BSD100")
    flat(base / "train", {f"9000{number}": data for number, data in enumerate(list(hr.values())[:9])}, {}, "BSD100")
    (report,) = import_dataset("BSD100", [tmp_path / "BSDS500"], data_root=tmp_path / "root")
    assert list(report.names) == list(hr)
    assert report.skipped == {"another HR folder than the one taken (BSDS500/data/images/train)": 9}


def _zip(folder: Path, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.png")):
            archive.write(file, file.relative_to(folder))


def _tar(folder: Path, path: Path) -> None:
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, arcname="Set5")


@pytest.mark.parametrize("pack", [_zip, _tar])
def test_archives_import_and_leave_only_the_result(pack: object, tmp_path: Path) -> None:
    hr, lr = content("Set5")
    LAYOUTS["edsr"][0](tmp_path / "given", hr, lr, "Set5")
    pack(tmp_path / "given", tmp_path / "archive")  # type: ignore[operator]
    (report,) = import_dataset("Set5", [tmp_path / "archive"], data_root=tmp_path / "root")
    assert (list(report.names), report.lr_scales) == (list(hr), (2, 4))
    assert {path.name for path in (tmp_path / "root" / "Set5").iterdir()} - {".lock"} == {"test.parquet"}


def test_a_malicious_archive_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "archive", "w") as archive:
        entry = tarfile.TarInfo("../../baby.png")
        entry.size = 4
        archive.addfile(entry, io.BytesIO(b"evil"))
    with pytest.raises(FetchError, match="leaves the folder"):
        import_dataset("Set5", [tmp_path / "archive"], data_root=tmp_path / "root")
    assert list(tmp_path.rglob("*.png")) == []


def test_lmdb_of_basicsr(tmp_path: Path) -> None:
    lmdb = pytest.importorskip("lmdb", reason="the package lmdb is no dependency")
    hr, lr = content("Set5")
    for folder, images in (("Set5_GTmod12.lmdb", hr), ("Set5_LRbicx4.lmdb", lr[4])):
        (tmp_path / "given" / folder).mkdir(parents=True)
        with lmdb.open(str(tmp_path / "given" / folder), map_size=1 << 24) as base, base.begin(write=True) as writer:
            for name, data in images.items():
                writer.put(name.encode(), data)
    (report,) = import_dataset("Set5", [tmp_path / "given"], data_root=tmp_path / "root")
    assert (list(report.names), report.lr_scales) == (list(hr), (4,))
    assert open_dataset("Set5", data_root=tmp_path / "root").hr_bytes("baby") == hr["baby"]


def test_the_file_is_what_the_datasets_library_reads(tmp_path: Path) -> None:
    from datasets import load_dataset

    hr, lr = content("Set5")
    LAYOUTS["edsr"][0](tmp_path / "given", hr, lr, "Set5")
    (report,) = import_dataset("Set5", [tmp_path / "given"], data_root=tmp_path / "root")
    table = load_dataset("parquet", data_files=str(report.path), cache_dir=str(tmp_path / "hf"))["train"]
    assert table.column_names == ["name", "hr", "lr_x2", "lr_x4"]
    assert (np.asarray(table[0]["hr"]) == image(0)).all()
    assert table[4]["lr_x4"].size == (4, 3)


def test_a_set_without_known_pixels_keeps_its_fingerprint(tmp_path: Path) -> None:
    flat(tmp_path / "given", content("RealSR7")[0], {}, "RealSR7")
    (report,) = import_dataset("RealSR7", [tmp_path / "given"], data_root=tmp_path / "root")
    facts = json.loads(pq.read_metadata(report.path).metadata[b"srbench"])
    assert facts == {"images": 7, "fingerprint": report.fingerprint}


def test_page_level_manga109_is_refused(tmp_path: Path) -> None:
    for title in ("ARMS", "AisazuNihaIrarenai"):
        for page in range(3):
            save_png(tmp_path / "given" / "images" / title / f"{page:03}.png", image(page))
    with pytest.raises(DatasetError, match=r"page-level release.*109 PNGs"):
        import_dataset("Manga109", [tmp_path / "given"], data_root=tmp_path / "root")


def test_half_size_urban100_is_refused(tmp_path: Path) -> None:
    save_png(tmp_path / "image_SRF_2" / "img_001_SRF_2_HR.png", image(0, height=322, width=512))
    with pytest.raises(DatasetError, match="half the size of Urban100's images"):
        import_dataset("Urban100", [tmp_path / "image_SRF_2"], data_root=tmp_path / "root")


def test_lr_that_does_not_pair_is_skipped_and_reported(tmp_path: Path) -> None:
    hr, lr = content("Set5")
    LAYOUTS["edsr"][0](tmp_path / "given", hr, {2: lr[4], 4: lr[4]}, "Set5")
    (report,) = import_dataset("Set5", [tmp_path / "given"], data_root=tmp_path / "root")
    assert report.lr_scales == (4,)
    assert report.skipped["LR ×2 of a size that does not pair with the HR"] == 5
    assert report.skipped["belongs to Set14"] == 1


def test_lr_with_a_gap_is_kept_but_not_offered(tmp_path: Path) -> None:
    hr, lr = content("Set5")
    LAYOUTS["edsr"][0](tmp_path / "given", hr, {2: lr[2], 4: dict(list(lr[4].items())[:3])}, "Set5")
    import_dataset("Set5", [tmp_path / "given"], data_root=tmp_path / "root")
    images = open_dataset("Set5", data_root=tmp_path / "root")
    assert images.given_scales == (2,)
    assert images.given_lr("baby", scale=4).shape == (3, 4, 3)
    with pytest.raises(DatasetError, match="no given LR at ×4"):
        images.given_lr("woman", scale=4)
    assert verify_dataset("Set5", data_root=tmp_path / "root").lines[-1] == "Set5 LR ×4: incomplete, 3 of 5 images"
    # It is not lost unasked, either: not by LR of the same scale that lacks others.
    LAYOUTS["edsr"][0](tmp_path / "other", hr, {2: lr[2], 4: dict(list(lr[4].items())[1:3])}, "Set5")
    with pytest.raises(DatasetError, match=r"LR ×2, ×4 of 3, what .* LR ×2, ×4 of 2: the given LR ×4 would"):
        import_dataset("Set5", [tmp_path / "other"], data_root=tmp_path / "root")
    (report,) = import_dataset("Set5", [tmp_path / "given"], data_root=tmp_path / "root")
    assert (report.lr_scales, report.partial_lr) == ((2, 4), {4: 3})


@pytest.mark.parametrize("into", ["parquet", "folder"])
@pytest.mark.parametrize(
    ("count", "scales", "lost"),
    [(4, (2, 4), "the images woman"), (5, (2,), "the given LR ×4"), (3, (), "the images head, woman and the given LR")],
)
def test_what_is_there_loses_neither_images_nor_lr_unasked(
    into: str, count: int, scales: tuple[int, ...], lost: str, tmp_path: Path
) -> None:
    hr, lr = content("Set5")
    LAYOUTS["edsr"][0](tmp_path, hr, lr, "Set5")
    root, part = tmp_path / ("benchmark" if into == "folder" else "root"), tmp_path / "part"
    if into == "parquet":
        import_dataset("Set5", [tmp_path / "benchmark"], data_root=root)
    kept = open_dataset("Set5", data_root=root)
    fewer = dict(list(hr.items())[:count])
    LAYOUTS["edsr"][0](part, fewer, {scale: {name: lr[scale][name] for name in fewer} for scale in scales}, "Set5")
    expected = rf"{re.escape(str(kept.location))} has 5 images with given LR ×2, ×4.* has {count} .*{lost}.* --replace"
    with pytest.raises(DatasetError, match=expected):
        import_dataset("Set5", [part], data_root=root)
    after = open_dataset("Set5", data_root=root)
    assert (after.location, after.fingerprint, after.given_scales) == (kept.location, kept.fingerprint, (2, 4))
    (report,) = import_dataset("Set5", [part], data_root=root, replace=True)
    assert report.lr_scales == scales
    if into == "folder" and count < 5:  # two sets lie there now, and the whole one is not passed over in silence
        with pytest.raises(
            DatasetError, match=rf"got {count} images while .*HR next to it has 5; move the wrong one away"
        ):
            open_dataset("Set5", data_root=root)
    else:
        assert list(open_dataset("Set5", data_root=root).names) == list(fewer)


def test_canonical_pixels_are_not_replaced_by_others_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hr, _ = content("Set5")
    flat(tmp_path / "right", hr, {}, "Set5")
    flat(tmp_path / "other", hr | {"bird": encode_png(image(9))}, {}, "Set5")
    import_dataset("Set5", [tmp_path / "right"], data_root=tmp_path)
    canonical = open_dataset("Set5", data_root=tmp_path).pixel_hashes
    for module in ("overwrite_guard", "imageset"):
        monkeypatch.setattr(
            f"srbench.datasets.{module}.identify_variant",
            lambda _, found: "canonical" if dict(found) == canonical else "unknown",
        )
    with pytest.raises(DatasetError, match=r"5 of other pixels \(unknown\): the canonical pixels would be lost"):
        import_dataset("Set5", [tmp_path / "other"], data_root=tmp_path)
    assert open_dataset("Set5", data_root=tmp_path).pixel_hashes == canonical
    import_dataset("Set5", [tmp_path / "other"], data_root=tmp_path, replace=True)
    import_dataset("Set5", [tmp_path / "right"], data_root=tmp_path)


def test_importing_again_repairs_a_damaged_set(tmp_path: Path) -> None:
    hr, _ = content("RealSR7")
    flat(tmp_path / "given", hr, {}, "RealSR7")
    (report,) = import_dataset("RealSR7", [tmp_path / "given"], data_root=tmp_path)
    data = bytearray(report.path.read_bytes())
    data[len(data) // 2] ^= 255
    report.path.write_bytes(data)
    with pytest.raises(DatasetError, match=r"a damaged file .* import it again"):
        verify_dataset("RealSR7", data_root=tmp_path)
    assert import_dataset("RealSR7", [tmp_path / "given"], data_root=tmp_path) == [report]


def test_an_imported_set_is_read_by_threads_and_travels_to_workers(tmp_path: Path) -> None:
    flat(tmp_path / "given", content("RealSR7")[0] | {f"n{i}": encode_png(image(i)) for i in range(600)}, {}, "RealSR7")
    import_dataset("RealSR7", [tmp_path / "given"], data_root=tmp_path / "root")
    images = open_dataset("RealSR7", data_root=tmp_path / "root")
    with ThreadPoolExecutor(4) as pool:
        found = dict(zip(images.names, pool.map(images.hr, images.names), strict=True))
    assert all((found[f"n{i}"] == image(i)).all() for i in range(600))
    assert (pickle.loads(pickle.dumps(images)).hr("n7") == image(7)).all()


def test_errors_leave_nothing_behind(tmp_path: Path) -> None:
    hr, _ = content("Set5")
    flat(tmp_path / "given", hr, {}, "Set5")
    (tmp_path / "given" / "bird.png").write_bytes(hr["bird"][:200])
    with pytest.raises(ImageError, match=r"bird\.png"):
        import_dataset("Set5", [tmp_path / "given"], data_root=tmp_path / "root")
    announced = b"IHDR" + struct.pack(">II", 40_000, 40_000) + hr["baby"][24:29]
    bomb = hr["baby"][:12] + announced + struct.pack(">I", zlib.crc32(announced)) + hr["baby"][33:]
    (tmp_path / "given" / "baby.png").write_bytes(bomb)
    with pytest.raises(ImageError, match=r"baby\.png: .* exceeds limit"):
        import_dataset("Set5", [tmp_path / "given"], data_root=tmp_path / "root")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="found none"):
        import_dataset("Set5", [tmp_path / "empty"], data_root=tmp_path / "root")
    with pytest.raises(DatasetError, match="found nothing there"):
        import_dataset("Set5", [tmp_path / "nowhere"], data_root=tmp_path / "root")
    assert {path.name for path in (tmp_path / "root" / "Set5").iterdir()} <= {".lock"}


_SCRIPT = """
import sys
from pathlib import Path
from srbench.datasets.importing import import_dataset
import_dataset("RealSR7", [Path(sys.argv[1])], data_root=Path(sys.argv[2]))
"""


def _importers(count: int, given: Path, root: Path) -> list[subprocess.Popen[bytes]]:
    return [subprocess.Popen([sys.executable, "-c", _SCRIPT, str(given), str(root)]) for _ in range(count)]


def test_a_killed_import_leaves_no_result_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    save_png(tmp_path / "given" / "0.png", image(0, height=200, width=200))
    for number in range(1, 3000):
        shutil.copy(tmp_path / "given" / "0.png", tmp_path / "given" / f"{number}.png")
    folder = tmp_path / "root" / "RealSR7"
    (process,) = _importers(1, tmp_path / "given", tmp_path / "root")
    deadline = time.monotonic() + 30
    while not list(folder.glob(".test.parquet.*.tmp")) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list(folder.glob(".test.parquet.*.tmp"))
    assert not (folder / "test.parquet").exists()
    for path in list((tmp_path / "given").iterdir())[20:]:
        path.unlink()
    (report,) = import_dataset("RealSR7", [tmp_path / "given"], data_root=tmp_path / "root")
    assert len(report.names) == 20
    assert {path.name for path in folder.iterdir()} - {".lock"} == {"test.parquet"}


@pytest.mark.long
def test_imports_at_once(tmp_path: Path) -> None:
    flat(tmp_path / "given", content("RealSR7")[0], {}, "RealSR7")
    workers = _importers(3, tmp_path / "given", tmp_path / "root")
    assert [worker.wait() for worker in workers] == [0] * 3
    assert open_dataset("RealSR7", data_root=tmp_path / "root").names == names_of("RealSR7")


@pytest.mark.parametrize("name", ["Set5", "Set14", "BSD100"])
def test_real_sets_stay_canonical(name: str, test_data: Path, tmp_path: Path) -> None:
    (report,) = import_dataset(name, [test_data / "data" / name], data_root=tmp_path)
    assert (report.variant, len(report.names)) == ("canonical", report.n_expected)


def test_a_renamed_image_is_known_by_its_pixels(test_data: Path, tmp_path: Path) -> None:
    shutil.copytree(test_data / "data" / "Set5" / "HR", tmp_path / "given", copy_function=shutil.copyfile)
    (tmp_path / "given").chmod(0o755)
    (tmp_path / "given" / "baby.png").rename(tmp_path / "given" / "infant.png")
    (report,) = import_dataset("Set5", [tmp_path / "given"], data_root=tmp_path / "root")
    assert (report.variant, report.renamed) == ("canonical", {"infant": "baby"})
