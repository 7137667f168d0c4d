"""`python -m srbench`: the command line. Training alone also runs where click is missing."""

import sys
from importlib.util import find_spec

if __name__ == "__main__":
    if find_spec("click") is None and sys.argv[1:2] == ["train"]:
        from srbench.training.command import main as train

        sys.exit(train(sys.argv[2:]))
    from srbench.cli import main

    main(prog_name="srbench")
