"""Plugins: installed packages add entries, are recorded, and cannot break anything else."""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from safetensors.torch import save_file

from srbench.cli import main
from srbench.datasets.catalogue import CATALOGUE
from srbench.errors import PluginError, SrbenchError
from srbench.images import save_png
from srbench.metrics.metric_entries import METRICS
from srbench.protocols.registry import PROTOCOLS
from srbench.result import evaluate
from srbench.upscalers.loading import UPSCALERS
from srbench.zoo.building import build
from srbench.zoo.networks import NETWORKS

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


@pytest.mark.long
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


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Register the entries of the example in this process, and restore the registries."""
    registries: tuple[Any, ...] = (NETWORKS, METRICS, PROTOCOLS, CATALOGUE, UPSCALERS)
    before = [registry.snapshot() for registry in registries]
    monkeypatch.syspath_prepend(str(EXAMPLE))
    importlib.import_module("srbench_example")
    yield
    for registry, entries in zip(registries, before, strict=True):
        registry.restore(entries)
    for name in [name for name in sys.modules if name.startswith("srbench_example")]:
        del sys.modules[name]


def _srbench(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


@pytest.mark.usefixtures("example")
def test_plugin_networks_are_listed_with_their_size() -> None:
    listed = _srbench("zoo", "list", "-v").stdout
    # Weights and biases of 3→16 and 16→3·2² channels; 16·12·9 + 3·16·9 products for each of 640×360 LR pixels.
    parameters, macs = (3 * 16 * 9 + 16) + (16 * 12 * 9 + 12), (16 * 12 * 9 + 3 * 16 * 9) * 640 * 360
    assert re.search(rf"^thin +Thin +×2 +{parameters / 1e3:.1f} +{macs / 1e9:.1f} ", listed, re.MULTILINE)
    assert re.search(r"^thin-bam +Thin-BAM +×4 +\d", listed, re.MULTILINE)


@pytest.mark.usefixtures("example")
def test_plugin_dataset_and_weights_of_its_network_are_scored(tmp_path: Path) -> None:
    assert "\nExampleSet " in _srbench("data", "list").stdout
    save_png(tmp_path / "data/ExampleSet/HR/a.png", np.full((32, 32, 3), 90, np.uint8))
    save_file(build("thin", scale=4).state_dict(), tmp_path / "thin.safetensors")
    model = ("--model", f"zoo:thin@{tmp_path / 'thin.safetensors'}", "--scale", "4")
    data = ("--dataset", "ExampleSet", "--data-root", str(tmp_path / "data"), "--format", "json")
    done = _srbench("evaluate", *model, *data)
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)["datasets"]["ExampleSet"]
    assert (facts["n"], facts["n_expected"]) == (1, 1)
    assert 0 < facts["psnr_y"] < 60


_BROKEN_NETWORKS = """
from srbench_example.thin import Thin

class Cropped(Thin):
    def reconstruct(self, deep, shallow, x):
        return super().reconstruct(deep, shallow, x)[..., 1:]

class NoNetwork:
    def __init__(self, **options):
        pass
"""


@pytest.fixture
def broken_networks(example: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_networks.py").write_text(_BROKEN_NETWORKS)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("Cropped", "NoNetwork"):
        entry = dataclasses.replace(NETWORKS["thin"], name=name.lower(), module=f"broken_networks:{name}")
        NETWORKS.register(name.lower(), entry)


@pytest.mark.usefixtures("broken_networks")
def test_plugin_network_of_wrong_output_size_is_named() -> None:
    with pytest.raises(SrbenchError, match=r"Cropped on Sample/astronaut: expected .*1×3×512×512.*, got 1×3×512×511"):
        evaluate(build("cropped", scale=4), "Sample", scale=4, device="cpu")


@pytest.mark.usefixtures("broken_networks")
def test_plugin_network_of_wrong_class_stops_no_listing() -> None:
    with pytest.raises(SrbenchError, match=r"broken_networks:NoNetwork: expected a subclass of .*SRNetwork"):
        build("nonetwork", scale=4)
    listed = _srbench("zoo", "list")
    assert "\nimdn " in listed.stdout
    assert "warning: the network nonetwork of a plugin cannot be counted" in listed.stderr


@pytest.mark.long
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
    command = _run("-m", "srbench", "zoo", "list", "--format", "json", site=site)
    assert command.stderr == "warning: the plugin broken was not loaded: RuntimeError: no licence\n"


@pytest.mark.long
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
