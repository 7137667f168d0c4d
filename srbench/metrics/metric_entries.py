"""The metrics by name: each is an entry with its version, direction, convention and source, and the code that loads it.

Listing them loads no torch. `srbench.metrics.computed` runs those that are not part of a protocol.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from srbench.errors import MetricError, PluginError, UnknownNameError
from srbench.plugins import Registry

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    Compute = Callable[[NDArray[np.uint8], NDArray[np.uint8] | None], float]
    """A loaded metric: SR and HR, RGB uint8 H×W×3 of one size, to the score. HR is None for a metric without HR."""

Direction = Literal["higher", "lower"]
"""Which values are better."""


@dataclass(frozen=True)
class Metric:
    """A named, versioned function of SR and HR.

    Attributes:
        name: the column in score tables, and the name for `--metric`.
        version: raised with every change that can change a score.
        direction: which values are better.
        title: what tables and pages call it.
        unit: "dB" or empty.
        digits: decimals in tables.
        needs_hr: whether it compares with HR.
        convention: input range, colour, rounding and border, in one sentence.
        source: the paper, and whose implementation it equals.
        factory: `module:function`; the function takes a torch device and returns the loaded metric (`Compute`). Empty
            for scores that the protocol computes.
        files: names of the weights that it needs, any one of each group; see `srbench.metrics.backbones`.
    """

    name: str
    version: int
    direction: Direction
    title: str
    unit: str
    digits: int
    needs_hr: bool
    convention: str
    source: str
    factory: str = ""
    files: tuple[str, ...] = ()

    @property
    def from_protocol(self) -> bool:
        """Whether protocols compute this metric with every score."""
        return not self.factory

    def require_loadable(self) -> None:
        """Raise MetricError for a metric that the protocol computes."""
        if self.from_protocol:
            raise MetricError(
                f"{self.name} is computed by the protocol with every score; leave out --metric {self.name}"
            )

    def load(self, device: torch.device) -> Compute:
        """Return the function that computes the metric on a device.

        Raises:
            MetricError: the protocol computes this one, or its weights are missing.
        """
        self.require_loadable()
        module, _, function = self.factory.partition(":")
        loaded: Compute = getattr(importlib.import_module(module), function)(device)
        return loaded


_PSNR = "10 log10(255² / MSE), float64, after the protocol's shave"
_SSIM = "Gaussian 11×11 window, σ 1.5, valid region only, float64, after the protocol's shave"
_WHOLE = "SR rounded to 8 bits, RGB, the whole image: no resizing, no crop, no shave"

_ENTRIES = (
    Metric(
        "psnr_y",
        1,
        "higher",
        "PSNR (Y)",
        "dB",
        3,
        True,
        f"Y of the protocol; {_PSNR}",
        "the protocol: docs/protocols.md",
    ),
    Metric("ssim_y", 1, "higher", "SSIM (Y)", "", 4, True, f"Y of the protocol; {_SSIM}", "Wang et al., TIP 2004"),
    Metric(
        "psnr_rgb",
        1,
        "higher",
        "PSNR (RGB)",
        "dB",
        3,
        True,
        f"R, G and B together; {_PSNR}",
        "the protocol: docs/protocols.md",
    ),
    Metric("ssim_rgb", 1, "higher", "SSIM (RGB)", "", 4, True, f"mean over channels; {_SSIM}", "Wang et al., TIP 2004"),
    Metric(
        "psnr_y_aliased",
        1,
        "higher",
        "PSNR (aliased)",
        "dB",
        3,
        True,
        "PSNR of Y weighted by the HR texture above the LR's Nyquist limit",
        "srbench: docs/protocols.md",
    ),
    Metric(
        "psnr_lr",
        1,
        "higher",
        "PSNR (LR)",
        "dB",
        2,
        False,
        "SR shrunk by the protocol's own degradation, compared with the LR it came from",
        "srbench: docs/protocols.md",
    ),
    Metric(
        "lpips_alex",
        1,
        "lower",
        "LPIPS (AlexNet)",
        "",
        4,
        True,
        f"LPIPS 0.1; input in [-1, 1]; {_WHOLE}",
        "Zhang et al., CVPR 2018; the authors' lpips 0.1.4",
        "srbench.metrics.computed:load_lpips_alex",
        ("alexnet_features.safetensors", "alexnet-owt-7be5be79.pth"),
    ),
    Metric(
        "lpips_vgg",
        1,
        "lower",
        "LPIPS (VGG16)",
        "",
        4,
        True,
        f"LPIPS 0.1; input in [-1, 1]; {_WHOLE}",
        "Zhang et al., CVPR 2018; the authors' lpips 0.1.4",
        "srbench.metrics.computed:load_lpips_vgg",
        ("vgg16_features.safetensors", "vgg16-397923af.pth"),
    ),
    Metric(
        "dists",
        1,
        "lower",
        "DISTS",
        "",
        4,
        True,
        f"input in [0, 1]; {_WHOLE}",
        "Ding et al., TPAMI 2020; the authors' DISTS_pytorch 0.1 without its resizing",
        "srbench.metrics.computed:load_dists",
        ("vgg16_features.safetensors", "vgg16-397923af.pth"),
    ),
    Metric(
        "niqe",
        1,
        "lower",
        "NIQE",
        "",
        3,
        False,
        "full-range luma 0.299 R + 0.587 G + 0.114 B rounded half to even, cut to whole 96×96 blocks, no shave",
        "Mittal et al., SPL 2013; the plane of pyiqa's niqe",
        "srbench.metrics.computed:load_niqe",
    ),
    Metric(
        "niqe_matlab_y",
        1,
        "lower",
        "NIQE (MATLAB's Y)",
        "",
        3,
        False,
        "MATLAB's Y (16 … 235) rounded half to even, cut to whole 96×96 blocks, no shave",
        "Mittal et al., SPL 2013; the plane of BasicSR's calculate_niqe",
        "srbench.metrics.computed:load_niqe_matlab_y",
    ),
)

_COLUMNS = ("model", "dataset", "scale", "protocol", "protocol_version", "image", "seconds")
_COLUMNS_OF_INPUTS = ("lr_source", "hr_sha256", "lr_sha256", "lr_origin")
_NAME = re.compile("[a-z][a-z0-9_]{0,63}")


def _require_usable(name: str, metric: Metric) -> None:
    if name != metric.name or not _NAME.fullmatch(name) or name in (*_COLUMNS, *_COLUMNS_OF_INPUTS):
        raise PluginError(
            f"expected the metric's own name of lower-case letters, digits and _, which no column of scores has, "
            f"got {name!r}; choose another name"
        )
    if metric.from_protocol:
        raise PluginError(f"expected a factory of the metric {name}, got none; set factory to module:function")


METRICS: Registry[Metric] = Registry("metric", {metric.name: metric for metric in _ENTRIES}, _require_usable)
"""Every metric by name, in the order of the listing."""


def get_metric(name: str) -> Metric:
    """Return the metric of that name. Raises UnknownNameError."""
    if name not in METRICS:
        raise UnknownNameError("metric", name, METRICS)
    return METRICS[name]
