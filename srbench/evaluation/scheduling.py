"""The order in which images are prepared, upscaled and scored.

While a GPU works, the next image is decoded and degraded and the last one scored. On the CPU each core takes an image
from its file to its scores: threads that share one image wait for each other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress

import torch

from srbench.errors import SrbenchError
from srbench.evaluation.evaluation_plan import Plan, Task, tasks_of
from srbench.evaluation.image_scoring import Prepared, forward, naming_the_image, prepare, score
from srbench.protocols import to_8bit
from srbench.scores import Row, RowId
from srbench.upscalers.base import Image

# Number of LR pixels from which an image is computed alone, with all cores and all memory.
_LARGE = 512 * 512


def run(plan: Plan, *, done: Iterable[RowId] = (), elsewhere: Iterable[RowId] = ()) -> Generator[list[Row], None, None]:
    """Evaluate a plan image by image: yield the rows of each forward pass as soon as they are scored, in order.

    Images that cannot be used are reported before the first forward pass.

    Args:
        done: rows that need not be computed again; an image is still computed if its SR file is to be saved and is
            missing.
        elsewhere: rows that another process computes.
    """
    tasks = list(tasks_of(plan, frozenset(done), frozenset(elsewhere)))
    _ = plan.lr_origins  # raises where an LR file cannot be used, before the first forward pass
    _require_sizes(plan, tasks)
    _ = plan.loaded_metrics  # raises where weights are missing, before the first forward pass
    with _opencv_on_one_thread():
        yield from _image_per_core(plan, tasks) if plan.upscaler.fills_all_cores else _pipelined(plan, tasks)


def _require_sizes(plan: Plan, tasks: Iterable[Task]) -> None:
    sizes: dict[tuple[str, str], tuple[int, int]] = {}
    for task in tasks:
        image = task.dataset.name, task.name
        if image not in sizes:
            sizes[image] = task.dataset.hr_size(task.name)
        with naming_the_image(task):
            for protocol in task.protocols:
                protocol.require_size(*sizes[image], scale=plan.upscaler.scale)


def _pipelined(plan: Plan, tasks: Iterable[Task]) -> Generator[list[Row], None, None]:
    """Prepare one image, upscale the previous one and score the one before it, all at the same time."""
    with ThreadPoolExecutor(1, "srbench-load") as loader, ThreadPoolExecutor(1, "srbench-score") as scorer:
        upcoming = (loader.submit(prepare, task, plan.upscaler.scale) for task in tasks)
        scoring: Future[list[Row]] | None = None
        try:
            for loaded in _ahead(upcoming):
                prepared = loaded.result()
                sr, seconds = forward(plan.upscaler, prepared)
                if scoring is not None:
                    yield scoring.result()
                scoring = scorer.submit(score, plan, prepared, sr, seconds)
        except SrbenchError:
            # Rows that are already computed must not be lost if a later image fails.
            if scoring is not None:
                with suppress(SrbenchError):
                    yield scoring.result()
            raise
        if scoring is not None:
            yield scoring.result()


def _image_per_core(plan: Plan, tasks: Iterable[Task]) -> Generator[list[Row], None, None]:
    """Score as many images at once as the upscaler allows, each on some cores. A large image gets all cores."""
    threads, lanes = torch.get_num_threads(), plan.upscaler.images_at_once
    pool = ThreadPoolExecutor(lanes, "srbench-image", torch.set_num_threads, (max(1, threads // lanes),))
    working: deque[Future[list[Row] | Prepared]] = deque()
    try:
        for task in tasks:
            working.append(pool.submit(_rows_or_prepared, plan, task))
            # one more than the images being computed, so that none of them waits for the journal
            if len(working) > lanes:
                yield _rows(plan, working)
        while working:
            yield _rows(plan, working)
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)


def _rows_or_prepared(plan: Plan, task: Task) -> list[Row] | Prepared:
    """Compute the rows of an image from its file; a large image is only prepared."""
    prepared = prepare(task, plan.upscaler.scale)
    if prepared.lr.shape[0] * prepared.lr.shape[1] > _LARGE:
        return prepared
    return score(plan, prepared, *forward(plan.upscaler, prepared))


def _rows(plan: Plan, working: deque[Future[list[Row] | Prepared]]) -> list[Row]:
    """Return the rows of the image that was started first."""
    result = working.popleft().result()
    if isinstance(result, Prepared):
        wait(working)
        return score(plan, result, *_compact(result.task, *forward(plan.upscaler, result)))
    return result


def _compact(task: Task, sr: Image, seconds: float) -> tuple[Image, float]:
    """Return SR as 8 bits where all protocols round it anyway, which takes a quarter of the memory."""
    with naming_the_image(task):
        return to_8bit(sr) if all(protocol.scoring.rounded for protocol in task.protocols) else sr, seconds


@contextmanager
def _opencv_on_one_thread() -> Iterator[None]:
    """Limit OpenCV to one thread: more do not filter a single image faster, and they slow the network down."""
    # Inside the function: a study imports this module before it trains, and does not need OpenCV until it scores.
    import cv2

    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _ahead(futures: Iterator[Future[Prepared]]) -> Iterator[Future[Prepared]]:
    """Yield the futures in order; start the next one before yielding the current one."""
    current = next(futures, None)
    while current is not None:
        following = next(futures, None)
        yield current
        current = following
