"""`python -m benchmarks.memorisation`: measure the memorisation probe, and write the tables of docs/memorisation.md.

Each network of the zoo whose weights are found is probed on Set5 at each of its scales, and so is each way of storing
answers. Rows that the page has already are kept: delete a row to measure it again. Needs `$SRBENCH_TEST_DATA`.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.report import test_data, write_measured
from fuzz.attacks.memorising import KEYS, Key, Pair, memorising_model
from srbench.datasets.imageset import ImageSet, open_dataset
from srbench.errors import SrbenchError
from srbench.protocols import MATLAB_PREPARATION
from srbench.result import evaluate
from srbench.upscalers.base import Options, Upscaler
from srbench.upscalers.loading import as_upscaler, open_upscaler
from srbench.verification.memorisation import exceeded, image_drops, largest_drops, not_applicable
from srbench.zoo import load
from srbench.zoo.weights_catalogue import CATALOGUE

PAGE = Path(__file__).parents[1] / "docs" / "memorisation.md"
SCALE = 4
STEPS, PATCH, BATCH, RATE = 300, 32, 4, 1e-4
"""How IMDN is fine-tuned on Set5: steps, side of an LR patch, patches in a step, and rate of Adam."""

_CPU = Options(device="cpu")
Cells = tuple[str, ...]


def network_rows(images: ImageSet, known: Sequence[str]) -> Iterator[Cells]:
    """Yield a row for bicubic and for each network with weights: the largest drops at each scale."""
    specs = [(f"{entry.name}@{entry.tag}", scale) for entry in CATALOGUE for scale in entry.scales]
    for name, scale in [*(("bicubic", scale) for scale in (2, 3, 4)), *specs]:
        if f"`{name}` ×{scale}" in known:
            continue
        try:
            upscaler = open_upscaler(name if name == "bicubic" else f"zoo:{name}", scale=scale, options=_CPU)
        except SrbenchError as error:
            print(f"{name} ×{scale}: not measured: {error}", file=sys.stderr)
            continue
        yield f"`{name}` ×{scale}", *_measured(upscaler, images)


def cheat_rows(images: ImageSet, known: Sequence[str], root: Path) -> Iterator[Cells]:
    """Yield a row for each way of storing answers: its PSNR on Set5, the largest drops, and the verdict."""
    pairs = [MATLAB_PREPARATION.prepare(images.hr(name), scale=SCALE, name=name) for name in images.names]
    corner = KEYS["first 8×8 pixels"]
    cases: dict[str, Callable[[], Upscaler]] = {
        f"stored HR, recognised by its {name}": partial(_stored, pairs, key=key) for name, key in KEYS.items()
    }
    cases["the same by its first 8×8 pixels, in all eight orientations"] = partial(
        _stored, pairs, key=corner, orientations=True
    )
    for share in (0.10, 0.05, 0.02, 0.003):
        cases[f"{share * 100:g} % of the stored HR blended in"] = partial(_stored, pairs, key=corner, share=share)
    cases["IMDN fine-tuned on Set5 itself, without augmentation"] = partial(_tuned, pairs, augmented=False)
    cases["IMDN fine-tuned on Set5 itself, with flips and transposes"] = partial(_tuned, pairs, augmented=True)
    cases["IMDN fine-tuned on Set5 itself, with flips, transposes and shifts"] = lambda: _tuned(
        list(_shifted(images)), augmented=True
    )
    for case, make in cases.items():
        if case in known:
            continue
        upscaler = make()
        scores = evaluate(upscaler, "Set5", scale=SCALE, data_root=root).scores
        yield case, f"{scores['psnr_y'].mean():.2f} dB", *_measured(upscaler, images)


def _measured(upscaler: Upscaler, images: ImageSet) -> Cells:
    """Return the largest drops by kind, and the verdict of the probe."""
    if reason := not_applicable(upscaler):
        return "", "", "", f"not applicable: {reason}"
    drops = [
        drop for name in images.names for drop in image_drops(upscaler, images.hr(name), dataset="Set5", name=name)
    ]
    worst = largest_drops(drops)
    cells = (f"{worst[kind]['mean']:.3f}, {worst[kind]['image']:.3f}" for kind in ("crop", "flip", "shift"))
    return *cells, "refused" if exceeded(drops) else "passes"


def _stored(pairs: Sequence[Pair], *, key: Key, share: float = 1.0, orientations: bool = False) -> Upscaler:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        path.write_bytes(memorising_model(pairs, scale=SCALE, key=key, share=share, orientations=orientations))
        return open_upscaler(f"onnx:{path}", scale=SCALE, options=_CPU)


def _tuned(pairs: Sequence[Pair], *, augmented: bool) -> Upscaler:
    """Return IMDN with its authors' weights, after some steps on patches of the benchmark images."""
    luck = np.random.default_rng(0)
    network = load("imdn", tag="authors", scale=SCALE).module.train().requires_grad_(True)
    optimiser = torch.optim.Adam(network.parameters(), lr=RATE)
    for _ in range(STEPS):
        patches = [_patch(pairs[int(luck.integers(len(pairs)))], luck, augmented) for _ in range(BATCH)]
        hr, lr = (torch.stack([_tensor(images[which]) for images in patches]) for which in (0, 1))
        loss = torch.nn.functional.mse_loss(network(lr), hr)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        optimiser.step()
    return as_upscaler(network, scale=SCALE, options=_CPU)


def _shifted(images: ImageSet) -> Iterator[Pair]:
    """Yield every image without some HR pixels at the top and the left, so that its LR has other pixels."""
    for name in images.names:
        for top, left in np.ndindex(SCALE, SCALE):
            yield MATLAB_PREPARATION.prepare(images.hr(name)[top:, left:], scale=SCALE, name=name)


def _patch(pair: Pair, luck: np.random.Generator, augmented: bool) -> Pair:
    hr, lr = pair
    top, left = (int(luck.integers(side - PATCH + 1)) for side in lr.shape[:2])
    patches = [
        image[top * factor : (top + PATCH) * factor, left * factor : (left + PATCH) * factor]
        for image, factor in ((hr, SCALE), (lr, 1))
    ]
    if augmented and luck.integers(2):
        patches = [image[:, ::-1] for image in patches]
    if augmented and luck.integers(2):
        patches = [image.transpose(1, 0, 2) for image in patches]
    return patches[0], patches[1]


def _tensor(image: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float() / 255


def _update(name: str, head: Cells, measure: Callable[[list[str]], Iterator[Cells]]) -> None:
    """Add new rows to a table of the page, which is written after each row."""
    table = PAGE.read_text(encoding="utf-8").partition(f"<!-- measured: {name} -->")[2].partition("<!-- end of")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    for cells in measure([row.split(" | ")[0].removeprefix("| ") for row in rows]):
        rows.append(f"| {' | '.join(cells)} |")
        print(rows[-1], flush=True)
        write_measured(PAGE, name, [f"| {' | '.join(head)} |", "|" + "---|" * len(head), *rows])


def main() -> None:
    """Measure what the page lacks."""
    data = test_data()
    if data is None:
        raise SystemExit("expected $SRBENCH_TEST_DATA to name the folder of real images, got none; set it")
    root = data / "data"
    images = open_dataset("Set5", data_root=root)
    drops = ("crop: mean, image", "flip: mean, image", "shift: mean, image", "probe")
    _update("cheats", ("cheat", "Set5 ×4", *drops), lambda known: cheat_rows(images, known, root))
    _update("networks", ("network", *drops), lambda known: network_rows(images, known))


if __name__ == "__main__":
    main()
