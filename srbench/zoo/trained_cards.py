"""Model cards of weights that srbench trained, made from their records alone. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping

from srbench.modelcard import TASK, CardScore, card_head
from srbench.records.training_documents import WeightsDocument
from srbench.tables import table_of_markdown
from srbench.zoo.networks import find_variant
from srbench.zoo.trained import scales_of, scores_at
from srbench.zoo.weights_catalogue import authors_scores, entries_of, times

_METRICS = ("psnr_y", "ssim_y")
_NOT_SHOWN = ("name", "summary", "held_out")


def model_card(record: WeightsDocument) -> str:
    """Return the model card of a record: YAML metadata with the `model-index` of the hub, then Markdown."""
    scores = [_scores(record, scale) for scale in scales_of(record)]
    parts = (_title(record), *scores, _training(record), _limits(record))
    return _head(record) + "\n" + "\n\n".join(parts) + "\n"


def _head(record: WeightsDocument) -> str:
    results = [
        CardScore(dataset, scale, record["protocol"], {metric: means[metric] for metric in _METRICS})
        for scale in scales_of(record)
        for dataset, means in scores_at(record, scale)["scores"].items()
    ]
    return card_head(
        _name(record),
        results,
        license=record["licence"].lower(),
        library_name="srbench",
        pipeline_tag=TASK,
        tags=["super-resolution", *(f"x{scale}" for scale in scales_of(record)), record["network"]],
    )


def _name(record: WeightsDocument) -> str:
    return f"{find_variant(record['network']).title} {times(scales_of(record))}"


def _title(record: WeightsDocument) -> str:
    variant, training = find_variant(record["network"]), record["training"]
    lines = [
        f"# {_name(record)}",
        "",
        f"{variant.network.title} with `{variant.attention}` attention, {variant.network.slot}, trained from scratch "
        f"by srbench's recipe `{training['recipe']}`.",
        f"Network: {variant.network.citation} ({variant.network.source}).",
        "",
        "```python",
        "import srbench",
        "",
        f'network = srbench.load_model("zoo:{record["network"]}@srbench", scale={record["scale"]})',
        "# N×3×H×W RGB in [0, 1] in, unclamped out",
        "```",
    ]
    note = record["note"]
    return "\n".join([*lines, *(["", f"**{note[0].upper()}{note[1:]}.**"] if note else [])])


def _scores(record: WeightsDocument, scale: int) -> str:
    measured = scores_at(record, scale)
    authors = {
        dataset: f"{score.psnr_y:.3f} / {score.ssim_y:.4f}"
        for dataset, score in authors_scores(record["network"], scale=scale).items()
    }
    head = ["set", "images", "PSNR dB / SSIM", "bicubic", *(["authors' weights"] if authors else [])]
    rows = [
        [
            dataset,
            str(means["images"]),
            _pair(means),
            _pair(measured["bicubic"][dataset]),
            *([authors.get(dataset, "-")] if authors else []),
        ]
        for dataset, means in measured["scores"].items()
    ]
    moved = max(abs(change) for change in measured["half_precision"]["psnr_y_change"].values())
    stored = f"Storing the weights in half precision moved no mean PSNR by more than {moved:.5f} dB."
    gap = _gap(record) if scale == record["scale"] else []
    at = f" at ×{scale}" if record.get("scales") else ""
    return "\n\n".join([f"## Scores under `{record['protocol']}`{at}", table_of_markdown(head, rows), *gap, stored])


def _gap(record: WeightsDocument) -> list[str]:
    made, patch = record["training"], record["training"]["recipe_values"]["patch"]
    return [
        f"The authors trained on {entry.training_data}, until theirs was done; this one saw "
        f"{made['patches']:,} patches of {patch}×{patch} LR pixels from {made['data']}."
        for entry in entries_of(record["network"])
        if entry.tag == "authors" and record["scale"] in entry.scales
    ]


def _pair(means: Mapping[str, float]) -> str:
    return f"{means['psnr_y']:.3f} / {means['ssim_y']:.4f}"


def _training(record: WeightsDocument) -> str:
    made = record["training"]
    rows = {
        "recipe": f"`{made['recipe']}`, sha256 `{made['recipe_sha256']}`",
        "images": f"{made['data']}, fingerprint `{made['fingerprint']}`",
        "steps": f"{made['steps']:,} ({made['patches']:,} patches)",
        "seed": str(made["seed"]),
        "time": f"{made['seconds'] / 60:.1f} minutes on {made['processes']} × {made['device']}",
        "file": f"`{record['file']['name']}`, {record['file']['size']:,} bytes, sha256 `{record['file']['sha256']}`",
    }
    if made["psnr"] is not None:
        rows["held-out PSNR"] = f"{made['psnr']:.3f} dB on {len(made['held_out'])} training images never trained on"
    table = [f"| {label} | {text} |" for label, text in rows.items()]
    shown = {key: value for key, value in made["recipe_values"].items() if key not in _NOT_SHOWN}
    values = [f"{key} = {value}" for key, value in shown.items()]
    last = "The recipe of the last stage" if made.get("stages") else "The recipe"
    return "\n".join(["## Training", "", "| | |", "|---|---|", *table, "", f"{last}: {', '.join(values)}."])


def _limits(record: WeightsDocument) -> str:
    return (
        "## Limits\n\n"
        "Trained on LR images made by bicubic shrinking alone: other blurs, noise and compression it does not know. "
        "One seed of one recipe says nothing of the architecture; srbench's controlled study does that. "
        f"Weights: {record['licence']}; the training images keep their owners' terms."
    )
