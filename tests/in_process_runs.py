"""Run the commands of a re-run in the test's process, which has torch loaded already."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from srbench.cli import main
from srbench.verification import memorisation


def rerun_in_process(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Replace the processes of `srbench.verification.rerun` by calls of the same commands here, and return their list.

    Commands are added to the list when they run.
    """
    commands: list[list[str]] = []

    def call(command: list[str], *_: object) -> None:
        commands.append(command)
        if "srbench" in command:
            result = CliRunner().invoke(main, command[command.index("srbench") + 1 :])
            assert result.exit_code == 0, result.output
            return
        with monkeypatch.context() as patched:
            patched.setattr("sys.argv", command[-3:])
            memorisation.main()

    monkeypatch.setattr("srbench.verification.rerun.run_limited", call)
    return commands
