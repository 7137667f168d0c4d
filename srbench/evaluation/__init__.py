"""The evaluation loop: dataset × upscaler × protocol -> scores.

Protocols that share a preparation share one forward pass; rows that a journal already holds are not computed again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

import pandas as pd
from torch import nn

from srbench.datasets.imageset import ImageSet, open_dataset
from srbench.datasets.pairs import with_lr_folder
from srbench.errors import DatasetError, MetricError
from srbench.evaluation.plan import Plan, count_forward_passes, row_ids
from srbench.evaluation.record import describe
from srbench.evaluation.scheduling import run
from srbench.metrics.metric_entries import Metric, get_metric
from srbench.protocols import LrSource, Protocol, get_protocol
from srbench.scores import to_frame
from srbench.upscalers.base import OptionKeywords, Options, Upscaler, chosen_options
from srbench.upscalers.loading import as_upscaler
from srbench.upscalers.tensors import preserve_module_state

__all__ = ["Plan", "as_metrics", "count_forward_passes", "describe", "evaluate", "row_ids", "run"]


def evaluate(
    model: str | nn.Module | Upscaler,
    dataset: str | ImageSet | Sequence[str | ImageSet],
    *,
    scale: int,
    protocol: str | Sequence[str] = "matlab-y",
    lr: LrSource = "made",
    metrics: Sequence[str] = (),
    lr_dir: Path | str | None = None,
    lr_pattern: str | None = None,
    data_root: Path | str | None = None,
    options: Options | None = None,
    **keywords: Unpack[OptionKeywords],
) -> pd.DataFrame:
    """Score a model on one or more datasets.

    Args:
        model: a model spec, a torch module from and to N×3×H×W RGB in [0, 1], which is given back as it was (modes,
            gradients, device), or an upscaler that is already open.
        dataset: a name such as "Set5", "folder:DIR", an `ImageSet` or a dataset view, or a list of these.
        scale: 2, 3, 4 or 8.
        protocol: one name or several; those that share a preparation cost one forward pass.
        lr: "made" by the protocol; "given": the dataset's own LR files, which have to be MATLAB's; or "any" LR files.
        metrics: names of further metrics, such as "lpips_alex", each a column; `srbench.list_metrics()` has them all.
        lr_dir: with "given" or "any", the folder of the LR files, instead of the dataset's own.
        lr_pattern: the names of the files in `lr_dir`, such as "{name}_LRBI_x{scale}".
        data_root: where datasets lie, if not at `$SRBENCH_DATA` or the user's data folder.
        options: how the model is run and what its input is.
        keywords: the fields of `Options` by name, in place of `options`: `device="cpu"`, `tile=64`, `range=255`.

    Returns:
        One row per image and protocol, with the columns of `srbench.scores.SCHEMA` and one per name in `metrics`.

    Raises:
        SrbenchError: anything that keeps a number from being trusted.

    Examples:
        >>> scores = evaluate("bicubic", "Sample", scale=4, protocol=["matlab-y", "bam2021"])
        >>> scores.groupby("protocol", sort=False)["psnr_y"].mean().round(3).to_dict()
        {'matlab-y': 26.4, 'bam2021': 26.53}
    """
    root = Path(data_root) if data_root is not None else None
    chosen = [dataset] if isinstance(dataset, str) or not isinstance(dataset, Sequence) else dataset
    names = [protocol] if isinstance(protocol, str | Protocol) else protocol
    sets, protocols = [_as_set(entry, root) for entry in chosen], [get_protocol(name) for name in names]
    sets = with_lr_folder(sets, lr=lr, folder=None if lr_dir is None else Path(lr_dir), pattern=lr_pattern)
    with preserve_module_state(model):
        upscaler = as_upscaler(model, scale=scale, options=chosen_options(options, keywords))
        plan = Plan(upscaler, sets, protocols, lr, metrics=as_metrics(metrics))
        return to_frame([row for rows in run(plan) for row in rows])


def as_metrics(names: Sequence[str]) -> list[Metric]:
    """Return the metrics of these names, each once.

    Raises:
        MetricError: one string where a list of names is expected.
        UnknownNameError: a name that no metric has.
    """
    if isinstance(names, str):
        raise MetricError(f"metrics: expected a list of names, got the string {names!r}; pass [{names!r}]")
    return [get_metric(name) for name in dict.fromkeys(names)]


def _as_set(entry: Any, root: Path | None) -> ImageSet:
    if isinstance(entry, str):
        return open_dataset(entry, data_root=root)
    images = getattr(entry, "images", entry)
    if not isinstance(images, ImageSet):
        raise DatasetError(f"expected a dataset name, an ImageSet or a dataset view, got {type(entry).__name__}")
    return images
