from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from srbench.datasets.fivecrop import Box, apply_symmetry, five_boxes
from srbench.datasets.pairs import PairMaker, pair_maker
from srbench.datasets.patch_store import PatchStore, build_store
from srbench.datasets.patches import (
    PatchDataset,
    PatchFeed,
    PatchPlan,
    PatchSampler,
    ResidentPatches,
    read_patches,
)
from srbench.errors import DatasetError
from srbench.images import decode, save_png
from srbench.protocols import MATLAB_PREPARATION

SIZES = ((97, 66), (64, 121), (88, 88))
MAKE = pair_maker("matlab", scale=3)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(1)
    files = {}
    for number, size in enumerate(SIZES):
        files[f"i{number}"] = folder / f"i{number}.png"
        save_png(files[f"i{number}"], random.integers(0, 256, (*size, 3), dtype=np.uint8))
    return files


@pytest.fixture(scope="module")
def store(images: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> PatchStore:
    return build_store(images, tmp_path_factory.mktemp("stores") / "train", make=MAKE, progress=False)


def test_the_store_holds_the_pixels_of_every_pair(images: dict[str, Path], store: PatchStore) -> None:
    assert [pair.name for pair in store.pairs] == list(images)
    for index, path in enumerate(images.values()):
        hr, lr = MATLAB_PREPARATION.prepare(decode(path), scale=3)
        packed = store.image(index)
        assert np.array_equal(packed[0].transpose(1, 2, 0), lr)
        assert np.array_equal(packed[1].transpose(1, 2, 0), hr)
    assert PatchStore(store.folder).damaged() == []


def test_pil_per_crop_packs_five_pairs_of_each_image(images: dict[str, Path], tmp_path: Path) -> None:
    packed = build_store(images, tmp_path / "s", make=pair_maker("pil-per-crop", scale=2), progress=False)
    assert len(packed) == 15
    assert [pair.name for pair in packed.pairs][4:6] == ["i0#4", "i1#0"]


@pytest.mark.parametrize("patch", [8, 5])
@pytest.mark.parametrize("symmetry", range(8))
def test_patches_are_the_named_crops_on_file_and_on_the_device(store: PatchStore, patch: int, symmetry: int) -> None:
    draw = PatchPlan(store, patch=patch, seed=3, repeat=3).epoch(0)
    draw.symmetry[:] = symmetry
    lr, hr = read_patches(store, draw, patch=patch)
    for item, (pair, top, left) in enumerate(zip(draw.pair, draw.top, draw.left, strict=True)):
        images = [image.transpose(1, 2, 0) for image in store.image(pair)]
        box = Box(top, left, patch, patch)
        assert np.array_equal(lr[item].transpose(1, 2, 0), apply_symmetry(box.cut(images[0]), symmetry))
        assert np.array_equal(hr[item].transpose(1, 2, 0), apply_symmetry(box.cut(images[1], scale=3), symmetry))
    resident = ResidentPatches(store, "cpu").read(draw, patch=patch)
    assert torch.equal(resident[0], torch.from_numpy(lr))
    assert torch.equal(resident[1], torch.from_numpy(hr))


def test_an_epoch_visits_every_crop_once_and_stays_inside_it(store: PatchStore) -> None:
    draw = PatchPlan(store, patch=6, seed=0, five_crop=True, repeat=2).epoch(5)
    assert sorted(draw.pair.tolist()) == sorted([0, 1, 2] * 10)
    for pair, top, left in zip(draw.pair, draw.top, draw.left, strict=True):
        boxes = five_boxes(store.pairs[pair].height, store.pairs[pair].width)
        assert any(b.top <= top <= b.top + b.height - 6 and b.left <= left <= b.left + b.width - 6 for b in boxes)


def test_ranks_share_an_epoch_and_draw_different_corners(store: PatchStore) -> None:
    ranks = [PatchPlan(store, patch=6, seed=0, rank=rank, world_size=4, repeat=4).epoch(0) for rank in range(4)]
    assert sorted(np.concatenate([draw.pair for draw in ranks]).tolist()) == sorted([0, 1, 2] * 4)
    assert len({draw.top.tobytes() + draw.left.tobytes() for draw in ranks}) == 4


def test_the_stream_is_the_same_on_every_machine(store: PatchStore) -> None:
    draw = PatchPlan(store, patch=6, seed=7, repeat=2).epoch(1)
    # Drawn once with NumPy's Philox; a change here breaks the reproduction of every finished training.
    assert draw.pair.tolist() == [2, 2, 0, 0, 1, 1]
    assert draw.top.tolist() == [16, 7, 26, 18, 10, 6]
    assert draw.left.tolist() == [22, 6, 3, 6, 27, 7]
    assert draw.symmetry.tolist() == [1, 3, 4, 1, 6, 3]


@pytest.mark.parametrize("resident", [False, True])
def test_a_resumed_feed_gives_the_next_patches(store: PatchStore, resident: bool) -> None:
    plan = PatchPlan(store, patch=6, seed=2, five_crop=True)
    feed = PatchFeed(plan, batch=4, resident=resident)
    for _ in range(5):
        feed.next()
    state, expected = feed.state_dict(), [feed.next() for _ in range(6)]
    resumed = PatchFeed(plan, batch=4, resident=resident)
    resumed.load_state_dict(state)
    for (lr, hr), again in zip(expected, (resumed.next() for _ in range(6)), strict=True):
        assert torch.equal(lr, again[0])
        assert torch.equal(hr, again[1])
    assert (lr.dtype, lr.shape, hr.shape) == (torch.float32, (4, 3, 6, 6), (4, 3, 18, 18))
    assert 0 <= float(hr.min()) < float(hr.max()) <= 1


def test_resident_or_not_the_batches_are_the_same(store: PatchStore) -> None:
    plan = PatchPlan(store, patch=8, seed=4, five_crop=True)
    mapped, resident = PatchFeed(plan, batch=5), PatchFeed(plan, batch=5, resident=True)
    batch = mapped.next()
    resident.next()
    for _ in range(5):
        for first, second in zip(mapped.next(batch), resident.next(), strict=True):
            assert torch.equal(first, second)
            assert any(first is part for part in batch)


def test_the_stream_does_not_depend_on_the_batch_size(store: PatchStore) -> None:
    one, many = (PatchSampler(PatchPlan(store, patch=6, seed=2)) for _ in range(2))
    singles = [one.draw(1) for _ in range(10)]
    assert np.array_equal(many.draw(10).top, np.concatenate([draw.top for draw in singles]))


def test_the_state_of_another_stream_is_refused(store: PatchStore) -> None:
    state = PatchSampler(PatchPlan(store, patch=6, seed=2)).state_dict()
    with pytest.raises(DatasetError, match="seed 2 instead of 3"):
        PatchSampler(PatchPlan(store, patch=6, seed=3)).load_state_dict(state)


def test_a_patch_larger_than_the_smallest_image_is_refused(store: PatchStore) -> None:
    with pytest.raises(DatasetError, match="at least 30×30 LR pixels to cut patches from, got 40×21 in i1"):
        PatchPlan(store, patch=30, seed=0)


def test_the_plain_dataset_works_in_spawned_workers(store: PatchStore) -> None:
    dataset = PatchDataset(PatchPlan(store, patch=6, seed=0))
    loaded = pickle.loads(pickle.dumps(dataset))
    assert len(pickle.dumps(dataset)) < 5000
    assert torch.equal(loaded[2][1], dataset[2][1])
    assert torch.equal(next(iter(DataLoader(loaded, batch_size=3)))[0][1], dataset[1][0])
    first = dataset[0][0]
    dataset.set_epoch(1)
    assert not torch.equal(first, dataset[0][0])


def test_a_changed_byte_is_named(images: dict[str, Path], tmp_path: Path) -> None:
    build_store(images, tmp_path / "s", make=MAKE, progress=False)
    data = bytearray((tmp_path / "s" / "hr.u8").read_bytes())
    data[-1] ^= 1
    (tmp_path / "s" / "hr.u8").write_bytes(data)
    with pytest.raises(DatasetError, match=r"1 of 3 images \(i2\)"):
        PatchStore(tmp_path / "s")
    with pytest.raises(DatasetError, match=r"1 of 3 images \(i2\)"):
        build_store(images, tmp_path / "s", make=MAKE, progress=False)
    (tmp_path / "s" / "hr.u8").write_bytes(data[:-1])
    with pytest.raises(DatasetError, match=r"expected \d+ bytes, got \d+"):
        PatchStore(tmp_path / "s", check=False)


def test_a_store_is_built_anew_only_for_other_files_or_pairs(images: dict[str, Path], tmp_path: Path) -> None:
    calls: list[str] = []

    class Counting(PairMaker):
        def __call__(self, hr: np.ndarray, name: str) -> list[tuple[np.ndarray, np.ndarray]]:
            calls.append(name)
            return super().__call__(hr, name)

    def build(**changed: Path) -> PatchStore:
        make = Counting(MATLAB_PREPARATION, 3)
        return build_store({**images, **changed}, tmp_path / "s", make=make, workers=1, progress=False)

    build()
    build()
    assert calls == ["i0", "i1", "i2"]
    assert [pair.width for pair in build(i1=images["i2"]).pairs] == [22, 29, 29]
    assert len(calls) == 6


def test_other_files_are_never_overwritten(images: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DatasetError, match="expected a packed store or nothing"):
        build_store(images, tmp_path, make=MAKE, progress=False)
    assert (tmp_path / "notes.txt").read_text() == "mine"


_BUILD = """
import sys, time
from pathlib import Path
from srbench.datasets import patch_store
from srbench.datasets.pairs import pair_maker
decode = patch_store.decode
patch_store.decode = lambda source, name=None: (time.sleep(float(sys.argv[3])), decode(source, name=name))[1]
folder = Path(sys.argv[1])
images = {path.stem: path for path in sorted(folder.glob("*.png"))}
patch_store.build_store(images, Path(sys.argv[2]), make=pair_maker("matlab", scale=2), workers=int(sys.argv[4]),
                    progress=False)
"""


def _start_build(images: Path, target: Path, *, seconds_an_image: float, workers: int) -> subprocess.Popen[bytes]:
    arguments = map(str, (images, target, seconds_an_image, workers))
    return subprocess.Popen([sys.executable, "-c", _BUILD, *arguments])


def test_a_killed_build_resumes_after_the_last_complete_image(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for number in range(30):
        save_png(tmp_path / "in" / f"{number:02}.png", random.integers(0, 256, (64, 48, 3), dtype=np.uint8))
    target = tmp_path / "s"
    journal = tmp_path / "s.partial" / "journal.jsonl"
    process = _start_build(tmp_path / "in", target, seconds_an_image=0.1, workers=1)
    while not journal.exists() or journal.read_text().count("\n") < 6:
        assert process.poll() is None, "the build ended before it could be killed"
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not target.exists()
    with (tmp_path / "s.partial" / "hr.u8").open("ab") as stream:
        stream.write(b"half an image")
    damaged = bytearray((tmp_path / "s.partial" / "lr.u8").read_bytes())
    damaged[4 * 3 * 32 * 24] ^= 1  # the fifth image
    (tmp_path / "s.partial" / "lr.u8").write_bytes(damaged)
    made: list[str] = []

    class Noting(PairMaker):
        def __call__(self, hr: np.ndarray, name: str) -> list[tuple[np.ndarray, np.ndarray]]:
            made.append(name)
            return super().__call__(hr, name)

    images = {path.stem: path for path in sorted((tmp_path / "in").glob("*.png"))}
    resumed = build_store(images, target, make=Noting(MATLAB_PREPARATION, 2), progress=False)
    assert sorted(made) == [f"{number:02}" for number in range(4, 30)]
    fresh = build_store(images, tmp_path / "fresh", make=pair_maker("matlab", scale=2), progress=False)
    assert resumed.pairs == fresh.pairs
    assert np.array_equal(resumed.hr, fresh.hr)
    assert PatchStore(target).damaged() == []


def test_processes_that_start_together_build_one_store(images: dict[str, Path], tmp_path: Path) -> None:
    folder = images["i0"].parent
    processes = [_start_build(folder, tmp_path / "s", seconds_an_image=0.02, workers=2) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert len(PatchStore(tmp_path / "s")) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == [".s.lock", "s"]


_BARE = """
import sys

ABSENT = {"cv2", "datasets", "requests", "scipy", "skimage"}

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ABSENT:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Missing())
from pathlib import Path
from srbench.datasets.patches import PatchFeed, PatchPlan, PatchStore
print(PatchFeed(PatchPlan(PatchStore(Path(sys.argv[1])), patch=6, seed=2), batch=4).next()[1].shape)
"""


@pytest.mark.long
def test_feeding_needs_neither_opencv_nor_the_hub_libraries(store: PatchStore) -> None:
    done = subprocess.run([sys.executable, "-c", _BARE, str(store.folder)], capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout == "torch.Size([4, 3, 18, 18])\n"
