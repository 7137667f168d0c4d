"""Stop a training on SIGINT (Ctrl-C) or SIGTERM after the running step, so that a checkpoint can be written."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""The signals that ask for a stop: Ctrl-C, and what batch systems and `kill` send."""


@dataclass
class StopRequest:
    """A request to stop, with its signal."""

    signal: signal.Signals | None = None


@contextmanager
def stop_on_signal() -> Iterator[StopRequest]:
    """Note the first stop signal in the request; a second one ends the process as usual.

    Outside the main thread signals cannot be handled, and the request stays empty.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {one: signal.getsignal(one) for one in SIGNALS}

    def note(number: int, frame: FrameType | None) -> None:
        request.signal = signal.Signals(number)
        for one, handler in before.items():
            signal.signal(one, handler)

    for one in SIGNALS:
        signal.signal(one, note)
    try:
        yield request
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
