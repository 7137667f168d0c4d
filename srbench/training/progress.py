"""Report the progress of a training: a bar in a terminal, else one line at the start and one every minute."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from srbench.training import clock

SECONDS = 60.0
"""Seconds between two lines outside a terminal, unless a number of steps is given."""

_TIMED_STEPS = 2  # time is measured after the first step, which is slower


def say(text: str) -> None:
    """Print a line to standard error, above a progress bar if there is one."""
    tqdm.write(text, file=sys.stderr)


@dataclass
class ProgressLines:
    """The lines of a training outside a terminal; none in a terminal, where a bar shows the same.

    Attributes:
        what: the network, its scales, the recipe and the seed.
        where: the output folder.
        last_step: the number of steps that are done when the training is finished.
        batch: patches of a step.
        every: steps between two lines; None prints a line a minute.
        shown: false in silent trainings.
    """

    what: str
    where: Path
    last_step: int
    batch: int
    every: int | None
    shown: bool
    _begun: tuple[int, float] | None = None
    _announced: bool = False
    _printed: float = 0.0

    def __post_init__(self) -> None:
        self.shown = self.shown and (self.every is not None or not sys.stderr.isatty())

    def tick(self, step: int, loss: Callable[[], float]) -> None:
        """Print the first line after the first steps, with the time that their speed predicts.

        `loss` reads the last loss, which waits until a GPU has done the step.
        """
        if not self.shown or self._announced:
            return
        if self._begun is None:
            loss()
            self._begun = (step, clock.now())
            self._printed = self._begun[1]
        if step - self._begun[0] >= _TIMED_STEPS or step == self.last_step:
            loss()
            self._announce(step)

    def _announce(self, step: int) -> None:
        self._announced = True
        rate = self._rate(step)
        expected = f", about {duration((self.last_step - step) / rate)} to go" if rate else ""
        say(f"{self.what}: step {step} of {self.last_step}{expected}, written to {self.where}")

    def step(self, step: int, loss: float, psnr: float | None) -> None:
        """Print the progress of the training if a line is due. `loss` is a mean over the last steps, `psnr` in dB."""
        now = clock.now()
        due = now - self._printed >= SECONDS if self.every is None else step % self.every == 0
        if not self.shown or not due:
            return
        self._printed = now
        rate = self._rate(step)
        speed = f", {rate * self.batch:.1f} patches/s, {duration((self.last_step - step) / rate)} left" if rate else ""
        measured = "-" if psnr is None else f"{psnr:.3f} dB"
        say(f"step {step}/{self.last_step}, loss {loss:.4f}, held-out PSNR {measured}{speed}")

    def _rate(self, step: int) -> float:
        """Return the steps per second since the first step; 0 if there was none after it."""
        if self._begun is None or step <= self._begun[0]:
            return 0.0
        return (step - self._begun[0]) / max(clock.now() - self._begun[1], 1e-9)


def duration(seconds: float) -> str:
    """Return a time in words.

    Examples:
        >>> duration(42), duration(600), duration(5400)
        ('42 s', '10 min', '1.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
