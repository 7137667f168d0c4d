"""Workers do not outlive who started them."""

from __future__ import annotations

import select
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

OWNER = """
import os, time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from srbench.workers import end_with_parent

if __name__ == "__main__":
    end_with_parent()  # nobody's worker, so nothing happens
    pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=end_with_parent)
    pool.submit(os.getpid).result()
    print("ready", flush=True)
    time.sleep(600)
"""


def test_a_worker_ends_when_its_owner_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "owner.py"
    script.write_text(OWNER)
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, cwd=ROOT) as owner:
        assert owner.stdout and owner.stdout.readline() == b"ready\n"
        owner.kill()
        # The worker has the same output: it is at its end when nobody is left to write to it.
        assert select.select([owner.stdout], [], [], 60)[0] and owner.stdout.read() == b""
