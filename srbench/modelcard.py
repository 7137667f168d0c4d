"""Scores in the hub's format: the YAML head of a model card with its `model-index`, written by huggingface_hub."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

TASK = "image-to-image"
"""The hub's name for the task; the hub has no separate task for super-resolution."""

_NAMES = {"psnr": "PSNR", "ssim": "SSIM"}


@dataclass(frozen=True)
class CardScore:
    """The means of one model on one set: `metrics` by column of the score table (`psnr_y` in dB, `ssim_y`, …)."""

    dataset: str
    scale: int
    protocol: str
    metrics: Mapping[str, float]


def card_head(
    name: str,
    scores: Iterable[CardScore],
    *,
    license: str | None = None,
    library_name: str | None = None,
    pipeline_tag: str | None = None,
    tags: list[str] | None = None,
) -> str:
    """Return the YAML block between `---` lines that starts a model card.

    Args:
        name: the name of the model in the `model-index`.
        scores: the scores of the `model-index`.
        license, library_name, pipeline_tag, tags: further metadata of the card; None leaves a field out.
    """
    # Inside the function: only cards and exports need this package, whose import takes 0.3 s.
    from huggingface_hub import ModelCardData

    results = [result for score in scores for result in _results(score)]
    data = ModelCardData(
        model_name=name,
        eval_results=results,
        license=license,
        library_name=library_name,
        pipeline_tag=pipeline_tag,
        tags=tags,
    )
    return f"---\n{data.to_yaml()}\n---\n"


def _results(score: CardScore) -> Iterator[EvalResult]:
    from huggingface_hub import EvalResult  # inside the function, as above

    for column, value in score.metrics.items():
        yield EvalResult(
            task_type=TASK,
            task_name=f"Image super-resolution ×{score.scale}",
            dataset_type=score.dataset,
            dataset_name=score.dataset,
            dataset_config=f"bicubic ×{score.scale}",
            metric_type=column.partition("_")[0],
            metric_name=_metric_name(column, score.protocol),
            metric_value=float(value),
        )


def _metric_name(column: str, protocol: str) -> str:
    kind, _, colour = column.partition("_")
    return f"{_NAMES.get(kind, kind)} ({colour.upper() if colour in ('y', 'rgb') else colour}, {protocol})"
