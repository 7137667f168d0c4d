"""spandrel: its RCAN and ours agree on one checkpoint; what it does not know, or is of another scale, is named."""

from __future__ import annotations

import importlib
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from srbench.errors import UpscalerError, WeightsError
from srbench.upscalers.base import Identity, Options
from srbench.upscalers.placeholders import placeholders
from srbench.upscalers.spandrel import import_spandrel, open_spandrel
from srbench.upscalers.tensors import network_upscaler
from srbench.upscalers.tiling import reflected
from srbench.zoo import build, key_tables
from srbench.zoo.blocks import SRNetwork
from tests.optional_packages import optional_package

_CPU = Options(device="cpu")


@pytest.fixture
def rcan(tmp_path: Path) -> tuple[Path, SRNetwork]:
    """A small RCAN ×2 with random weights, saved under its authors' keys."""
    optional_package("spandrel")
    torch.manual_seed(0)
    network = build("rcan", scale=2, groups=2, blocks=2).eval()
    table = key_tables("rcan")[0]
    path = tmp_path / "rcan.pth"
    torch.save({table.theirs(key): value for key, value in network.state_dict().items()}, path)
    return path, network


def test_spandrels_rcan_equals_ours(rcan: tuple[Path, SRNetwork]) -> None:
    path, network = rcan
    foreign = open_spandrel(str(path), 2, _CPU)
    image = np.random.default_rng(0).integers(0, 256, (18, 15, 3), dtype=np.uint8)
    expected = network_upscaler(network, Identity("own"), scale=2, options=_CPU).checked(image, dataset="t", name="t")
    found = foreign.checked(image, dataset="t", name="t")
    assert expected.std() > 0.01
    assert np.abs(found - np.clip(expected, 0, 1)).max() < 1e-5
    assert foreign.identity.details["architecture"] == "RCAN"
    assert foreign.identity.parameters == sum(parameter.numel() for parameter in network.parameters())


def test_another_scale_is_named(rcan: tuple[Path, SRNetwork]) -> None:
    with pytest.raises(UpscalerError, match="expected a network for ×4, got RCAN for ×2; use --scale 2"):
        open_spandrel(str(rcan[0]), 4, _CPU)


def test_an_unknown_kind_is_named_with_those_that_are_known(rcan: tuple[Path, SRNetwork], tmp_path: Path) -> None:
    path = tmp_path / "unknown.pth"
    torch.save(build("imdn", scale=4, blocks=1).state_dict(), path)
    with pytest.raises(UpscalerError, match=r"architectures that spandrel knows .*SwinIR"):
        open_spandrel(str(path), 4, _CPU)


def test_half_a_checkpoint_is_refused(rcan: tuple[Path, SRNetwork]) -> None:
    path = rcan[0]
    state = torch.load(path, weights_only=True)
    torch.save(dict(list(state.items())[: len(state) // 2]), path)
    with pytest.raises(UpscalerError, match="expected a complete checkpoint"):
        open_spandrel(str(path), 2, _CPU)


def test_optimisation_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UpscalerError, match="--optimise none"):
        open_spandrel(str(tmp_path / "any.pth"), 2, Options(optimise="fold"))


def test_precision_without_support_is_refused(tmp_path: Path) -> None:
    optional_package("spandrel")
    path, _ = _random_network("SwinIR", tmp_path)
    with pytest.raises(UpscalerError, match="SwinIR does not support --precision fp16"):
        open_spandrel(str(path), 2, Options(device="cpu", precision="fp16"))


# Small ones of two kinds: SwinIR and HAT pad to their window themselves, for DRCT spandrel's description asks for it.
_WINDOWS: dict[str, dict[str, Any]] = {
    "SwinIR": {"window_size": 8, "upsampler": "pixelshuffledirect", "img_size": 16},
    "HAT": {"window_size": 16, "upsampler": "pixelshuffle", "img_size": 16, "squeeze_factor": 3},
    "DRCT": {"window_size": 16, "upsampler": "pixelshuffle", "img_size": 16, "gc": 8},
}


def _random_network(kind: str, folder: Path) -> tuple[Path, Any]:
    """A small window network ×2 of spandrel with random weights, and the file that they are saved in."""
    package = import_spandrel()[0]
    module = importlib.import_module(f"{package.__name__}.architectures.{kind}")
    torch.manual_seed(0)
    with warnings.catch_warnings():
        # Deprecated calls inside the architectures.
        warnings.simplefilter("ignore")
        made = getattr(module, kind)(depths=[2], num_heads=[2], embed_dim=12, upscale=2, **_WINDOWS[kind])
        for parameter in made.parameters():
            # The window networks start so small that their windows would hardly show.
            parameter.data.mul_(2)
        path = folder / f"{kind}.pth"
        torch.save({"params": made.state_dict()}, path)
        # What no key tells, such as a factor inside a block, is what spandrel makes of the file.
        network = package.ModelLoader(torch.device("cpu")).load_from_state_dict(made.state_dict()).model
    return path, network.eval()


def _sr(path: Path, lr: torch.Tensor, **options: Any) -> torch.Tensor:
    image = np.rint(lr[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    upscaler = open_spandrel(str(path), 2, Options(device="cpu", **options))
    return torch.from_numpy(upscaler.checked(image, dataset="t", name="t")).permute(2, 0, 1)[None]


@pytest.fixture
def lr() -> torch.Tensor:
    """A random LR image of a size that is no multiple of a window; smaller than two windows of 16."""
    generator = torch.Generator().manual_seed(1)
    return torch.randint(256, (1, 3, 19, 29), generator=generator).float() / 255


@pytest.mark.parametrize("kind", _WINDOWS)
def test_window_networks_give_their_own_output_at_any_size(kind: str, lr: torch.Tensor, tmp_path: Path) -> None:
    optional_package("spandrel")
    path, network = _random_network(kind, tmp_path)
    padded = reflected(lr, 32, 32) if kind == "DRCT" else lr
    with torch.inference_mode():
        expected = network(padded)[..., :38, :58]
    assert torch.equal(_sr(path, lr), expected.clamp(0, 1))


def test_self_ensemble_averages_outputs_that_are_not_clamped(lr: torch.Tensor, tmp_path: Path) -> None:
    optional_package("spandrel")
    path, network = _random_network("SwinIR", tmp_path)
    with torch.inference_mode():
        views = [torch.rot90(view, turns, (2, 3)) for view in (lr, lr.flip(3)) for turns in range(4)]
        outputs = [torch.rot90(network(view), -(number % 4), (2, 3)) for number, view in enumerate(views)]
        assert max(float(output.max()) for output in outputs) > 1, "some output has to exceed the range"
        expected: Any = sum(output if number < 4 else output.flip(3) for number, output in enumerate(outputs)) / 8
    torch.testing.assert_close(_sr(path, lr, self_ensemble=True), expected.clamp(0, 1), atol=1e-6, rtol=0)


def test_bf16_changes_the_output_a_little(lr: torch.Tensor, tmp_path: Path) -> None:
    optional_package("spandrel")
    path, _ = _random_network("SwinIR", tmp_path)
    change = (_sr(path, lr, precision="bf16") - _sr(path, lr)).abs().max()
    assert 0 < change < 0.1


@pytest.mark.long
def test_import_needs_no_torchvision_and_leaves_none() -> None:
    optional_package("spandrel")
    code = """
import sys
def outcome():
    try:
        import torchvision
    except Exception as error:
        return f"{type(error).__name__}: {error}", [name for name in sys.modules if name.startswith("torchvision")]
    return "imported", []
class Broken:
    def find_spec(self, name, path, target=None):
        if name == "torchvision":
            raise RuntimeError("operator torchvision::nms does not exist")
sys.meta_path.insert(0, Broken())
before = outcome()
from srbench.upscalers.spandrel import import_spandrel
package, without = import_spandrel()
assert package.MAIN_REGISTRY and without, "placeholders were not needed"
assert outcome() == before and before[0].startswith("RuntimeError"), (before, outcome())
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_placeholders_are_taken_away_after_an_error() -> None:
    meta_path = list(sys.meta_path)
    with pytest.raises(ZeroDivisionError), placeholders("no_such_package"):
        used = importlib.import_module("no_such_package.inner.functional").rotate
        raise ZeroDivisionError
    assert sys.meta_path == meta_path and not [name for name in sys.modules if name.startswith("no_such_package")]
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("no_such_package")
    with pytest.raises(UpscalerError, match=r"no_such_package\.inner\.functional\.rotate: no_such_package cannot be"):
        used(1)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    optional_package("spandrel")
    with pytest.raises(WeightsError, match="found none"):
        open_spandrel(str(tmp_path / "absent.pth"), 2, _CPU)
