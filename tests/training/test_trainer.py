from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from srbench.datasets.importing import import_dataset
from srbench.datasets.pairs import pair_maker
from srbench.datasets.patch_store import build_store
from srbench.datasets.patches import PatchFeed
from srbench.errors import DatasetError, DivergedError, TrainingError
from srbench.images import decode
from srbench.protocols import get_protocol
from srbench.training import trainer
from srbench.training.folder import TrainingFolder
from srbench.training.memory import enough_memory
from srbench.training.optimization import Optimization, PerfOptions
from srbench.training.processes import DistContext
from srbench.training.trainer import train
from srbench.training.training_data import open_training_data
from srbench.training.validation import held_out_psnr
from srbench.zoo.attention import CCA
from srbench.zoo.building import build
from srbench.zoo.checkpoints import load
from tests.training.small import losses, small_job, small_recipe, write_images


@pytest.fixture(scope="module")
def trained(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one small finished training."""
    output = tmp_path_factory.mktemp("trained") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SRBENCH_CACHE", str(output.parent / "cache"))
        train(small_job(images, output, snapshots=(50,)))
    return output


def test_the_folder_holds_weights_record_log_and_curves(trained: Path) -> None:
    assert sorted(path.name for path in trained.iterdir()) == [
        "curves.svg",
        "held-out",
        "log.jsonl",
        "training.json",
        "weights-50.safetensors",
        "weights.safetensors",
    ]
    record = json.loads((trained / "training.json").read_text())
    assert (record["steps"], record["patches"], record["epochs"]) == (8, 32, 8.0)
    assert record["recipe_sha256"] == small_recipe().sha256
    assert record["train_set"]["name"].startswith("training-images")
    assert record["held_out"] == ["i1", "i4"] and record["train_set"]["images"] == 4
    assert [line["step"] for line in record["history"]] == [4, 8]
    assert len(losses(trained)) == 8
    drawn = ElementTree.fromstring((trained / "curves.svg").read_text())
    values = {title.text for title in drawn.iter("{http://www.w3.org/2000/svg}title")}
    assert len([value for value in values if value and value.startswith("imdn")]) == len(losses(trained)) + 2


def test_the_result_loads_as_a_zoo_network(trained: Path) -> None:
    loaded = load("imdn", scale=2, file=trained / "weights.safetensors")
    half_way = load_file(trained / "weights-50.safetensors")
    weights = loaded.module.state_dict()
    assert set(half_way) == set(weights)
    assert any(not torch.equal(half_way[key], value) for key, value in weights.items())


def test_a_finished_training_is_left_as_it_is(images: Path, trained: Path) -> None:
    before = (trained / "weights.safetensors").stat().st_mtime_ns
    record = train(small_job(images, trained))
    assert record["steps"] == 8
    assert (trained / "weights.safetensors").stat().st_mtime_ns == before


def test_a_training_is_finished_only_with_its_own_weights(images: Path, trained: Path, tmp_path: Path) -> None:
    output = shutil.copytree(trained, tmp_path / "run")
    (output / "weights-50.safetensors").replace(output / "weights.safetensors")
    with pytest.raises(TrainingError, match=r"the weights that training\.json next to it describes, got others"):
        train(small_job(images, output))
    (output / "weights.safetensors").unlink()
    train(small_job(images, output))
    assert (output / "weights.safetensors").read_bytes() == (trained / "weights.safetensors").read_bytes()
    (output / "training.json").write_text("{}")
    with pytest.raises(TrainingError, match="expected the record of a training, got a different file"):
        train(small_job(images, output))


def test_the_same_seed_gives_the_same_losses_and_another_does_not(images: Path, trained: Path, tmp_path: Path) -> None:
    train(small_job(images, tmp_path / "same", recipe=small_recipe()))
    train(small_job(images, tmp_path / "other", seed=1))
    assert losses(tmp_path / "same") == losses(trained)
    assert losses(tmp_path / "other") != losses(trained)


def test_a_training_is_the_plain_loop_of_the_papers_code(images: Path, tmp_path: Path) -> None:
    recipe = small_recipe(schedule="halving", halve_every=3, clip=0.1)
    train(small_job(images, tmp_path / "ours", recipe=recipe))
    torch.manual_seed(0)
    network = build("imdn", scale=2).train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = {key: weights.detach().clone() for key, weights in network.named_parameters()}
    optimiser = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, step_size=3, gamma=0.5)
    feed = PatchFeed(open_training_data(f"folder:{images}", recipe, scale=2).plan(recipe, 0), batch=recipe.batch)
    told = []
    for step in range(recipe.steps):
        lr, hr = feed.next()
        optimiser.zero_grad()
        loss = (network(lr.contiguous(memory_format=torch.channels_last)) - hr).abs().mean()
        loss.backward()
        assert torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.clip) > recipe.clip
        optimiser.step()
        schedule.step()
        decay = min(recipe.ema, (1 + step) / (10 + step))
        for key, weights in network.named_parameters():
            average[key] = decay * average[key] + (1 - decay) * weights.detach()
        told.append(loss.item())
    assert losses(tmp_path / "ours") == pytest.approx(told, rel=1e-5)
    kept = load_file(tmp_path / "ours" / "weights.safetensors")
    for key, weights in average.items():
        torch.testing.assert_close(kept[key], weights, rtol=0, atol=1e-5, msg=partial("{}: {}".format, key))


def test_a_batch_in_parts_teaches_the_same(images: Path, trained: Path, tmp_path: Path) -> None:
    train(small_job(images, tmp_path / "parts", speed=PerfOptions(accumulate=2, channels_last=False)))
    assert losses(tmp_path / "parts") == pytest.approx(losses(trained), rel=1e-5)


def test_optimiser_state_follows_layout_and_device_on_resume() -> None:
    recipe, parts = small_recipe(), [(torch.rand(1, 3, 8, 8), torch.rand(1, 3, 16, 16))]
    first, other = (
        Optimization(
            build("pan", scale=2), recipe, DistContext(0, 1, torch.device("cpu")), PerfOptions(channels_last=last)
        )
        for last in (True, False)
    )
    first.step(parts, 0)
    state = first.state_dict()
    state["optimiser"]["param_groups"][0]["fused"] = False  # as in checkpoints of earlier versions
    other.load_state_dict(state)
    assert other.optimiser.param_groups[0]["fused"] is True
    assert len(other.optimiser.state) == len(first.trained)
    for parameter, held in other.optimiser.state.items():
        assert {name: value.stride() for name, value in held.items() if name != "step"} == {
            "exp_avg": parameter.stride(),
            "exp_avg_sq": parameter.stride(),
        }
    assert torch.equal(first.step(parts, 1).round(decimals=4), other.step(parts, 1).round(decimals=4))


@pytest.mark.parametrize("network", ["carn", "imdn-bam"])
def test_networks_of_a_pair_train_on_the_same_patches(
    network: str, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Tensor] = []
    plain = Optimization.step

    def watched(self: Optimization, parts: Iterable[tuple[Tensor, Tensor]], number: int) -> Tensor:
        kept = [(lr.clone(), hr.clone()) for lr, hr in parts]
        seen.extend(lr for lr, _ in kept)
        return plain(self, kept, number)

    monkeypatch.setattr(Optimization, "step", watched)
    recipe = small_recipe(steps=2, weight_decay=0.1, optimiser="adamw")
    for name in ("imdn", network):
        train(small_job(images, tmp_path / name, network=name, recipe=recipe))
    assert len(seen) == 4 and not torch.equal(seen[0], seen[1])
    assert all(map(torch.equal, seen[:2], seen[2:]))
    if network == "carn":
        torch.manual_seed(0)
        untrained, after = build("carn", scale=2).state_dict(), load_file(tmp_path / "carn" / "weights.safetensors")
        heads = {key: torch.equal(untrained[key], after[key]) for key in after if key.startswith("up")}
        assert {True, False} == set(heads.values())


def test_held_out_images_are_not_trained_on(images: Path) -> None:
    data = open_training_data(f"folder:{images}", small_recipe(), scale=2)
    assert [pair.name for pair in data.train.pairs] == ["i0", "i2", "i3", "i5"]
    assert data.held_out and [pair.name for pair in data.held_out.pairs] == ["i1", "i4"]


def test_held_out_psnr_is_the_protocols(images: Path, tmp_path: Path) -> None:
    files = {path.stem: path for path in sorted(images.iterdir())}
    store = build_store(files, tmp_path / "s", make=pair_maker("matlab", scale=3), progress=False)
    network, protocol, expected = build("imdn", scale=3).eval(), get_protocol("matlab-y"), []
    with torch.inference_mode():
        for path in files.values():
            hr, lr = protocol.prepare(decode(path), scale=3)
            sr = network(torch.from_numpy(lr).permute(2, 0, 1)[None].float() / 255)
            expected.append(protocol.score(sr, hr, scale=3)["psnr_y"] or 0.0)
        found = held_out_psnr(network, store, torch.device("cpu"))
    assert found == pytest.approx(sum(expected) / len(expected), abs=1e-9)


def test_contrast_attention_trains_on_flat_channels_and_scores_as_before() -> None:
    torch.manual_seed(3)
    attention, x = CCA(16, reduction=4), torch.rand(2, 16, 5, 5)
    x[:, 3] = 0.25
    x.requires_grad_()
    trained = attention.train()(x)
    trained.sum().backward()
    assert x.grad is not None and bool(torch.isfinite(x.grad).all())
    assert torch.equal(trained, attention.eval()(x))


def test_a_loss_that_is_not_finite_stops_with_its_batch_saved(images: Path, tmp_path: Path) -> None:
    recipe = small_recipe(learning_rate=1e30, schedule="constant", clip=0.0, steps=50)
    with pytest.raises(DivergedError, match=r"finite loss and gradient, got (nan|inf) and .* at step \d"):
        train(small_job(images, tmp_path, recipe=recipe, log_every=10))
    batch = load_file(tmp_path / "non-finite.safetensors")
    assert (batch["lr"].shape, batch["hr"].shape) == ((4, 3, 8, 8), (4, 3, 16, 16))
    assert not (tmp_path / "weights.safetensors").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network": "imdn-bam"}, "network 'imdn' there, 'imdn-bam' asked for"),
        ({"seed": 3}, "seed 0 there, 3 asked for"),
        ({"recipe": small_recipe(name="other", batch=2)}, "recipe 'small' there, 'other' asked for; recipe_sha256"),
        ({"recipe": small_recipe(clip=0.5)}, "; clip 1.0 there, 0.5 asked for; choose"),
    ],
)
def test_a_folder_of_another_training_is_refused(
    change: dict[str, object], message: str, images: Path, trained: Path
) -> None:
    with pytest.raises(TrainingError, match=message):
        train(small_job(images, trained, **change))


def test_a_checkpoint_of_other_data_is_refused(images: Path, tmp_path: Path) -> None:
    with _disk_full_after(1), pytest.raises(TrainingError):
        train(small_job(images, tmp_path / "run", checkpoint_every=2))
    others = write_images(tmp_path / "others", side=44)
    with pytest.raises(TrainingError, match=r"train_set '[0-9a-f]{64}' there"):
        train(small_job(others, tmp_path / "run"))
    with pytest.raises(TrainingError, match=r"run holds a different training: recipe_sha256 .*; steps 8 there, 9 ask"):
        train(small_job(images, tmp_path / "run", recipe=small_recipe(steps=9)))


@contextmanager
def _disk_full_after(checkpoints: int) -> Iterator[None]:
    """The disk takes a number of checkpoints and no more."""
    written, plain = 0, Path.write_bytes

    def write(path: Path, data: bytes) -> int:
        nonlocal written
        written += "checkpoint" in path.name
        if written > checkpoints:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return plain(path, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "write_bytes", write)
        yield


def test_after_a_full_disk_the_last_checkpoint_resumes(images: Path, trained: Path, tmp_path: Path) -> None:
    output = tmp_path / "run"
    job = small_job(images, output, checkpoint_every=2)
    with _disk_full_after(2), pytest.raises(TrainingError, match="the disk is full"):
        train(job)
    assert sorted(path.name for path in output.iterdir()) == ["checkpoint.pt", "held-out", "log.jsonl"]
    train(job)
    assert losses(output) == losses(trained)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried to"),
    ],
    ids=["gpu", "python", "cpu"],
)
def test_too_little_memory_gives_options_that_need_less(
    error: Exception, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*values: object) -> Tensor:
        raise error

    job = small_job(images, tmp_path, network="pan", recipe=small_recipe(validate_every=1))
    places = {
        (trainer, "held_out_scores"): "for a whole held-out image at a time, got too little; hold out smaller ones",
        (Optimization, "step"): "try --accumulate 2",
        (trainer, "build_network"): "for pan and what is kept to train it, got too little; use a device with more",
    }
    for (owner, name), message in places.items():
        plain = getattr(owner, name)
        # The check of the network's name builds it without memory.
        monkeypatch.setattr(
            owner,
            name,
            lambda *values, plain=plain, **told: plain(*values, **told) if told.get("device") == "meta" else fails(),
        )
        with pytest.raises(TrainingError, match=message):
            train(job)
    monkeypatch.undo()
    monkeypatch.setattr(Optimization, "step", fails)
    with pytest.raises(TrainingError, match="try --accumulate 4"):
        train(small_job(images, tmp_path / "parts", speed=PerfOptions(accumulate=2)))


@pytest.mark.parametrize("said", ["CUDA error: out of memory", "cuDNN error: CUDNN_STATUS_ALLOC_FAILED"])
def test_what_a_gpus_libraries_lack_is_memory_too(said: str) -> None:
    with pytest.raises(TrainingError, match="use less"), enough_memory(lambda: "use less"):
        raise RuntimeError(said)


def test_two_processes_do_not_train_in_one_folder(images: Path, tmp_path: Path) -> None:
    job = small_job(images, tmp_path / "run", network="pan", recipe=small_recipe(steps=2))
    with TrainingFolder(job.output, {}).held(), pytest.raises(TrainingError, match="one that another process holds"):
        train(job)
    assert train(job)["steps"] == 2
    with TrainingFolder(job.output, {}).held():
        assert train(job)["steps"] == 2, "what is finished is read while another process reads it"


def test_a_snapshot_whose_step_has_passed_is_refused(images: Path, trained: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="at 25 % of the steps to be there by now, for step 2 has passed, got none"):
        train(small_job(images, trained, snapshots=(50, 25)))
    with _disk_full_after(1), pytest.raises(TrainingError):
        train(small_job(images, tmp_path, checkpoint_every=3))
    with pytest.raises(TrainingError, match="leave out --snapshot 25"):
        train(small_job(images, tmp_path, snapshots=(25, 50)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": -1}, r"seed: expected a whole number from 0 to 2\^63 - 1, got -1"),
        ({"seed": 2**63}, "got 9223372036854775808"),
        ({"snapshots": (50, 101)}, "snapshot: expected a whole number from 1 to 100, got 101"),
        ({"snapshots": (0,)}, "from 1 to 100, got 0"),
        ({"checkpoint_every": 0}, "checkpoint-every: expected a whole number of at least 1, got 0"),
    ],
)
def test_a_job_keeps_within_its_ranges(change: dict[str, object], message: str, images: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=message):
        small_job(images, tmp_path, **change)


def test_a_batch_that_does_not_divide_is_refused(images: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="1 processes × 3 accumulations, got 4"):
        train(small_job(images, tmp_path, speed=PerfOptions(accumulate=3)))


def test_images_smaller_than_the_patch_are_refused(images: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="use a smaller patch"):
        train(small_job(images, tmp_path, recipe=small_recipe(patch=21)))


def test_a_held_out_name_that_is_not_there_is_refused(images: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"missing are i44 \(there are i4\)"):
        train(small_job(images, tmp_path, recipe=small_recipe(held_out=["i1", "i44"])))
    with pytest.raises(TrainingError, match="hold out fewer"):
        train(small_job(images, tmp_path, recipe=small_recipe(held_out=[f"i{number}" for number in range(6)])))


def test_a_damaged_checkpoint_is_refused_and_code_in_one_is_not_run(images: Path, tmp_path: Path) -> None:
    job = small_job(images, tmp_path)
    for content in (b"", b"cos\nsystem\n(S'touch pwned'\ntR."):
        (tmp_path / "checkpoint.pt").write_bytes(content)
        with pytest.raises(TrainingError, match="delete it to start from the first step"):
            train(replace(job))


def test_an_imported_set_trains_like_its_folder(tmp_path: Path, images: Path) -> None:
    folder = tmp_path / "DIV2K_train_HR"
    folder.mkdir()
    for number, path in enumerate(sorted(images.iterdir()), start=1):
        shutil.copy(path, folder / f"{number:04d}.png")
    import_dataset("DIV2K", [folder], data_root=tmp_path / "root")
    recipe = small_recipe(held_out=["0002"])
    imported = open_training_data("DIV2K", recipe, scale=2, root=tmp_path / "root")
    plain = open_training_data(str(folder), recipe, scale=2)
    assert imported.fingerprint == plain.fingerprint and imported.images == 5
    assert imported.train.pairs == plain.train.pairs
