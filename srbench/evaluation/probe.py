"""The probe: a model's output on two small fixed images, by which a resumed run recognises its model.

Hashes of files and weights do not cover everything that an output depends on: a factory may read a data file, or return
a function. The probe covers it. It is stored in the record and in the head of the journal, and is not part of the run's
key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from srbench.environment import describe_environment
from srbench.errors import ResultsError, SrbenchError
from srbench.upscalers.base import Image, Upscaler
from srbench.upscalers.tensors import pick_device

PROBE_SIZES = ((64, 80), (61, 75))
"""Height and width of the probe images in LR pixels: one pair that suits networks with windows, and one odd pair."""

TOLERANCE, HALF_TOLERANCE = 1e-3, 0.5
"""Largest difference in gray levels between devices or library versions: in fp32, and in lower precision."""

_POINTS, _BLOCKS = 24, (2, 4)
_DIGITS = 4

ProbeValues = list[float] | None


@dataclass(frozen=True)
class Probe:
    """The output of a model for the probe images.

    Attributes:
        sha256: hash of the outputs' bytes.
        values: by image, 24 means over blocks and 24 samples of the output in gray levels; None for an image that the
            model refuses.
        deterministic: two passes gave the same outputs to the last bit.
        device: name of the processor or GPU.
        versions: of srbench, Python and the libraries.
        threads: the number of threads on the processor: sums that are split in another way can differ in the last bit.
    """

    sha256: str
    values: list[ProbeValues]
    deterministic: bool
    device: str
    versions: dict[str, str]
    threads: int

    def to_json(self) -> dict[str, object]:
        """Return the probe for a record, whose environment already has the number of threads."""
        return {name: value for name, value in asdict(self).items() if name != "threads"}

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Probe | None:
        """Return the probe in a record or in the head of a journal, or None."""
        threads = record.get("threads", record.get("environment", {}).get("threads"))
        return cls(**record["probe"], threads=threads) if record.get("probe") else None

    def to_head(self) -> dict[str, object]:
        """Return the probe for the head of a journal."""
        return {"probe": self.to_json(), "threads": self.threads}


def probe_image(height: int, width: int) -> NDArray[np.uint8]:
    """Return a fixed uint8 H×W×3 image of ramps, edges and texture, computed with integers: equal on every machine."""
    rows, columns = np.mgrid[0:height, 0:width].astype(np.int64)
    planes = []
    for channel in range(3):
        ramp = 220 - np.abs((rows * (3 + channel) + columns * (5 - channel)) % 440 - 220)
        edges = 40 * ((rows // 9 + columns // (11 + channel)) % 2)
        texture = (rows * 73 + columns * 151 + rows * columns * (7 + channel)) % 23
        planes.append(np.clip(ramp + edges + texture - 20, 0, 255))
    return np.stack(planes, axis=-1).astype(np.uint8)


def take_probe(upscaler: Upscaler) -> Probe | None:
    """Run a model twice on the probe images; None for an upscaler that cannot, such as a folder of SR images.

    The images pass the same checks and input adapters as all others.
    """
    if not upscaler.probed:
        return None
    first, second = _outputs(upscaler), _outputs(upscaler)
    if all(image is None for image in first):
        return None
    environment = describe_environment(pick_device(upscaler.options.device))
    device = environment["processor"] or "cpu" if environment["device"] == "cpu" else environment["device"]
    versions = {"srbench": environment["srbench"], "python": environment["python"], **environment["libraries"]}
    sha256, again = _sha256(first), _sha256(second)
    values = [_values(image) for image in first]
    return Probe(sha256, values, sha256 == again, device, versions, environment["threads"])


def require_same_model(
    path: Path, sources: Iterable[Mapping[str, object]], now: Probe | None, *, precision: str, accept_random: bool
) -> None:
    """Check that the model that resumes a run is the model of the scores in its folder.

    Args:
        sources: the record in the folder, or the heads of its journals; those of earlier versions have no probe and are
            not compared.
        accept_random: continue a run of a model whose output differs from call to call.

    Raises:
        ResultsError: the model's output differs from the stored one, or is not deterministic.
    """
    if now is None:
        return
    for stored in map(Probe.of_record, sources):
        if stored is None:
            continue
        if not (stored.deterministic and now.deterministic):
            if not accept_random:
                raise ResultsError(
                    f"{path}: expected a model whose outputs repeat, got one that is not deterministic, so that its "
                    "scores are not those of one model; resume with --accept-random, or choose another --output folder"
                )
        elif reason := difference(stored, now, precision=precision):
            raise ResultsError(
                f"{path} holds scores of a model that computed something else ({reason}), although its files and "
                "weights are the same; restore what it reads, or choose another --output folder"
            )


def difference(stored: Probe, now: Probe, *, precision: str) -> str:
    """Return in words how a stored probe differs from a new one; empty if they count as equal.

    On the same device, versions and number of threads they have to be equal to the last bit, else within `TOLERANCE`,
    or `HALF_TOLERANCE` in lower precision than fp32.
    """
    place = (stored.device, stored.versions, stored.threads)
    same_place = place == (now.device, now.versions, now.threads)
    if same_place and stored.sha256 == now.sha256:
        return ""
    before, after = stored.values, now.values
    if [image is None for image in before] != [image is None for image in after]:
        return "it accepts other image sizes"
    largest = max(
        abs(one - other)
        for old, new in zip(before, after, strict=True)
        for one, other in zip(old or (), new or (), strict=True)
    )
    tolerance = TOLERANCE if precision == "fp32" else HALF_TOLERANCE
    if not same_place and largest <= tolerance:
        return ""
    allowed = "none" if same_place else f"{tolerance:g}"
    return f"on the probe images its output moved by up to {largest:.4f} gray levels, allowed: {allowed}"


def _outputs(upscaler: Upscaler) -> list[Image | None]:
    return [_output(upscaler, *size) for size in PROBE_SIZES]


def _output(upscaler: Upscaler, height: int, width: int) -> Image | None:
    """Return the SR of a probe image; None if the model refuses it. The run then fails on its first image."""
    try:
        return upscaler.checked(probe_image(height, width), dataset="probe", name=f"{height}x{width}")
    except SrbenchError:
        return None


def _sha256(images: Sequence[Image | None]) -> str:
    digest = hashlib.sha256()
    for image in images:
        digest.update(b"refused\n" if image is None else f"{image.dtype} {image.shape}\n".encode())
        digest.update(b"" if image is None else np.ascontiguousarray(image).tobytes())
    return digest.hexdigest()


def _values(image: Image | None) -> ProbeValues:
    """Return means over 2×4 blocks of each channel, which cover every pixel, and samples from all over the image."""
    if image is None:
        return None
    levels = image.astype(np.float64) * (1 if image.dtype == np.uint8 else 255)
    blocks = [part for band in np.array_split(levels, _BLOCKS[0]) for part in np.array_split(band, _BLOCKS[1], axis=1)]
    means = [float(value) for block in blocks for value in block.mean(axis=(0, 1))]
    flat = levels.reshape(-1)
    # The step has no common factor with the three channels or the width, so that samples come from all of them.
    samples = [float(flat[number * 7919 % flat.size]) for number in range(1, _POINTS + 1)]
    return [round(value, _DIGITS) for value in (*means, *samples)]
