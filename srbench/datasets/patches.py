"""Aligned LR/HR patches from a packed store, by index arithmetic: seeded per rank and epoch, resumable.

Crops, flips and rotations are one affine map from a patch's pixel to a byte of the store. `read_patches` follows it
with NumPy on the memory-mapped file; `ResidentPatches` follows it with one gather operation on a device that holds the
complete store, so that no image is copied to the device.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from srbench.datasets.fivecrop import HORIZONTAL, SYMMETRIES, TRANSPOSED, VERTICAL, FiveCropIndex, apply_symmetry
from srbench.datasets.patch_store import PatchStore
from srbench.errors import DatasetError

Bytes = NDArray[np.uint8]
Numbers = NDArray[np.int64]

_WORD = 8
# The random streams of one seed and epoch. All ranks share the stream for the order; each rank has different other
# streams.
_ORDER_STREAM, _FIRST_RANK_STREAM = 0, 1


@dataclass(frozen=True)
class Draw:
    """A choice of N patches: number of the pair, corner in LR pixels and symmetry 0…7 of each; all int64, shape N."""

    pair: Numbers
    top: Numbers
    left: Numbers
    symmetry: Numbers

    def __len__(self) -> int:
        return len(self.pair)

    def __getitem__(self, item: slice) -> Draw:
        return Draw(self.pair[item], self.top[item], self.left[item], self.symmetry[item])


@dataclass(frozen=True)
class PatchPlan:
    """The possible patches, and those of each epoch: a pure function of seed, epoch and rank.

    An epoch visits every window (an image, or with `five_crop` one of its five crops) `repeat` times, in random
    order, and takes one patch of `patch`×`patch` LR pixels from each, in one of eight orientations if `symmetries`. The
    ranks share an epoch evenly; where it cannot be divided, its last windows are used twice.

    Raises:
        DatasetError: a window smaller than the patch, or numbers outside their range.
    """

    store: PatchStore
    patch: int
    seed: int
    rank: int = 0
    world_size: int = 1
    five_crop: bool = False
    symmetries: bool = True
    repeat: int = 1
    windows: Numbers = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if min(self.patch, self.repeat, self.world_size) < 1 or not 0 <= self.rank < self.world_size or self.seed < 0:
            raise DatasetError(
                "expected patch, repeat and world_size of at least 1, 0 <= rank < world_size and a seed "
                f"of at least 0, got {self!r}"
            )
        object.__setattr__(self, "windows", self._all_windows())

    def __len__(self) -> int:
        """The number of patches of one epoch on one rank."""
        return -(-len(self.windows) * self.repeat // self.world_size)

    def epoch(self, number: int) -> Draw:
        """Return all patches of one epoch on this rank, in order."""
        shared = _random(self.seed, number, _ORDER_STREAM)
        order = shared.permutation(len(self.windows) * self.repeat) % len(self.windows)
        mine = np.resize(order, len(self) * self.world_size)[self.rank :: self.world_size]
        pair, top, left, height, width = self.windows[mine].T
        own = _random(self.seed, number, _FIRST_RANK_STREAM + self.rank)
        down, right = own.random((2, len(mine)))
        symmetry = own.integers(SYMMETRIES, size=len(mine)) if self.symmetries else np.zeros(len(mine), np.int64)
        return Draw(
            pair,
            top + (down * (height - self.patch + 1)).astype(np.int64),
            left + (right * (width - self.patch + 1)).astype(np.int64),
            symmetry,
        )

    def _all_windows(self) -> Numbers:
        """Return rows of (pair, top, left, height, width) in LR pixels."""
        sizes = [(pair.height, pair.width) for pair in self.store.pairs]
        if self.five_crop:
            boxes = [(image, *box) for image, box in FiveCropIndex(tuple(sizes))]
        else:
            boxes = [(image, 0, 0, *size) for image, size in enumerate(sizes)]
        windows = np.array(boxes, dtype=np.int64)
        smallest = windows[np.argmin(windows[:, 3:].min(axis=1))]
        if smallest[3:].min() < self.patch:
            raise DatasetError(
                f"expected at least {self.patch}×{self.patch} LR pixels to cut patches from, got {smallest[4]}×"
                f"{smallest[3]} in {self.store.pairs[smallest[0]].name}; use a smaller patch"
                f"{' or no five-crop' if self.five_crop else ''}"
            )
        return windows


class PatchSampler:
    """An endless stream of the patches of a plan, epoch after epoch, that can be stopped and resumed.

    The stream does not depend on how many patches are drawn at a time.
    """

    def __init__(self, plan: PatchPlan) -> None:
        self.plan = plan
        self.epoch, self.position = 0, 0
        self._draw = plan.epoch(0)

    def draw(self, count: int) -> Draw:
        """Return the next `count` patches."""
        parts = []
        while count:
            if self.position == len(self._draw):
                self._go_to(self.epoch + 1, 0)
            part = self._draw[self.position : self.position + count]
            self.position += len(part)
            count -= len(part)
            parts.append(part)
        return parts[0] if len(parts) == 1 else _join(parts)

    def state_dict(self) -> dict[str, int | str | bool]:
        """Return the position of the stream and what identifies the stream, as plain numbers and strings."""
        plan = self.plan
        return {
            "epoch": self.epoch,
            "position": self.position,
            "seed": plan.seed,
            "rank": plan.rank,
            "world_size": plan.world_size,
            "patch": plan.patch,
            "five_crop": plan.five_crop,
            "symmetries": plan.symmetries,
            "repeat": plan.repeat,
            "windows": len(plan.windows),
            "store": plan.store.key,
        }

    def load_state_dict(self, state: Mapping[str, int | str | bool]) -> None:
        """Resume from the position in `state`.

        Raises:
            DatasetError: the state is of a different stream (seed, rank, patch, store, … differ).
        """
        here = self.state_dict()
        other = [
            f"{name} {state.get(name)!r} instead of {value!r}"
            for name, value in here.items()
            if name not in ("epoch", "position") and state.get(name) != value
        ]
        if other:
            raise DatasetError(
                f"expected the state of this patch stream, got one with {', '.join(other)}; "
                "resume with the same recipe, or start from the first step"
            )
        self._go_to(int(state["epoch"]), int(state["position"]))

    def _go_to(self, epoch: int, position: int) -> None:
        if epoch != self.epoch:
            self._draw = self.plan.epoch(epoch)
        self.epoch, self.position = epoch, position


def read_patches(
    store: PatchStore, draw: Draw, *, patch: int, out: tuple[Bytes, Bytes] | None = None
) -> tuple[Bytes, Bytes]:
    """(LR, HR) patches of a draw from the memory-mapped store: uint8 N×3×p×p and N×3×sp×sp, s the scale.

    If `out` is given, two C-ordered arrays of these shapes, the patches are written into it.
    """
    shapes = [(len(draw), 3, patch * scale, patch * scale) for scale in (1, store.scale)]
    lr, hr = out or (np.empty(shapes[0], np.uint8), np.empty(shapes[1], np.uint8))
    for item, (pair, top, left, symmetry) in enumerate(_rows(draw)):
        images = store.image(pair)
        for image, scale, target in ((images[0], 1, lr[item]), (images[1], store.scale, hr[item])):
            size = patch * scale
            _copy_oriented(
                image[:, top * scale : top * scale + size, left * scale : left * scale + size], symmetry, target
            )
    return lr, hr


class ResidentPatches:
    """The complete store on one device, where one gather operation reads all patches of a batch.

    Raises:
        DatasetError: the device has too little free memory; read from the memory-mapped store instead.
    """

    def __init__(self, store: PatchStore, device: str | torch.device) -> None:
        self.store, self.device = store, torch.device(device)
        try:
            self._lr, self._hr = (torch.from_numpy(flat).to(self.device) for flat in (store.lr, store.hr))
        except torch.OutOfMemoryError as error:
            raise DatasetError(
                f"expected {(len(store.lr) + len(store.hr)) / 2**30:.1f} GiB free on {device} for the "
                "patch store, got less; read it from disk instead (resident=False)"
            ) from error

    def read(self, draw: Draw, *, patch: int) -> tuple[torch.Tensor, torch.Tensor]:
        """(LR, HR) patches on the device: uint8 N×3×p×p and N×3×sp×sp, the same bytes that `read_patches` gives."""
        store = self.store
        widths = np.array([pair.width for pair in store.pairs], dtype=np.int64)[draw.pair]
        heights = np.array([pair.height for pair in store.pairs], dtype=np.int64)[draw.pair]
        patches = []
        for flat, starts, scale in ((self._lr, store.lr_starts, 1), (self._hr, store.hr_starts, store.scale)):
            origin, down, right = _affine(draw, starts, widths * scale, patch, scale)
            table = torch.from_numpy(np.stack([origin, down, right, heights * widths * scale**2]))
            patches.append(_gather(flat, table.to(self.device, non_blocking=True), patch * scale))
        return patches[0], patches[1]


class PatchFeed:
    """Training batches: float32 N×3×p×p and N×3×sp×sp in [0, 1] on a device, endless, reproducible, resumable."""

    def __init__(
        self, plan: PatchPlan, *, batch: int, device: str | torch.device = "cpu", resident: bool = False
    ) -> None:
        """If `resident`, the complete store is on the device; otherwise patches are read from disk and copied as
        uint8."""
        self.sampler, self.batch, self.device = PatchSampler(plan), batch, torch.device(device)
        self._resident = ResidentPatches(plan.store, device) if resident else None
        self._bytes: tuple[Bytes, Bytes] | None = None

    def next(self, out: tuple[torch.Tensor, torch.Tensor] | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the next batch (LR, HR), written into `out` (an earlier batch) if it is given.

        Allocating memory for every batch takes longer than cropping. A loop that no longer needs its last batch should
        pass it as `out`.
        """
        return self.read(self.sampler.draw(self.batch), out)

    def read(
        self,
        draw: Draw,
        out: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the patches of a draw in the form that `next` returns; a draw may have any number of patches."""
        plan = self.sampler.plan
        if self._resident:
            lr, hr = self._resident.read(draw, patch=plan.patch)
        elif self.device.type == "cpu":
            held = self._bytes if self._bytes and len(self._bytes[0]) == len(draw) else None
            self._bytes = read_patches(plan.store, draw, patch=plan.patch, out=held)
            lr, hr = (torch.from_numpy(part) for part in self._bytes)
        else:
            lr, hr = (self._move(torch.from_numpy(part)) for part in read_patches(plan.store, draw, patch=plan.patch))
        return (to_float(lr, out[0]), to_float(hr, out[1])) if out else (to_float(lr), to_float(hr))

    def state_dict(self) -> dict[str, int | str | bool]:
        """See `PatchSampler.state_dict`."""
        return self.sampler.state_dict()

    def load_state_dict(self, state: Mapping[str, int | str | bool]) -> None:
        """See `PatchSampler.load_state_dict`."""
        self.sampler.load_state_dict(state)

    def _move(self, pixels: torch.Tensor) -> torch.Tensor:
        if self.device.type == "cuda":
            return pixels.pin_memory().to(self.device, non_blocking=True)
        return pixels.to(self.device)


class PatchDataset(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """The patches of one epoch as a plain torch Dataset, for loops that bring their own DataLoader.

    Items are (LR, HR), float32 3×p×p and 3×sp×sp in [0, 1]; they depend on plan, epoch and number alone, so a
    shuffling or sharding sampler is not needed. Call `set_epoch` before each epoch.
    """

    def __init__(self, plan: PatchPlan) -> None:
        self.plan = plan
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Use the patches of this epoch; workers that are already running keep the previous epoch."""
        self._draw = self.plan.epoch(epoch)

    def __len__(self) -> int:
        return len(self.plan)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        if not 0 <= index < len(self):
            raise IndexError(f"expected a patch number below {len(self)}, got {index}")
        lr, hr = read_patches(self.plan.store, self._draw[index : index + 1], patch=self.plan.patch)
        return to_float(torch.from_numpy(lr[0])), to_float(torch.from_numpy(hr[0]))


def to_float(pixels: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
    """uint8 to float32 in [0, 1]: v / 255, correctly rounded; into `out`, float32 of the same shape, if given."""
    # Two plain passes take half the time of one that converts while it divides.
    values = pixels.to(torch.float32) if out is None else out.copy_(pixels)
    return values.div_(255)


def _random(*key: int) -> np.random.Generator:
    # Philox and not default_rng, whose random numbers may change between NumPy versions.
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))


def _rows(draw: Draw) -> list[tuple[int, int, int, int]]:
    return list(zip(*(values.tolist() for values in (draw.pair, draw.top, draw.left, draw.symmetry)), strict=True))


def _join(parts: list[Draw]) -> Draw:
    return Draw(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("pair", "top", "left", "symmetry"))
    )


def _copy_oriented(source: Bytes, symmetry: int, out: Bytes) -> None:
    """Copy 3×n×n pixels into `out`, in the orientation of the symmetry."""
    view = apply_symmetry(source.transpose(1, 2, 0), symmetry & ~HORIZONTAL).transpose(2, 0, 1)
    if not symmetry & HORIZONTAL:
        np.copyto(out, view)
    elif symmetry & TRANSPOSED or out.shape[-1] % _WORD:
        np.copyto(out, view[..., ::-1])
    else:
        # NumPy reverses single bytes slowly. Reversing words and then the bytes of each word takes a seventh of the
        # time.
        np.copyto(out, view)
        words = out.view(np.uint64)
        np.copyto(words, words[..., ::-1].byteswap())


def _affine(draw: Draw, starts: Numbers, widths: Numbers, patch: int, scale: int) -> tuple[Numbers, Numbers, Numbers]:
    """Return for each patch the offset of its first pixel, and the steps to the pixels below and to the right."""
    last = patch * scale - 1
    transposed = (draw.symmetry & TRANSPOSED) != 0
    down = np.where(transposed, 1, widths)
    right = np.where(transposed, widths, 1)
    origin = starts[draw.pair] + draw.top * scale * widths + draw.left * scale
    vertical, horizontal = (draw.symmetry & VERTICAL) != 0, (draw.symmetry & HORIZONTAL) != 0
    origin = origin + np.where(vertical, last * down, 0) + np.where(horizontal, last * right, 0)
    return origin, np.where(vertical, -down, down), np.where(horizontal, -right, right)


def _gather(flat: torch.Tensor, table: torch.Tensor, size: int) -> torch.Tensor:
    """Return the bytes at origin + plane · area + row · down + column · right of each patch: N×3×size×size."""
    origin, down, right, area = (values[:, None, None, None] for values in table)
    steps = torch.arange(size, device=flat.device)
    planes = torch.arange(3, device=flat.device)
    index = (
        origin
        + planes[None, :, None, None] * area
        + steps[None, None, :, None] * down
        + steps[None, None, None, :] * right
    )
    return flat[index]
