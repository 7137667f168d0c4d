"""`srbench` and `python -m srbench`: the command line. Training alone also runs where click is missing."""

import gc
import sys
from importlib.util import find_spec

GC_THRESHOLDS = (20_000, 10, 10)
"""Loading torch makes a million objects that stay: looking through them as often as Python does by default takes a
tenth of the time of a start."""


def main() -> None:
    """Run the command that the process was started with."""
    gc.set_threshold(*GC_THRESHOLDS)
    if find_spec("click") is None and sys.argv[1:2] == ["train"]:
        from srbench.training.command import main as train

        sys.exit(train(sys.argv[2:]))
    from srbench.cli import main as group

    group(prog_name="srbench")


if __name__ == "__main__":
    main()
