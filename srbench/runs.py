"""A plan carried out into its folder: by one process, or by several that share its images and meet in the folder."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch

from srbench.errors import ResultsError
from srbench.evaluation import Plan, count_forward_passes, describe, row_ids, run
from srbench.evaluation.probe import require_same_model, take_probe
from srbench.journal import Row
from srbench.scores import Record, RowId, RunFolder, row_id
from srbench.upscalers.tensors import pick_device

POLL_SECONDS = 0.5
PATIENCE_SECONDS = 3600.0
"""How long the first process waits for another to score one more image before it gives up on it."""

Watch = Callable[[Iterable[list[Row]], int, int], Iterable[list[Row]]]
"""Sees the rows of each forward pass go by: (batches, rows that were there before, forward passes to come)."""


@dataclass(frozen=True)
class Share:
    """The images that one process computes: every `count`-th of the run's, from number `rank` on."""

    rank: int = 0
    count: int = 1

    @classmethod
    def from_environment(cls) -> Share:
        """The share that a launcher such as torchrun gave this process in `$RANK` and `$WORLD_SIZE`; else the whole.

        Raises:
            ResultsError: the two are not a number and how many there are.
        """
        rank, count = os.environ.get("RANK", "0"), os.environ.get("WORLD_SIZE", "1")
        if not (rank.isdecimal() and count.isdecimal() and int(rank) < int(count)):
            raise ResultsError(
                f"expected $RANK below $WORLD_SIZE, as torchrun sets them, got {rank!r} and {count!r}; "
                "unset both to work alone"
            )
        return cls(int(rank), int(count))


def carry_out(
    plan: Plan,
    output: Path | None,
    *,
    share: Share = Share(),
    watch: Watch = lambda batches, kept, total: batches,
    accept_random: bool = False,
) -> tuple[list[Row], Record] | None:
    """Evaluate a plan, keeping rows and record in the folder `output` if there is one; finished work is not repeated.

    Args:
        accept_random: resume a run of a model whose outputs differ from call to call.

    Returns:
        Rows in the plan's order, and the record. None for a process other than the first: its rows are in the folder,
        and the first one, having waited for all, writes table and record.

    Raises:
        ResultsError: several processes without a folder to meet in; or rows of another process that do not come; or
            scores in the folder of a model that computed something else.
        SrbenchError: whatever keeps an image from being scored.
    """
    if share.count > 1 and output is None:
        raise ResultsError(f"{share.count} processes: expected --output DIR, a folder that all of them reach, got none")
    started, clock = datetime.now(UTC).isoformat(timespec="seconds"), time.perf_counter()
    probe = take_probe(plan.upscaler)
    facts = probe.to_head() if probe else {}
    folder = RunFolder(output, plan.key(), writer=share.rank, facts=facts) if output else None
    if folder:
        precision = plan.upscaler.options.precision
        require_same_model(folder.path, folder.sources, probe, precision=precision, accept_random=accept_random)
    rows = list(folder.rows) if folder else []
    done, elsewhere = {row_id(row) for row in rows}, _of_others(plan, share)
    # A generator that is closed on the way out lets its threads finish before the interpreter ends.
    with contextlib.closing(run(plan, done=done, elsewhere=elsewhere)) as batches:
        for batch in watch(batches, len(rows), count_forward_passes(plan, done, elsewhere)):
            if folder and batch:
                folder.append(batch)
            rows.extend(batch)
    if share.rank:
        return None
    if folder and folder.record:
        return rows, folder.record
    wanted = row_order(plan)
    if folder:
        _await(folder, wanted)
        rows = folder.rows = in_order(folder.rows, wanted)
    device = pick_device(plan.upscaler.options.device)
    seconds = time.perf_counter() - clock
    record = describe(plan, device, started=started, seconds=seconds, probe=probe) | {"processes": share.count}
    if folder:
        folder.finish(record)
        record = folder.record or record
    return rows, record


def row_order(plan: Plan) -> dict[RowId, int]:
    """Every row that a finished run of the plan has, with its place among them."""
    return {identity: place for place, identity in enumerate(row_ids(plan))}


def in_order(rows: Iterable[Row], order: dict[RowId, int]) -> list[Row]:
    """The rows sorted into the order of their run, each once."""
    unique: dict[RowId, Row] = {}
    for row in rows:
        unique.setdefault(row_id(row), row)
    return sorted(unique.values(), key=lambda row: order[row_id(row)])


def local_device(name: str) -> str:
    """The device for this process among those of its machine: with `auto` or `cuda` each gets a GPU of its own."""
    rank = os.environ.get("LOCAL_RANK", "")
    if name not in ("auto", "cuda") or not rank.isdecimal() or not torch.cuda.is_available():
        return name
    return f"cuda:{int(rank) % torch.cuda.device_count()}"


def _of_others(plan: Plan, share: Share) -> set[RowId]:
    images = [(dataset.name, name) for dataset in plan.sets for name in dataset.names]
    return {
        (dataset, protocol.name, name)
        for place, (dataset, name) in enumerate(images)
        if place % share.count != share.rank
        for protocol in plan.protocols
    }


def _await(folder: RunFolder, wanted: Iterable[RowId]) -> None:
    """Wait until the other processes' rows are in the folder too."""
    clock = time.monotonic()
    while missing := set(wanted) - {row_id(row) for row in folder.rows}:
        if time.monotonic() - clock > PATIENCE_SECONDS:
            raise ResultsError(
                f"{folder.path}: expected the rows of the other processes, got none for "
                f"{PATIENCE_SECONDS:.0f} s while {len(missing)} are missing; see what stopped them, and "
                "repeat the command: what is already computed is kept"
            )
        time.sleep(POLL_SECONDS)
        before = len(folder.rows)
        folder.reload()
        if len(folder.rows) > before:
            clock = time.monotonic()
