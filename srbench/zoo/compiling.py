"""Use `torch.compile` for any number of networks; if it fails, report what is missing and what to do."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from srbench.errors import SrbenchError

_MOST_KINDS = 256


def allow_many_networks() -> None:
    """Let torch compile any number of networks in one process.

    By default torch compiles one function for eight kinds of networks and runs further ones uncompiled, with a warning;
    all networks of the zoo share one `forward` function.
    """
    # Inside the function: the import takes seconds, and only compiling needs it.
    import torch._dynamo.config as settings

    settings.recompile_limit = max(settings.recompile_limit, _MOST_KINDS)


@contextmanager
def explained(error: type[SrbenchError], option: str) -> Iterator[None]:
    """Raise `error` instead of torch's exception if a network cannot be compiled; `option` is the option to name."""
    try:
        yield
    except RuntimeError as problem:
        # Importing this module of torch takes seconds, and compiling has already imported it.
        compiler = sys.modules.get("torch._dynamo.exc")
        if compiler is None or not isinstance(problem, compiler.TorchDynamoException):
            raise
        said = " ".join(str(problem).strip().split("\n\n")[0].split())  # what follows is advice on debugging torch
        raise error(
            f"{option}: expected a machine on which torch.compile works, got {said}; install what it needs "
            "(on the CPU a C++ compiler such as g++), or leave the option out"
        ) from problem
