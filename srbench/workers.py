"""Processes that work for another one, and end with it."""

from __future__ import annotations

import os
from multiprocessing import parent_process
from multiprocessing.process import BaseProcess
from threading import Thread


def end_with_parent() -> None:
    """Have this process end as soon as the one that started it has, in whatever way that ended.

    A worker of a pool whose owner was killed waits for its next task for ever, for it holds both ends of the pipe, and
    keeps its memory, a GPU's included.
    """
    if parent := parent_process():
        Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
