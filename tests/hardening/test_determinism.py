"""The same command gives the same bits; other threads, processes and precisions stay within stated bounds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner

from srbench.cli import main
from srbench.datasets import ImageSet, open_dataset
from srbench.evaluation import Plan, run
from srbench.images import save_png
from srbench.protocols import get_protocol
from srbench.result import evaluate
from srbench.runs import Shard, execute
from srbench.scores import read_run, to_frame
from srbench.upscalers.base import Identity, Options, Upscaler
from srbench.upscalers.tensors import network_upscaler
from srbench.zoo import build

SCORES = ["psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb", "psnr_lr"]
PROTOCOLS = ["matlab-y", "matlab-rgb", "bam2021"]
NETWORKS = ["s-lwsr32", *(pytest.param(name, marks=pytest.mark.long) for name in ("imdn", "carn-bam"))]

# Largest |difference| of any PSNR in dB from the plain float32 run. Threads may make a convolution sum in another order
# (here they do not: 0 was measured), folding does (5e-7), and half precision keeps 11 or 8 bits of a network's middle
# (1.4e-3 and 6.5e-3 with these untrained networks).
BOUND = {"threads": 1e-4, "fold": 1e-4, "fp16": 0.01, "bf16": 0.05}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    folder = tmp_path_factory.mktemp("determinism") / "set"
    random = np.random.default_rng(0)
    for name in "abc":
        small = torch.from_numpy(random.random((1, 3, 8, 7), dtype=np.float32))
        smooth = torch.nn.functional.interpolate(small, size=(64, 58), mode="bicubic").clamp(0, 1)[0]
        noise = random.normal(0, 4, (64, 58, 3))
        image = smooth.permute(1, 2, 0).numpy() * 255 + noise
        save_png(folder / f"{name}.png", np.clip(image, 0, 255).astype(np.uint8))
    return open_dataset(f"folder:{folder}")


def network(name: str, *, precision: str = "fp32", optimise: str = "none") -> Upscaler:
    torch.manual_seed(0)
    module = build(name, scale=2)
    options = Options("cpu", precision=precision, optimise=optimise)
    return network_upscaler(module, Identity(name), scale=2, options=options)


def scores_of(upscaler: Upscaler, images: ImageSet) -> pd.DataFrame:
    return evaluate(upscaler, images, scale=2, protocol=PROTOCOLS).scores


def distance(first: pd.DataFrame, second: pd.DataFrame) -> float:
    psnr = [name for name in SCORES if name.startswith("psnr")]
    return float((first[psnr] - second[psnr]).abs().max().max())


@pytest.mark.parametrize("name", NETWORKS)
def test_the_same_evaluation_twice_gives_the_same_bits(name: str, images: ImageSet) -> None:
    first, second = (scores_of(network(name), images).drop(columns="seconds") for _ in range(2))
    assert first.equals(second)


@pytest.mark.long
@pytest.mark.parametrize("name", NETWORKS)
def test_threads_move_scores_within_the_bound(name: str, images: ImageSet) -> None:
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            results.append(scores_of(network(name), images))
    finally:
        torch.set_num_threads(before)
    assert max(distance(results[0], other) for other in results[1:]) <= BOUND["threads"]


@pytest.mark.parametrize(
    ("name", "precision"),
    [("pan", "bf16"), *(pytest.param(*one, marks=pytest.mark.long) for one in (("pan", "fp16"), ("imdn", "bf16")))],
)
def test_half_precision_moves_scores_within_the_bound(name: str, precision: str, images: ImageSet) -> None:
    exact, rough = scores_of(network(name), images), scores_of(network(name, precision=precision), images)
    assert 0 < distance(exact, rough) <= BOUND[precision]


@pytest.mark.parametrize("name", NETWORKS)
def test_folding_moves_scores_within_the_bound(name: str, images: ImageSet) -> None:
    plain, folded = (scores_of(network(name, optimise=how), images) for how in ("none", "fold"))
    assert distance(plain, folded) <= BOUND["fold"]


@pytest.mark.long
def test_processes_give_the_same_bits_in_the_same_order(images: ImageSet, tmp_path: Path) -> None:
    plan = Plan(network("imdn"), [images], [get_protocol(name) for name in PROTOCOLS])
    plain = execute(plan, tmp_path / "plain")
    assert plain is not None
    for rank in (2, 1, 0):
        shared = execute(plan, tmp_path / "shared", shard=Shard(rank, 3))
    assert shared is not None
    assert to_frame(shared[0]).drop(columns="seconds").equals(to_frame(plain[0]).drop(columns="seconds"))


def test_a_batch_of_images_is_scored_as_each_alone(images: ImageSet) -> None:
    together = scores_of(network("imdn"), images).set_index(["protocol", "image"])[SCORES]
    for name in images.names:
        done = [(images.name, protocol, other) for protocol in PROTOCOLS for other in images.names if other != name]
        plan = Plan(network("imdn"), [images], [get_protocol(protocol) for protocol in PROTOCOLS])
        alone = to_frame([row for rows in run(plan, done=done) for row in rows]).set_index(["protocol", "image"])
        pd.testing.assert_frame_equal(alone[SCORES], together.loc[alone.index], check_exact=True)


@pytest.mark.long
def test_two_processes_write_the_same_table(images: ImageSet, tmp_path: Path) -> None:
    command = [
        "evaluate",
        "--model",
        "bicubic",
        "--scale",
        "2",
        "--dataset",
        f"folder:{images.location}",
        "--protocol",
        "matlab-y",
        "--protocol",
        "bam2021",
        "--output",
    ]
    elsewhere = subprocess.Popen(
        [sys.executable, "-m", "srbench", *command, str(tmp_path / "first")],
        env={**os.environ, "PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "2"},
    )
    assert CliRunner().invoke(main, [*command, str(tmp_path / "second")]).exit_code == 0
    assert elsewhere.wait() == 0
    first, second = (read_run(tmp_path / name) for name in ("first", "second"))
    assert first.scores.drop(columns="seconds").equals(second.scores.drop(columns="seconds"))
    changing = {"started", "seconds", "scores_sha256", "crc32", "environment"}
    assert {key: value for key, value in first.record.items() if key not in changing} == {
        key: value for key, value in second.record.items() if key not in changing
    }
