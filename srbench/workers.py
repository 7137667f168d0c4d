"""Worker processes that end together with the process that started them."""

from __future__ import annotations

import os
from multiprocessing import parent_process
from multiprocessing.process import BaseProcess
from threading import Thread


def end_with_parent() -> None:
    """End this process as soon as its parent process has ended, also if the parent was killed.

    Otherwise a worker of a pool whose owner was killed would wait for its next task for ever, since it holds both ends
    of the pipe, and would keep its memory, also on a GPU.
    """
    if parent := parent_process():
        Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
