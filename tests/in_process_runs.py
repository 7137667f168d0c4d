"""Run the commands of a re-run in the test's process, which has torch loaded already."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from srbench.cli import main
from srbench.verification import memorisation


def rerun_in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the processes of `srbench.verification.rerun` by calls of the same commands here."""

    def call(command: list[str], *_: object) -> None:
        if "srbench" in command:
            result = CliRunner().invoke(main, command[command.index("srbench") + 1 :])
            assert result.exit_code == 0, result.output
            return
        with monkeypatch.context() as patched:
            patched.setattr("sys.argv", command[-3:])
            memorisation.main()

    monkeypatch.setattr("srbench.verification.rerun.run_limited", call)
