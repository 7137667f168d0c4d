"""`python -m srbench`: the command line."""

from srbench.cli import main

if __name__ == "__main__":
    main(prog_name="srbench")
