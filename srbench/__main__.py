"""`srbench` and `python -m srbench`: the command line."""

import gc

GC_THRESHOLDS = (20_000, 10, 10)
"""Loading torch creates a million objects that stay. With Python's default thresholds, garbage collection would take a
tenth of the start-up time."""


def main() -> None:
    """Run the command that the process was started with."""
    gc.set_threshold(*GC_THRESHOLDS)
    from srbench.cli import main as group

    group(prog_name="srbench")


if __name__ == "__main__":
    main()
