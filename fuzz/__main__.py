"""`python -m fuzz TARGET SECONDS [SEED]`: fuzz one target from its committed corpus, in a copy that may grow."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["srbench"]):
    from fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
MAX_BYTES = 32_768


def main() -> None:
    """Run libFuzzer; ends with 0 after the time, with another code at the first finding, whose input it keeps."""
    name, seconds = sys.argv[1], sys.argv[2]
    seed = sys.argv[3] if len(sys.argv) > 3 else "0"  # 0 lets libFuzzer choose one
    corpus = Path(tempfile.mkdtemp(prefix=f"fuzz-{name}-"))
    shutil.copytree(CORPUS / name, corpus, dirs_exist_ok=True)
    arguments = [
        f"-max_total_time={seconds}",
        f"-max_len={MAX_BYTES}",
        f"-seed={seed}",
        "-timeout=20",
        "-rss_limit_mb=3000",
        f"-artifact_prefix=fuzz-{name}-",
        "-print_final_stats=1",
        "-verbosity=1",
    ]
    atheris.Setup([sys.argv[0], *arguments, str(corpus)], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
