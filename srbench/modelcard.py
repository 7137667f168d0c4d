"""Scores in the hub's format: `model-index` metadata, and the YAML head of a model card."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

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
    verified: bool = False


def model_index(name: str, results: Iterable[CardScore]) -> list[dict[str, object]]:
    """Return the value of a card's `model-index` key for one model, for JSON or `yaml_head`.

    The format is that of the hub's model cards (https://github.com/huggingface/hub-docs, modelcard.md).
    """
    return [{"name": name, "results": [_entry(result) for result in results]}]


def yaml_head(values: Mapping[str, object]) -> str:
    """Return the YAML block between `---` lines that starts a model card: nested mappings and lists of scalars.

    Text is quoted as in JSON, which is valid YAML.
    """
    return "\n".join(["---", *_lines(values, ""), "---", ""])


def _entry(result: CardScore) -> dict[str, object]:
    return {
        "task": {"type": TASK, "name": f"Image super-resolution ×{result.scale}"},
        "dataset": {"name": result.dataset, "type": result.dataset, "config": f"bicubic ×{result.scale}"},
        "metrics": [
            {
                "type": column.partition("_")[0],
                "value": value,
                "name": _metric_name(column, result.protocol),
                "verified": result.verified,
            }
            for column, value in result.metrics.items()
        ],
    }


def _metric_name(column: str, protocol: str) -> str:
    kind, _, colour = column.partition("_")
    return f"{_NAMES.get(kind, kind)} ({colour.upper() if colour in ('y', 'rgb') else colour}, {protocol})"


def _lines(value: Mapping[str, object], indent: str) -> Iterator[str]:
    for key, item in value.items():
        if isinstance(item, Mapping):
            yield f"{indent}{key}:"
            yield from _lines(item, indent + "  ")
        elif isinstance(item, Sequence) and not isinstance(item, str):
            yield f"{indent}{key}:" if item else f"{indent}{key}: []"
            for one in item:
                yield from _list_item(one, indent)
        else:
            yield f"{indent}{key}: {_scalar(item)}"


def _list_item(item: object, indent: str) -> Iterator[str]:
    if not isinstance(item, Mapping):
        yield f"{indent}- {_scalar(item)}"
        return
    for number, line in enumerate(_lines(item, indent + "  ")):
        yield f"{indent}- {line[len(indent) + 2 :]}" if number == 0 else line


def _scalar(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
