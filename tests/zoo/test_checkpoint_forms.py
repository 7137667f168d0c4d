"""Every form in which people keep weights is read to the same values, and none of them runs code."""

from __future__ import annotations

import argparse
import os
import pickle
import warnings
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file
from torch import Tensor, nn

from srbench.cli import main
from srbench.errors import WeightsError
from srbench.zoo import build, load
from srbench.zoo.checkpoints import Architecture, fill
from srbench.zoo.reading import read_checkpoint
from srbench.zoo.torchfiles import load_content

State = dict[str, Tensor]
Save = Callable[[State, Path], None]


def _torch(wrap: Callable[[State], Any], **options: Any) -> Save:
    return lambda state, path: torch.save(wrap(state), path, **options)


def _prefixed(prefix: str, state: State) -> State:
    return {f"{prefix}{key}": value for key, value in state.items()}


def _other(state: State) -> State:
    return {key: torch.full_like(value, 9.0) for key, value in state.items()}


def _optimizer(state: State) -> dict[str, Any]:
    moments = {index: {"step": torch.tensor(7.0), "exp_avg": value} for index, value in enumerate(state.values())}
    return {"state": moments, "param_groups": [{"lr": 1e-4, "params": list(moments)}]}


def _lightning(state: State) -> dict[str, Any]:
    """Lightning's file: `model.` before each key, a loss network next to it, and the state of everything else."""
    return {
        "epoch": 3,
        "pytorch-lightning_version": "2.4.0",
        "state_dict": OrderedDict(_prefixed("model.", state) | {"loss_fn.vgg.0.weight": torch.zeros(2, 2)}),
        "callbacks": {"ModelCheckpoint": {"best_model_score": torch.tensor(32.1), "best": np.float64(32.1)}},
        "optimizer_states": [_optimizer(state)],
        "hyper_parameters": argparse.Namespace(width=64, folder=Path("runs")),
    }


def _mmediting(state: State) -> dict[str, Any]:
    generators = _prefixed("generator_ema.", state) | _prefixed("generator.", _other(state))
    weights = {"step_counter": torch.tensor(5), **generators, "discriminator.fc.weight": torch.zeros(4)}
    return {"meta": {"iter": 5, "seed": np.int64(3)}, "state_dict": weights, "optimizer": _optimizer(state)}


def _numpy(state: State, path: Path) -> None:
    with path.open("wb") as stream:
        pickle.dump({key: value.numpy() for key, value in state.items()}, stream, protocol=4)


def _pickled(protocol: int) -> Save:
    def save(state: State, path: Path) -> None:
        with path.open("wb") as stream:
            pickle.dump({"net": state, "psnr": np.float32(30)}, stream, protocol=protocol)

    return save


def _safetensors(state: State, path: Path) -> None:
    save_file(_prefixed("module.model.", state), path)


FORMS: dict[str, tuple[str, Save]] = {
    "bare": ("w.pth", _torch(lambda s: s)),
    "basicsr-ema": ("net_g_latest.PTH", _torch(lambda s: {"params": _other(s), "params_ema": s})),
    "params-ema": ("w.bin", _torch(lambda s: {"params": _other(s), "params-ema": s})),
    "ema": ("last.ckpt", _torch(lambda s: {"model": _other(s), "ema": s, "step": 4})),
    "netG": ("w.tar", _torch(lambda s: {"netD": {"fc.weight": torch.zeros(3)}, "netG": s})),
    "net_g": ("w.pth", _torch(lambda s: {"net_g": s, "iter": 4})),
    "generator": ("w.model", _torch(lambda s: {"generator": s, "discriminator": {"fc.weight": torch.zeros(3)}})),
    "model_state": ("w.pt", _torch(lambda s: {"model_state": s, "optimizer": _optimizer(s)})),
    "nested-unknown": ("w.pth", _torch(lambda s: {"checkpoint": {"sr_weights": s}, "epoch": 3})),
    "compiled-parallel": ("w.pth", _torch(lambda s: {"state_dict": _prefixed("_orig_mod.module.", s)})),
    "doubled-module": ("w.pth.tar", _torch(lambda s: {"state_dict": _prefixed("module.module.", s)})),
    "averaged-model": ("swa.pth", _torch(lambda s: {"n_averaged": torch.tensor(9), **_prefixed("module.", s)})),
    "unknown-attribute": ("w.pth", _torch(lambda s: _prefixed("my_sr_net.", s))),
    "lightning": ("epoch=3.ckpt", _torch(_lightning)),
    "mmediting": ("iter_5.pth", _torch(_mmediting)),
    "numpy-next-to-weights": ("w.pth", _torch(lambda s: {**s, "psnr": np.float64(32.1), "curve": np.arange(5.0)})),
    "numpy-weights": ("weights.pkl", _numpy),
    "protocol-4": ("w.pth", _torch(lambda s: {"model": s}, pickle_protocol=4)),
    "protocol-5": ("w.pth", _torch(lambda s: {"model": s, "curve": np.arange(5.0)}, pickle_protocol=5)),
    "legacy-4": ("w.pth", _torch(lambda s: s, pickle_protocol=4, _use_new_zipfile_serialization=False)),
    "legacy-2": ("w", _torch(lambda s: s, _use_new_zipfile_serialization=False)),
    "plain-pickle-2": ("w.pickle", _pickled(2)),
    "plain-pickle-5": ("w.pickle", _pickled(5)),
    "safetensors": ("MODEL.SAFETENSORS", _safetensors),
}
"""File name, and how its content is written."""


@pytest.fixture(scope="module")
def state() -> State:
    """A state dict of IMDN ×4 under our names; seeded."""
    torch.manual_seed(0)
    return build("imdn", scale=4).state_dict()


@pytest.mark.parametrize("form", FORMS)
def test_each_form_gives_the_same_weights(form: str, state: State, tmp_path: Path) -> None:
    name, save = FORMS[form]
    path = tmp_path / name
    save(state, path)
    found = load("imdn", tag=str(path), scale=4).module.state_dict()
    assert found.keys() == state.keys() and all(torch.equal(found[key], state[key]) for key in state)


@pytest.mark.parametrize("form", ["lightning", "mmediting", "unknown-attribute", "plain-pickle-5"])
def test_convert_detects_what_is_inside(form: str, state: State, tmp_path: Path) -> None:
    name, save = FORMS[form]
    save(state, tmp_path / name)
    target = tmp_path / "converted.safetensors"
    # The attentions ca and cca have the same keys, so that the network has to be named.
    result = CliRunner().invoke(main, ["zoo", "convert", str(tmp_path / name), "-o", str(target), "--network", "imdn"])
    assert result.exit_code == 0, result.output
    assert "imdn ×4: 92 tensors, taken out of" in result.output
    found = load("imdn", file=target, scale=4).module.state_dict()
    assert all(torch.equal(found[key], state[key]) for key in state)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("form", ["zip", "legacy", "pickle"])
def test_values_equal_those_of_torch(form: str, protocol: int, tmp_path: Path) -> None:
    values = torch.rand(4, 6, generator=torch.Generator().manual_seed(0))
    content = {
        "view": values[:, 1:4],
        "transposed": values.t(),
        "scalar": values[0, 0],
        "empty": torch.empty(0, 3),
        "parameter": nn.Parameter(values),
        **{str(kind): (values * 9).to(kind) for kind in (torch.float16, torch.bfloat16, torch.int64, torch.bool)},
        "array": np.asfortranarray(values.numpy()),
        "number": np.int64(7),
    }
    path = tmp_path / "content.pt"
    if form == "pickle":
        path.write_bytes(pickle.dumps(content, protocol=protocol))
    else:
        options = {"pickle_protocol": max(protocol, 2), "_use_new_zipfile_serialization": form == "zip"}
        torch.save(content, path, **options)  # type: ignore[arg-type]
    found = load_content(path)
    assert isinstance(found, dict) and list(found) == list(content)
    for key, value in content.items():
        assert np.array_equal(np.asarray(found[key].tolist()), np.asarray(value.tolist())), key  # type: ignore[attr-defined]
        assert str(found[key].dtype) == str(value.dtype)  # type: ignore[attr-defined]


class _Payload:
    """Unpickling this in the usual way would make a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("form", ["zip", "legacy", "pickle", "nested"])
def test_code_in_any_protocol_is_named_and_not_run(form: str, protocol: int, tmp_path: Path) -> None:
    path, folder = tmp_path / "hostile.ckpt", tmp_path / "made-by-the-pickle"
    content: Any = {"state_dict": {"weight": torch.zeros(2)}, "callbacks": [_Payload(folder)]}
    if form == "nested":
        inner = tmp_path / "inner"
        torch.save(_Payload(folder), inner, _use_new_zipfile_serialization=False)
        content = _FromBytes(inner.read_bytes())
    if form in {"pickle", "nested"}:
        path.write_bytes(pickle.dumps(content, protocol=protocol))
    else:
        torch.save(content, path, pickle_protocol=protocol, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(WeightsError, match=r"would run code.*mkdir"):
        read_checkpoint(path)
    assert not folder.exists()


class _FromBytes:
    """A tensor's storage as `pickle.dump` keeps it: a file of torch inside the pickle."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def __reduce__(self) -> tuple[Any, ...]:
        return torch.storage._load_from_bytes, (self.data,)


@pytest.mark.parametrize(
    "hostile",
    [
        b"\x80\x04\x8c\x07builtins\x8c\x04exec\x93\x8c\x0eopen('x','w')#\x85R.",
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"\x80\x02c_codecs\nencode\n}(X\x0c\x00\x00\x00__defaults__K\x01u\x86b.",  # sets attributes of a function
        b"\x80\x02r\xff\xff\xff\xff.",  # a memo index that would reserve 64 GB
        b"\x80\x04\x96\xff\xff\xff\xff\xff\xff\xff\x7f.",  # bytes that are announced and not there
        b"\x80\x02\x82\x01.",  # a name from the registry of the running process
    ],
)
def test_hand_made_pickles_end_in_a_message(hostile: bytes, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(hostile)
    with pytest.raises(WeightsError, match=r"would run code|damaged"):
        read_checkpoint(path)


def test_a_tensor_larger_than_its_file_is_refused(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(1).expand(1 << 40)}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="announce more values than it stores"):
        read_checkpoint(tmp_path / "w.pth")


def test_a_scripted_model_is_named_as_a_program(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls it deprecated; the files are around
        torch.jit.save(torch.jit.script(nn.Conv2d(3, 3, 1)), str(tmp_path / "w.pt"))
    with pytest.raises(WeightsError, match="TorchScript program"):
        read_checkpoint(tmp_path / "w.pt")


def test_several_sets_of_weights_are_named(state: State, tmp_path: Path) -> None:
    torch.save({"first_net": state, "second_net": state}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"first_net, second_net.* several sets of weights"):
        read_checkpoint(tmp_path / "w.pth")


class _BasicUpsampler(nn.Sequential):
    def __init__(self, width: int, scale: int) -> None:
        factor, count = (2, 2) if scale == 4 else (scale, 1)
        stages = [(nn.Conv2d(width, width * factor**2, 3, 1, 1), nn.PixelShuffle(factor)) for _ in range(count)]
        super().__init__(*(layer for stage in stages for layer in stage))


class _BasicBlock(nn.Module):
    def __init__(self, width: int, residual_scale: float) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(width, width, 3, 1, 1), nn.Conv2d(width, width, 3, 1, 1)
        self.residual_scale = residual_scale

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv2(torch.relu(self.conv1(x)))
        return x + y * self.residual_scale


class _ChannelAttention(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        less = width // 16
        layers = (nn.Conv2d(width, less, 1), nn.ReLU(), nn.Conv2d(less, width, 1), nn.Sigmoid())
        self.attention = nn.Sequential(nn.AdaptiveAvgPool2d(1), *layers)

    def forward(self, x: Tensor) -> Tensor:
        return x * self.attention(x)


class _AttentiveBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        first, second = nn.Conv2d(width, width, 3, 1, 1), nn.Conv2d(width, width, 3, 1, 1)
        self.rcab = nn.Sequential(first, nn.ReLU(), second, _ChannelAttention(width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.rcab(x)


class _Group(nn.Module):
    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.residual_group = nn.Sequential(*(_AttentiveBlock(width) for _ in range(blocks)))
        self.conv = nn.Conv2d(width, width, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(self.residual_group(x))


class _BasicNetwork(nn.Module):
    """BasicSR's frame of EDSR and RCAN: the mean of DIV2K is in the code, and in no file."""

    def __init__(self, body: nn.Sequential, width: int, scale: int) -> None:
        super().__init__()
        self.conv_first = nn.Conv2d(3, width, 3, 1, 1)
        self.body = body
        self.conv_after_body = nn.Conv2d(width, width, 3, 1, 1)
        self.upsample = _BasicUpsampler(width, scale)
        self.conv_last = nn.Conv2d(width, 3, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        mean = torch.tensor([0.4488, 0.4371, 0.4040]).view(1, 3, 1, 1)
        x = self.conv_first((x - mean) * 255)
        x = self.conv_after_body(self.body(x)) + x
        y: Tensor = self.conv_last(self.upsample(x)) / 255 + mean
        return y


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("name", ["edsr", "rcan"])
def test_basicsr_networks_compute_the_same(name: str, scale: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    blocks = [_Group(64, 3) if name == "rcan" else _BasicBlock(64, 0.1) for _ in range(2)]
    theirs = _BasicNetwork(nn.Sequential(*blocks), 64, scale).eval()
    torch.save({"params": theirs.state_dict()}, tmp_path / "net_g.pth")
    size = (("groups", 2), ("blocks", 3)) if name == "rcan" else (("channels", 64), ("blocks", 2))
    ours = fill(Architecture(name, scale, size), read_checkpoint(tmp_path / "net_g.pth"))
    image = torch.rand(1, 3, 9, 8)
    with torch.inference_mode():
        assert (ours(image) - theirs(image)).abs().max() < 1e-5


def test_basicsr_medium_edsr_is_never_read_without_its_mean(tmp_path: Path) -> None:
    body = nn.Sequential(*(_BasicBlock(64, 1.0) for _ in range(16)))
    theirs = _BasicNetwork(body, 64, 2).eval()
    torch.save({"params_ema": theirs.state_dict()}, tmp_path / "EDSR_M.pth")
    image = torch.rand(1, 3, 9, 8)
    with torch.inference_mode():
        found = load("edsr-base", tag=str(tmp_path / "EDSR_M.pth"), scale=2).module(image)
        assert (found - theirs(image)).abs().max() < 1e-5
    # In the paper's form this network takes values in [0, 1] and subtracts no mean.
    with pytest.raises(WeightsError, match=r"does not fit edsr-base ×2 \(value_range=1.0, mean_shift=False\)"):
        load("edsr-base", file=tmp_path / "EDSR_M.pth", scale=2, form="paper")
