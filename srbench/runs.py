"""Execute a plan and store its rows and record in a folder, with one process or with several that share the images."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import overload

import torch

from srbench.errors import ResultsError
from srbench.evaluation import Plan, count_forward_passes, describe, row_ids, run
from srbench.evaluation.probe import require_same_model, take_probe
from srbench.journal import Row
from srbench.scores import Record, RowId, RunFolder, row_id
from srbench.upscalers.tensors import pick_device

POLL_SECONDS = 0.5
PATIENCE_SECONDS = 3600.0
"""How long the first process waits without any new row of the other processes before it stops with an error."""

ProgressHook = Callable[[Iterable[list[Row]], int, int], Iterable[list[Row]]]
"""A function that passes on the rows of each forward pass, for example to draw a progress bar.

Its arguments: the batches of rows, the number of rows that were already stored, and the number of forward passes left.
"""


@dataclass(frozen=True)
class Shard:
    """The images that one process computes: every `count`-th image of the run, starting with number `rank`."""

    rank: int = 0
    count: int = 1

    @classmethod
    def from_environment(cls) -> Shard:
        """Return the shard that a launcher such as torchrun set in `$RANK` and `$WORLD_SIZE`; without them, all images.

        Raises:
            ResultsError: `$RANK` is not a number below `$WORLD_SIZE`.
        """
        rank, count = os.environ.get("RANK", "0"), os.environ.get("WORLD_SIZE", "1")
        if not (rank.isdecimal() and count.isdecimal() and int(rank) < int(count)):
            raise ResultsError(
                f"expected $RANK below $WORLD_SIZE, as torchrun sets them, got {rank!r} and {count!r}; "
                "unset both to use one process"
            )
        return cls(int(rank), int(count))


@overload
def execute(
    plan: Plan, output: Path | None, *, progress: ProgressHook = ..., accept_random: bool = False
) -> tuple[list[Row], Record]: ...


@overload
def execute(
    plan: Plan, output: Path | None, *, shard: Shard, progress: ProgressHook = ..., accept_random: bool = False
) -> tuple[list[Row], Record] | None: ...


def execute(
    plan: Plan,
    output: Path | None,
    *,
    shard: Shard = Shard(),
    progress: ProgressHook = lambda batches, kept, total: batches,
    accept_random: bool = False,
) -> tuple[list[Row], Record] | None:
    """Evaluate a plan; with `output`, store rows and record in that folder and do not repeat finished work.

    Args:
        shard: the images that this process computes.
        progress: passes on the batches of rows as they are computed.
        accept_random: resume a run of a model whose outputs differ from call to call.

    Returns:
        The rows in the plan's order, and the record. None for every process except the first: their rows are in the
        folder, and the first process waits for all of them and writes table and record.

    Raises:
        ResultsError: several processes without `output`; no new rows of the other processes for an hour; or a folder
            with scores of a model whose outputs differ.
        SrbenchError: an image cannot be scored.
    """
    if shard.count > 1 and output is None:
        raise ResultsError(
            f"expected --output DIR for {shard.count} processes, got none; give a folder that all of them can write"
        )
    started, clock = datetime.now(UTC).isoformat(timespec="seconds"), time.perf_counter()
    probe = take_probe(plan.upscaler)
    facts = probe.to_head() if probe else {}
    folder = RunFolder(output, plan.key(), writer=shard.rank, facts=facts) if output else None
    if folder:
        precision = plan.upscaler.options.precision
        require_same_model(folder.path, folder.sources, probe, precision=precision, accept_random=accept_random)
    rows = list(folder.rows) if folder else []
    done, elsewhere = {row_id(row) for row in rows}, _of_others(plan, shard)
    # Closing the generator lets its threads finish before the interpreter ends.
    with contextlib.closing(run(plan, done=done, elsewhere=elsewhere)) as batches:
        for batch in progress(batches, len(rows), count_forward_passes(plan, done, elsewhere)):
            if folder and batch:
                folder.append(batch)
            rows.extend(batch)
    if shard.rank:
        return None
    if folder and folder.record:
        return rows, folder.record
    wanted = row_order(plan)
    if folder:
        _await(folder, wanted)
        rows = folder.rows = in_order(folder.rows, wanted)
    device = pick_device(plan.upscaler.options.device)
    seconds = time.perf_counter() - clock
    record = describe(plan, device, started=started, seconds=seconds, probe=probe) | {"processes": shard.count}
    if folder:
        folder.finish(record)
        record = folder.record or record
    return rows, record


def row_order(plan: Plan) -> dict[RowId, int]:
    """Return the position of every row in a finished run of the plan."""
    return {identity: place for place, identity in enumerate(row_ids(plan))}


def in_order(rows: Iterable[Row], order: dict[RowId, int]) -> list[Row]:
    """Return the rows in this order, without repetitions."""
    unique: dict[RowId, Row] = {}
    for row in rows:
        unique.setdefault(row_id(row), row)
    return sorted(unique.values(), key=lambda row: order[row_id(row)])


def local_device(name: str) -> str:
    """Return the device for this process: with `auto` or `cuda`, each process of a machine gets a different GPU."""
    rank = os.environ.get("LOCAL_RANK", "")
    if name not in ("auto", "cuda") or not rank.isdecimal() or not torch.cuda.is_available():
        return name
    return f"cuda:{int(rank) % torch.cuda.device_count()}"


def _of_others(plan: Plan, shard: Shard) -> set[RowId]:
    images = [(dataset.name, name) for dataset in plan.sets for name in dataset.names]
    return {
        (dataset, protocol.name, name)
        for place, (dataset, name) in enumerate(images)
        if place % shard.count != shard.rank
        for protocol in plan.protocols
    }


def _await(folder: RunFolder, wanted: Iterable[RowId]) -> None:
    """Wait until the folder also has the rows of the other processes."""
    clock = time.monotonic()
    while missing := set(wanted) - {row_id(row) for row in folder.rows}:
        if time.monotonic() - clock > PATIENCE_SECONDS:
            raise ResultsError(
                f"{folder.path}: expected the rows of the other processes, got none for "
                f"{PATIENCE_SECONDS:.0f} s while {len(missing)} are missing; check why they stopped, and "
                "repeat the command: finished rows are kept"
            )
        time.sleep(POLL_SECONDS)
        before = len(folder.rows)
        folder.reload()
        if len(folder.rows) > before:
            clock = time.monotonic()
