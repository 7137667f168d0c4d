"""The exceptions of srbench, and helpers for their messages, which say what was expected, what was found, what to
do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class SrbenchError(Exception):
    """The base class of errors that srbench reports as a message without a traceback (exit code 1)."""


class UnknownNameError(SrbenchError):
    """A model, dataset, protocol or weights tag that does not exist; the message offers close matches."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        choices = sorted(known)
        close = difflib.get_close_matches(str(name).lower(), choices, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(choices) or 'none'}"
        super().__init__(f"unknown {kind} {name!r}; {hint}")
        self.kind, self.name, self.close = kind, name, close


class ImageError(SrbenchError):
    """An image that cannot be decoded under the decode policy, or has an unusable size."""


class DatasetError(SrbenchError):
    """A dataset that is missing, empty, ambiguous or does not pair with its LR files."""


class ProtocolError(SrbenchError):
    """A request for a preparation or a score that the protocol does not define."""


class MetricError(SrbenchError):
    """A metric whose weights are missing, or that is not defined for an image."""


class PluginError(SrbenchError):
    """An entry of a plugin that cannot be registered."""


class FetchError(SrbenchError):
    """A file that could not be fetched, or whose bytes are not the pinned ones."""


class WeightsError(SrbenchError):
    """Weights that do not fit the network, or a checkpoint that is unsafe or damaged."""


class UpscalerError(SrbenchError):
    """An upscaler that cannot be built, or returned something that is not an SR image."""


class ResultsError(SrbenchError):
    """A results folder that is unreadable, belongs to another run, or cannot be written."""


class SweepError(SrbenchError):
    """A sweep whose engine is missing or fails, or whose machines have different weights or pixels."""


class ComparisonError(SrbenchError):
    """Two runs that must not be compared because protocol, scale, HR or LR differ."""


class FigureError(SrbenchError):
    """A figure or plot that cannot be drawn or written: a box outside the image, a missing font or sign, no data."""


class TrainingError(SrbenchError):
    """A training that cannot start or continue: recipe, data, checkpoint, memory, or another process of the same
    run."""


class DivergedError(TrainingError):
    """A training whose loss or gradient is no longer finite, usually because the learning rate is too high."""


class SubmissionError(SrbenchError):
    """A submission that cannot be made, read or verified; messages quote hostile text as short ASCII."""


class AuditError(SrbenchError):
    """A claim that has the wrong form, or that cannot be compared with any score."""


class StudyError(SrbenchError):
    """A controlled study with an invalid plan, with stored runs of a different plan, or with missing runs."""


def counted(number: int, singular: str, plural: str = "") -> str:
    """Return a number with its noun: 1 entry, 2 entries."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def numbered(singular: str, numbers: Sequence[int]) -> str:
    """Return a noun with its numbers: seed 2; seeds 1, 3."""
    return f"{singular}{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"


def enumerated(names: Sequence[str], last: str = "and") -> str:
    """Return all names in words, the last after `and` or another word: `a`, `a and b`, `a, b and c`."""
    return f" {last} ".join([", ".join(names[:-1]), *names[-1:]] if len(names) > 1 else names)


def listed(names: Sequence[str], most: int = 1) -> str:
    """Return the first names of a list and the number of the others: `a and 2 more`."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
