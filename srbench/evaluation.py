"""The evaluation loop: dataset × upscaler × protocol -> scores.

While a GPU works, the next image is decoded and degraded and the last one scored. On the CPU each core takes an image
from its file to its scores: threads that share one image wait for each other. Protocols that share a preparation share
one forward pass; rows that a journal already holds are not computed again.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from srbench.datasets.imageset import ImageSet, distinct_sets, open_dataset
from srbench.datasets.pairs import given_pair
from srbench.environment import describe_environment
from srbench.errors import DatasetError, ImageError, ProtocolError, SrbenchError
from srbench.images import pixel_sha256, save_png
from srbench.protocols import LrSource, Preparation, Protocol, get_protocol, to_8bit
from srbench.scores import SCHEMA_VERSION, Key, Record, Row, RowId, to_frame
from srbench.upscalers.base import Image, Options, Upscaler
from srbench.upscalers.specs import as_upscaler
from srbench.upscalers.tensors import borrowed

# LR pixels from which an image gets all cores and the memory to itself.
_LARGE = 512 * 512


@dataclass(frozen=True)
class Plan:
    """Everything that decides an evaluation's numbers, and where finished work is kept; repetitions are dropped.

    Raises:
        DatasetError: two different sets of one name.
        ProtocolError: no set or protocol, or protocols that cannot be had so.
    """

    upscaler: Upscaler
    sets: Sequence[ImageSet]
    protocols: Sequence[Protocol]
    lr: LrSource = "made"
    save_images: Path | None = None

    def __post_init__(self) -> None:
        if not self.sets or not self.protocols:
            raise ProtocolError("expected at least one dataset and one protocol, got none")
        object.__setattr__(self, "sets", distinct_sets(self.sets))
        object.__setattr__(self, "protocols", list(dict.fromkeys(self.protocols)))
        for protocol in self.protocols:
            protocol.preparation.require_scale(self.upscaler.scale)
            protocol.preparation.lr_source(self.lr)
        if self.save_images and len({self.source_key(protocol) for protocol in self.protocols}) > 1:
            raise ProtocolError(
                "--save-images: expected protocols that share one preparation, got "
                f"{', '.join(protocol.name for protocol in self.protocols)}; they give different SR "
                "images of one name, so save them in separate runs"
            )

    def lr_source(self, protocol: Protocol) -> LrSource:
        """The LR that a protocol gets; one that is defined on the dataset's own files takes those always."""
        return protocol.preparation.lr_source(self.lr)

    def source_key(self, protocol: Protocol) -> tuple[str, LrSource]:
        """Protocols of one key share one forward pass."""
        return protocol.preparation.key, self.lr_source(protocol)

    def details(self) -> dict[str, Any]:
        """What else the record says of the upscaler."""
        images = [(dataset.name, name) for dataset in self.sets for name in dataset.names]
        return {**self.upscaler.identity.details, **self.upscaler.details_of(images)}

    def key(self) -> Key:
        """What makes two evaluations the same run."""
        identity, details, options = self.upscaler.identity, self.details(), self.upscaler.options
        # Only where there is one: keys of other models stay those that runs were begun with before it was known.
        source = {name: value for name, value in details.items() if name == "source_sha256"}
        return {
            "model": identity.spec,
            "weights_sha256": identity.weights_sha256,
            **source,
            "images_sha256": details.get("images_sha256"),
            "scale": self.upscaler.scale,
            "protocols": {protocol.name: protocol.version for protocol in self.protocols},
            "datasets": {dataset.name: dataset.fingerprint for dataset in self.sets},
            "lr": self.lr,
            "precision": options.precision,
            "tile": options.tile,
            "self_ensemble": options.self_ensemble,
            "optimise": options.optimise,
        }


@dataclass(frozen=True)
class _Task:
    """One forward pass: an image, its preparation and the protocols that score the result, none if it is but saved."""

    dataset: ImageSet
    name: str
    preparation: Preparation
    protocols: tuple[Protocol, ...]
    lr: LrSource


@dataclass(frozen=True)
class _Prepared:
    task: _Task
    hr: NDArray[np.uint8]
    lr: NDArray[np.uint8]
    hr_sha256: str


def evaluate(
    model: str | nn.Module | Upscaler,
    dataset: str | ImageSet | Sequence[str | ImageSet],
    *,
    scale: int,
    protocol: str | Sequence[str] = "matlab-y",
    lr: LrSource = "made",
    data_root: Path | str | None = None,
    options: Options | None = None,
) -> pd.DataFrame:
    """Score a model on one or more datasets.

    Args:
        model: a model spec, a torch module from and to N×3×H×W RGB in [0, 1], which is given back as it was (modes,
            gradients, device), or an upscaler that is already open.
        dataset: a name such as "Set5", "folder:DIR", an `ImageSet` or a dataset view, or a list of these.
        scale: 2, 3, 4 or 8.
        protocol: one name or several; those that share a preparation cost one forward pass.
        lr: "made" by the protocol, or "given": the dataset's own LR files.
        data_root: where datasets lie, if not at `$SRBENCH_DATA` or the user's data folder.
        options: device, precision, tile and self-ensemble.

    Returns:
        One row per image and protocol, with the columns of `srbench.scores.SCHEMA`.

    Raises:
        SrbenchError: anything that keeps a number from being trusted.

    Examples:
        >>> scores = evaluate("bicubic", "Sample", scale=4, protocol=["matlab-y", "bam2021"])
        >>> scores.groupby("protocol", sort=False)["psnr_y"].mean().round(3).to_dict()
        {'matlab-y': 26.4, 'bam2021': 26.53}
    """
    root = Path(data_root) if data_root is not None else None
    chosen = [dataset] if isinstance(dataset, str) or not isinstance(dataset, Sequence) else dataset
    names = [protocol] if isinstance(protocol, str | Protocol) else protocol
    sets, protocols = [_as_set(entry, root) for entry in chosen], [get_protocol(name) for name in names]
    with borrowed(model):
        plan = Plan(as_upscaler(model, scale=scale, options=options), sets, protocols, lr)
        return to_frame([row for rows in run(plan) for row in rows])


def run(plan: Plan, *, done: Iterable[RowId] = (), elsewhere: Iterable[RowId] = ()) -> Generator[list[Row], None, None]:
    """Evaluate a plan, image by image: yields the rows of each forward pass as soon as they are scored, in order.

    Images that nothing could be made of are named before the first forward pass.

    Args:
        done: rows that need not be computed again; an image that is to be saved and is not there is made again.
        elsewhere: rows that another process computes.
    """
    tasks = list(_tasks(plan, frozenset(done), frozenset(elsewhere)))
    _require_given(plan, tasks)
    _require_sizes(plan, tasks)
    with _opencv_on_one_thread():
        yield from _image_per_core(plan, tasks) if plan.upscaler.fills_all_cores else _pipelined(plan, tasks)


def count_forward_passes(plan: Plan, done: Iterable[RowId] = (), elsewhere: Iterable[RowId] = ()) -> int:
    """How many forward passes `run` will make."""
    return sum(1 for _ in _tasks(plan, frozenset(done), frozenset(elsewhere)))


def row_ids(plan: Plan) -> list[RowId]:
    """Every row that a finished evaluation has, in the order of `run`."""
    return [
        (task.dataset.name, protocol.name, task.name)
        for task in _tasks(plan, frozenset(), frozenset())
        for protocol in task.protocols
    ]


def describe(plan: Plan, device: torch.device, *, started: str, seconds: float) -> Record:
    """The record of an evaluation: everything needed to make its numbers again, ready for JSON.

    Args:
        device: where the network ran.
        started: UTC time in ISO 8601.
        seconds: wall-clock time of this (last) session of the run.
    """
    identity, options = plan.upscaler.identity, plan.upscaler.options
    return {
        "schema_version": SCHEMA_VERSION,
        "model": {
            "spec": identity.spec,
            "weights_sha256": identity.weights_sha256,
            "parameters": identity.parameters,
            **plan.details(),
        },
        "scale": plan.upscaler.scale,
        "protocols": {
            protocol.name: {
                "version": protocol.version,
                "summary": protocol.summary,
                "lr_source": plan.lr_source(protocol),
            }
            for protocol in plan.protocols
        },
        "lr_source": plan.lr,
        "datasets": {
            dataset.name: {
                "fingerprint": dataset.fingerprint,
                "variant": dataset.variant,
                "n": len(dataset.names),
                "n_expected": dataset.n_expected,
            }
            for dataset in plan.sets
        },
        "precision": options.precision,
        "tile": options.tile,
        "self_ensemble": options.self_ensemble,
        "optimise": options.optimise,
        "images_at_once": plan.upscaler.images_at_once,
        "seed": None,  # nothing in an evaluation is random
        "environment": describe_environment(device),
        "started": started,
        "seconds": round(seconds, 3),
    }


def _as_set(entry: Any, root: Path | None) -> ImageSet:
    if isinstance(entry, str):
        return open_dataset(entry, data_root=root)
    images = getattr(entry, "images", entry)
    if not isinstance(images, ImageSet):
        raise DatasetError(f"expected a dataset name, an ImageSet or a dataset view, got {type(entry).__name__}")
    return images


def _tasks(plan: Plan, done: frozenset[RowId], elsewhere: frozenset[RowId]) -> Iterator[_Task]:
    groups: dict[tuple[str, LrSource], list[Protocol]] = {}
    for protocol in plan.protocols:
        groups.setdefault(plan.source_key(protocol), []).append(protocol)
    for dataset in plan.sets:
        for (_, lr), members in groups.items():
            for name in dataset.names:
                own = [member for member in members if (dataset.name, member.name, name) not in elsewhere]
                missing = tuple(member for member in own if (dataset.name, member.name, name) not in done)
                if missing or (own and plan.save_images and not _place(plan.save_images, dataset, name).exists()):
                    yield _Task(dataset, name, own[0].preparation, missing, lr)


def _place(folder: Path, dataset: ImageSet, name: str) -> Path:
    return folder / dataset.name / f"{name}.png"


def _require_given(plan: Plan, tasks: Iterable[_Task]) -> None:
    """The LR files that are asked for, before those of other sets are worked on."""
    scale = plan.upscaler.scale
    for dataset in {task.dataset.name: task.dataset for task in tasks if task.lr == "given"}.values():
        for name in dataset.names if scale not in dataset.given_scales else ():
            dataset.given_lr(name, scale=scale)


def _require_sizes(plan: Plan, tasks: Iterable[_Task]) -> None:
    sizes: dict[tuple[str, str], tuple[int, int]] = {}
    for task in tasks:
        image = task.dataset.name, task.name
        if image not in sizes:
            sizes[image] = task.dataset.hr_size(task.name)
        with _blamed(task):
            for protocol in task.protocols:
                protocol.require_size(*sizes[image], scale=plan.upscaler.scale)


def _pipelined(plan: Plan, tasks: Iterable[_Task]) -> Generator[list[Row], None, None]:
    """One image in preparation, one in the upscaler, one being scored."""
    with ThreadPoolExecutor(1, "srbench-load") as loader, ThreadPoolExecutor(1, "srbench-score") as scorer:
        upcoming = (loader.submit(_prepare, task, plan.upscaler.scale) for task in tasks)
        scoring: Future[list[Row]] | None = None
        try:
            for loaded in _ahead(upcoming):
                prepared = loaded.result()
                sr, seconds = _forward(plan.upscaler, prepared)
                if scoring is not None:
                    yield scoring.result()
                scoring = scorer.submit(_score, plan, prepared, sr, seconds)
        except SrbenchError:
            # What is already computed must not be lost with the image that failed.
            if scoring is not None:
                with suppress(SrbenchError):
                    yield scoring.result()
            raise
        if scoring is not None:
            yield scoring.result()


def _image_per_core(plan: Plan, tasks: Iterable[_Task]) -> Generator[list[Row], None, None]:
    """As many images at once as the upscaler allows, each on its share of the cores; a large one on all of them."""
    threads, lanes = torch.get_num_threads(), plan.upscaler.images_at_once
    pool = ThreadPoolExecutor(lanes, "srbench-image", torch.set_num_threads, (max(1, threads // lanes),))
    working: deque[Future[list[Row] | _Prepared]] = deque()
    try:
        for task in tasks:
            working.append(pool.submit(_whole, plan, task))
            if len(working) > lanes:  # one more than the lanes, so that none waits for the journal
                yield _rows(plan, working)
        while working:
            yield _rows(plan, working)
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)


def _whole(plan: Plan, task: _Task) -> list[Row] | _Prepared:
    """An image from its file to its rows; no further than its preparation if it is large."""
    prepared = _prepare(task, plan.upscaler.scale)
    if prepared.lr.shape[0] * prepared.lr.shape[1] > _LARGE:
        return prepared
    return _score(plan, prepared, *_forward(plan.upscaler, prepared))


def _rows(plan: Plan, working: deque[Future[list[Row] | _Prepared]]) -> list[Row]:
    """The rows of the image that was begun first."""
    result = working.popleft().result()
    if isinstance(result, _Prepared):
        wait(working)
        return _score(plan, result, *_compact(result.task, *_forward(plan.upscaler, result)))
    return result


def _compact(task: _Task, sr: Image, seconds: float) -> tuple[Image, float]:
    """A large SR image in a quarter of its memory, where no protocol wants more than 8 bits."""
    with _blamed(task):
        return to_8bit(sr) if all(protocol.scoring.rounded for protocol in task.protocols) else sr, seconds


@contextmanager
def _opencv_on_one_thread() -> Iterator[None]:
    """OpenCV's own threads gain nothing on one image's filters and get in the network's way."""
    # Inside the function: a study that only trains has this module, too, where OpenCV is missing.
    import cv2

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _ahead(futures: Iterator[Future[_Prepared]]) -> Iterator[Future[_Prepared]]:
    """The futures in order, the next one always started before the current one is handed out."""
    current = next(futures, None)
    while current is not None:
        following = next(futures, None)
        yield current
        current = following


@contextmanager
def _blamed(task: _Task) -> Iterator[None]:
    """What a protocol refuses is an image's fault, and named so."""
    try:
        yield
    except ProtocolError as error:
        raise ImageError(f"{task.dataset.name}/{task.name}: {error}") from error


def _prepare(task: _Task, scale: int) -> _Prepared:
    original = task.dataset.hr(task.name)
    with _blamed(task):
        if task.lr == "given":
            hr, lr = given_pair(task.dataset, task.name, original, task.preparation, scale=scale)
        else:
            hr, lr = task.preparation.prepare(original, scale=scale, name=task.name)
    sha256 = pixel_sha256(original)
    task.dataset.require_hashed(task.name, sha256)
    return _Prepared(task, hr, lr, sha256)


def _forward(upscaler: Upscaler, prepared: _Prepared) -> tuple[Image, float]:
    started = time.perf_counter()
    sr = upscaler.checked(prepared.lr, dataset=prepared.task.dataset.name, name=prepared.task.name)
    return sr, time.perf_counter() - started


def _score(plan: Plan, prepared: _Prepared, sr: Image, seconds: float) -> list[Row]:
    task = prepared.task
    with _blamed(task):
        saved = to_8bit(sr)
        rows = _scored(plan, prepared, sr, saved, seconds) if task.protocols else []
    if plan.save_images is not None:
        save_png(_place(plan.save_images, task.dataset, task.name), saved)
    return rows


def _scored(plan: Plan, prepared: _Prepared, sr: Image, saved: NDArray[np.uint8], seconds: float) -> list[Row]:
    task, scale = prepared.task, plan.upscaler.scale
    shared = {
        "model": plan.upscaler.identity.spec,
        "dataset": task.dataset.name,
        "scale": scale,
        "image": task.name,
        "psnr_lr": task.protocols[0].psnr_lr(saved, prepared.lr, scale=scale, name=task.name),
        "seconds": seconds,
        "lr_source": task.lr,
        "hr_sha256": prepared.hr_sha256,
        "lr_sha256": pixel_sha256(prepared.lr),
    }
    return [
        {
            **shared,
            "protocol": protocol.name,
            "protocol_version": protocol.version,
            **protocol.score(saved if protocol.scoring.rounded else sr, prepared.hr, scale=scale),
        }
        for protocol in task.protocols
    ]
