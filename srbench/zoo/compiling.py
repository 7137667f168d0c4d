"""`torch.compile` on a machine where it cannot work: what is missing, and what to do."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from srbench.errors import SrbenchError


@contextmanager
def explained(error: type[SrbenchError], option: str) -> Iterator[None]:
    """Raises `error` in place of what torch raises when it cannot compile a network inside; `option` asked for it."""
    try:
        yield
    except RuntimeError as problem:
        # Importing this module of torch takes seconds, and who compiles has done so.
        compiler = sys.modules.get("torch._dynamo.exc")
        if compiler is None or not isinstance(problem, compiler.TorchDynamoException):
            raise
        said = " ".join(str(problem).strip().split("\n\n")[0].split())  # what follows is advice on debugging torch
        raise error(f"{option}: expected a machine on which torch.compile works, got {said}; install what it needs "
                    "(on the CPU a C++ compiler such as g++), or leave the option out") from problem
