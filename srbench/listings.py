"""The names of models, datasets, protocols and metrics. Listing them imports neither torch nor pandas."""

from __future__ import annotations

from srbench.datasets.catalogue import CATALOGUE
from srbench.metrics.metric_entries import METRICS
from srbench.protocols.registry import protocol_names
from srbench.zoo.networks import listed_variants


def list_models() -> list[str]:
    """Return the names of the zoo's networks with each attention; the model spec is `zoo:` and a name.

    Examples:
        >>> {"imdn", "imdn-bam"} <= set(list_models())
        True
    """
    return [variant.name for variant in listed_variants()]


def list_datasets() -> list[str]:
    """Return the names of the known datasets, whether their images are on this machine or not."""
    return [*CATALOGUE, "Sample"]


def list_protocols() -> list[str]:
    """Return the names of all protocols, the default first."""
    return protocol_names()


def list_metrics() -> list[str]:
    """Return the names of all metrics: those that a protocol computes, and those for `metric=` and `--metric`.

    `srbench.metrics.metric_entries.METRICS` has the entry of each name, with its version, direction and convention.

    Examples:
        >>> list_metrics()[:3]
        ['psnr_y', 'ssim_y', 'psnr_rgb']
    """
    return list(METRICS)
