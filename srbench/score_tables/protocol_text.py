"""Sentences for a paper that describe how the scores of a table were made, from the protocol's own values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from srbench import degradations
from srbench.errors import counted
from srbench.protocols import MATLAB_LUMA, SSIM_WINDOW, HrRule, Luma, Protocol, get_protocol
from srbench.score_tables.tabulate import ModelTable

_HR_RULES: Mapping[HrRule, str] = {
    degradations.crop_to_multiple: "HR images are cropped at the right and bottom to a multiple of the scale",
    degradations.resize_to_multiple: "HR images are resized to a multiple of the scale by Pillow's bicubic filter",
    degradations.require_multiple: "HR images are used unchanged",
}
_DEGRADATIONS: Mapping[HrRule, str] = {
    degradations.matlab_bicubic: "LR images are made from them as by MATLAB's imresize (bicubic, antialiased)",
    degradations.pillow_bicubic: "LR images are made from them by Pillow's bicubic filter",
    degradations.blur_downsample: "LR images are made by a 7×7 Gaussian blur of σ 1.6 and every third pixel (BD)",
    degradations.noisy_downsample: "LR images are made as by MATLAB's imresize, with added noise of σ 30 (DN)",
}


def protocol_sentences(table: ModelTable) -> str:
    """Return the paragraph that describes protocol, metrics and datasets of a table, as plain text.

    A protocol of a plugin with other rules is described by its own summary.
    """
    protocol = get_protocol(table.protocol)
    sentences = [
        f"Scores are computed by srbench {_versions(table)} under its protocol {protocol.name} "
        f"(version {table.version})",
        _preparation(table, protocol),
        _scoring(table, protocol),
        *_further_metrics(table),
        _datasets(table),
    ]
    return " ".join(f"{sentence}." for sentence in sentences)


def _versions(table: ModelTable) -> str:
    found = {str(one.run.record["environment"]["srbench"]) for row in table.rows for one in row.model.runs}
    return " and ".join(sorted(found))


def _preparation(table: ModelTable, protocol: Protocol) -> str:
    rule = _HR_RULES.get(protocol.preparation.hr_rule, f"Images are prepared by {protocol.summary}")
    sources = {
        str(one.run.record["protocols"][protocol.name]["lr_source"])
        for row in table.rows
        for one in row.model.runs
        if protocol.name in one.run.record["protocols"]
    }
    if sources == {"made"} and protocol.preparation.degradation is not None:
        return f"{rule}, and {_DEGRADATIONS.get(protocol.preparation.degradation, 'LR images are made from them')}"
    files = "that equal MATLAB's bicubic downscaling of the HR images" if sources == {"given"} else "of the dataset"
    return f"{rule}, and LR images are the files {files}"


def _scoring(table: ModelTable, protocol: Protocol) -> str:
    scoring = protocol.scoring
    borders = {scale: scoring.border(scale) for scale in table.scales}
    shaved = " and ".join(f"{counted(border, 'pixel')} for ×{scale}" for scale, border in borders.items() if border)
    steps = "SR images are rounded to 8 bits" if scoring.rounded else "SR images are not rounded"
    steps += f", the border is left out ({shaved})" if shaved else ", no border is left out"
    colour = _colour(scoring.luma) if scoring.luma else "R, G and B together"
    ssim_colour = _colour(scoring.ssim_luma) if scoring.ssim_luma else "the same values"
    return (
        f"{steps}, and PSNR is computed on {colour} for each image; SSIM is computed on {ssim_colour} with a Gaussian "
        f"window of {SSIM_WINDOW}×{SSIM_WINDOW} pixels (σ 1.5) where it fits into the image; both are averaged over "
        "the images of a dataset"
    )


def _colour(luma: Luma) -> str:
    rounded = ", rounded to integers" if luma.rounded else ""
    if (luma.coefficients, luma.divisor) == (MATLAB_LUMA.coefficients, MATLAB_LUMA.divisor):
        return f"the Y channel of ITU-R BT.601 (as MATLAB's rgb2ycbcr{rounded})"
    red, green, blue = luma.coefficients
    return f"Y = 16 + ({red} R + {green} G + {blue} B) / {luma.divisor}{rounded}"


def _further_metrics(table: ModelTable) -> Iterable[str]:
    protocol_columns = ("psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb")
    for metric in table.metrics:
        if metric.name not in protocol_columns:
            yield f"{metric.title} (version {metric.version}) follows {metric.source}: {metric.convention}"


def _datasets(table: ModelTable) -> str:
    facts: dict[str, tuple[int, str]] = {}
    for row in table.rows:
        for one in row.model.runs:
            for name, dataset in one.run.record["datasets"].items():
                if name in table.datasets:
                    facts[name] = dataset["n_expected"], str(dataset["variant"])
    pixels = {name: "" if variant == "own" else f", {variant} pixels" for name, (_, variant) in facts.items()}
    parts = [f"{name} ({counted(n, 'image')}{pixels[name]})" for name, (n, _) in facts.items()]
    return f"Datasets: {', '.join(parts)}"
