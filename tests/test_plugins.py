"""Plugins: installed packages add entries, are recorded, and cannot break anything else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from srbench.errors import PluginError
from srbench.metrics.metric_entries import METRICS

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples/srbench-example-plugin"


def _install(folder: Path, name: str, module: str, *, plugin: str = "") -> None:
    """Write what an installer writes for a package with one entry point."""
    facts = folder / f"{name}-0.1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
    (facts / "entry_points.txt").write_text(f"[srbench.plugins]\n{plugin or name} = {module}\n")


def _run(*command: str, site: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(ROOT), str(EXAMPLE), str(site)])
    environment = {**os.environ, "PYTHONPATH": path, **settings}
    return subprocess.run(
        [sys.executable, *command], env=environment, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture
def site(tmp_path: Path) -> Path:
    _install(tmp_path, "example", "srbench_example")
    return tmp_path


_EVALUATE = ("-m", "srbench", "evaluate", "--model", "nearest:any", "--scale", "4", "--dataset", "Sample")


def test_plugin_entries_are_used_and_recorded(site: Path) -> None:
    options = ("--protocol", "example-rounded-rgb", "--metric", "mean_error", "--format", "json")
    done = _run(*_EVALUATE, *options, site=site)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["record"]["plugins"] == {"example": "0.1.0"}
    assert document["record"]["metrics"] == {"mean_error": {"version": 1, "direction": "lower"}}
    assert 0 < document["datasets"]["Sample"]["mean_error"] < 255


@pytest.mark.long
def test_environment_variable_keeps_plugins_out(site: Path) -> None:
    options = ("--protocol", "example-rounded-rgb", "--metric", "mean_error", "--format", "json")
    refused = _run(*_EVALUATE, *options, site=site, SRBENCH_NO_PLUGINS="1")
    assert (refused.returncode, "unknown protocol" in refused.stderr) == (1, True)


@pytest.mark.long
def test_plugin_networks_and_datasets_are_listed(site: Path) -> None:
    assert "\nthin " in _run("-m", "srbench", "zoo", "list", site=site).stdout
    assert "\nExampleSet " in _run("-m", "srbench", "data", "list", site=site).stdout


def test_broken_plugin_warns_and_leaves_nothing_behind(site: Path) -> None:
    _install(site, "broken", "broken_plugin")
    (site / "broken_plugin.py").write_text(
        "import dataclasses\n"
        "from srbench.metrics.metric_entries import METRICS\n"
        "METRICS.register('half', dataclasses.replace(METRICS['niqe'], name='half'))\n"
        "raise RuntimeError('no licence')\n"
    )
    code = "from srbench.metrics.metric_entries import METRICS; print('half' in METRICS, 'mean_error' in METRICS)"
    done = _run("-c", code, site=site)
    assert done.stdout == "False True\n"
    assert "the plugin broken was not loaded: RuntimeError: no licence" in done.stderr


def test_two_plugins_of_one_name_load_once(site: Path) -> None:
    _install(site, "other", "json", plugin="example")
    done = _run("-c", "from srbench.plugins import loaded_plugins; print(loaded_plugins())", site=site)
    assert done.stdout == "{'example': '0.1.0'}\n"
    assert "expected plugins of different names, got two named example" in done.stderr


@pytest.mark.long
def test_leaderboard_commands_load_no_plugin(site: Path) -> None:
    _install(site, "loud", "loud_plugin")
    (site / "loud_plugin.py").write_text("print('loaded')\n")
    (site / "entries").mkdir()
    done = _run("-m", "srbench", "leaderboard", "check", "--submissions", str(site / "entries"), site=site)
    assert "loaded" not in done.stdout + done.stderr


@pytest.mark.parametrize("name", ["psnr_y", "PSNR_Y", "image"])
def test_taken_names_of_metrics_are_refused(name: str) -> None:
    with pytest.raises(PluginError, match="choose another"):
        METRICS.register(name, METRICS["niqe"])
