"""Check the numbers of a submission against everything that is known, without its images and weights."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pandas as pd

from srbench.datasets.catalogue import known_images
from srbench.datasets.lrcheck import MATLAB
from srbench.datasets.pixel_variants import identify_variant
from srbench.errors import SrbenchError, counted, listed
from srbench.protocols import Protocol, get_protocol, protocol_names
from srbench.records.submission import SubmissionRecord
from srbench.submissions import Submission
from srbench.submissions.catalogue_checks import Pixels, catalogue_errors, pixels_of
from srbench.verification.findings import EntryFindings, Severity
from srbench.verification.model_facts import model_facts

HIGHEST_PSNR = 60.0
"""A person must look at scores above this PSNR in dB."""
HIGHEST_GAIN = 18.0
"""A person must look at scores more than this many dB of PSNR above bicubic's on the same image. On regular facades
bicubic is far behind: RLFN, with half a million parameters, gains 13.4 dB on img_040 of Urban100 at ×2.
"""
BELOW_LR_MEAN, BELOW_LR_IMAGE = 3.0, 10.0
"""By how many dB a set's mean of `psnr_lr`, and the value of one image, may be below bicubic's. The SR images of
networks agree with their LR better than bicubic's: IMDN's by 7 to 20 dB on every image, those of s-LWSR32's unfinished
weights by 1.2 dB on average. A shift by one pixel costs 5 dB (×4) to 12 dB (×2) on Set5, an image of something else far
more.
"""
TYPICAL_LR = 37.0
"""The `psnr_lr` that is assumed for bicubic where it is not known."""

_STRANGE = ("unknown", "canonical subset")

ROW = ["dataset", "scale", "protocol", "image"]
"""The columns that identify a row of one entry."""


def check_entry(entry: Submission, baseline: pd.DataFrame) -> EntryFindings:
    """Yield errors and remarks about one entry; `baseline` is the result of `bicubic_scores`."""
    scores = entry.scores
    pixels = pixels_of(scores[["dataset", "image", "hr_sha256"]].itertuples(index=False, name=None))
    protocols = {name: get_protocol(name) for name in scores["protocol"].unique() if name in protocol_names()}
    yield from (("error", message) for message in dict.fromkeys(catalogue_errors(entry.record, pixels)))
    yield from _check_columns(scores, protocols)
    yield from _check_pixels(scores, protocols, pixels)
    yield from _check_lr(scores, baseline)
    yield from _check_costs(entry.record)
    yield from _check_heights(scores, baseline, protocols)


def bicubic_scores(entries: Sequence[Submission]) -> pd.DataFrame:
    """Return the scores of the `bicubic` entry with the highest verification; empty without such an entry."""
    candidates = [entry for entry in entries if entry.record.model.spec == "bicubic"]
    candidates.sort(key=lambda entry: (entry.level == "claimed", entry.id != "bicubic", entry.id))
    if not candidates:
        return pd.DataFrame(
            columns=[*ROW, "psnr", "psnr_lr", "hr_sha256", "lr_sha256", "lr_source", "verified"]
        ).set_index(ROW)
    best = candidates[0]
    return with_psnr(best.scores).assign(verified=best.level != "claimed").set_index(ROW)


def with_psnr(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the table with a column `psnr`: of Y, or of RGB under protocols that score RGB."""
    return scores.assign(psnr=scores["psnr_y"].fillna(scores["psnr_rgb"]))


def _check_columns(scores: pd.DataFrame, protocols: Mapping[str, Protocol]) -> EntryFindings:
    for name, protocol in protocols.items():
        rows = scores[scores["protocol"] == name]
        metrics = {column for column in scores.columns if column.startswith(("psnr_", "ssim_"))} - {"psnr_lr"}
        if other := [column for column in sorted(metrics - set(protocol.columns)) if rows[column].notna().any()]:
            yield "error", f"{name}: expected scores in {', '.join(protocol.columns)}, got {other[0]}"
        if missing := [column for column in protocol.columns if rows[column].isna().any()]:
            yield "note", f"{name}: {', '.join(missing)} missing on some images"


def _check_pixels(scores: pd.DataFrame, protocols: Mapping[str, Protocol], pixels: Pixels) -> EntryFindings:
    for dataset, rows in scores.groupby("dataset", sort=False):
        hashes = rows.groupby("image")["hr_sha256"].nunique()
        counts = rows.groupby(["scale", "protocol"])["image"].nunique()
        if (hashes > 1).any() or (counts != len(hashes)).any():
            yield "error", f"{dataset}: expected the same HR images in every run, got others"
        elif known_images(str(dataset)) and identify_variant(str(dataset), pixels[str(dataset)]) in _STRANGE:
            yield "review", f"{dataset}: its pixels are not a known variant of the set"
    keys = {name: f"{protocol.preparation.key}" for name, protocol in protocols.items()}
    lr = scores.assign(key=scores["protocol"].map(keys)).groupby(["dataset", "scale", "image", "key", "lr_source"])
    if (lr["lr_sha256"].nunique() > 1).any():
        yield "error", "expected one LR for protocols with the same preparation, got several"


def _check_lr(scores: pd.DataFrame, baseline: pd.DataFrame) -> EntryFindings:
    """Compare the LR that an entry states as made by the protocol with the LR of the bicubic entry on the same HR.

    MATLAB's given LR with mirrored border equals made LR. Given LR of an entry from before the column `lr_origin` may
    have the replicated border, so it is only reviewed.
    """
    others = baseline[baseline["lr_source"] == "made"][["hr_sha256", "lr_sha256", "verified"]].add_suffix("_bicubic")
    rows = scores.set_index(ROW).join(others, how="inner")
    differs = (rows["hr_sha256"] == rows["hr_sha256_bicubic"]) & (rows["lr_sha256"] != rows["lr_sha256_bicubic"])
    certain = (rows["lr_source"] == "made") | (rows["lr_origin"] == MATLAB[0])
    unsure = (rows["lr_source"] == "given") & rows["lr_origin"].isna()
    verified = rows["verified_bicubic"].fillna(False).astype(bool)
    what = "LR that is not what it says: another LR than bicubic's"
    yield from _flag(rows[differs & certain & verified], what, "error")
    yield from _flag(rows[differs & ((certain & ~verified) | unsure)], what)


def _check_costs(record: SubmissionRecord) -> EntryFindings:
    """Count the costs of a network that is not in the table of costs; other checks report unknown networks."""
    model = record.model
    try:
        facts = model_facts(model.spec, sorted({run.scale for run in record.runs}))
    except SrbenchError:
        return
    for name, stated in (("parameters", model.parameters), ("macs", model.macs)):
        if facts.get(name) is not None and stated != facts[name]:
            yield "error", f"model.{name}: stated as {stated}, but {model.spec} has {facts[name]}"


def _check_heights(scores: pd.DataFrame, baseline: pd.DataFrame, protocols: Mapping[str, Protocol]) -> EntryFindings:
    rows = with_psnr(scores[scores["protocol"].isin(list(protocols))]).set_index(ROW)
    others = baseline[["psnr", "psnr_lr", "hr_sha256", "lr_sha256", "lr_source"]].add_suffix("_bicubic")
    joined = rows.join(others)
    same = (joined["hr_sha256"] == joined["hr_sha256_bicubic"]) & (joined["lr_source"] == joined["lr_source_bicubic"])
    lost = joined["psnr_lr_bicubic"].where(same, TYPICAL_LR) - joined["psnr_lr"]
    lost_by_set = lost.groupby(level=["dataset", "scale", "protocol"]).transform("mean")
    # Infinity minus infinity is NaN; it counts as no gain.
    gain = (joined["psnr"] - joined["psnr_bicubic"]).where(same & (joined["psnr_bicubic"] != math.inf))
    yield from _flag(joined[joined["psnr"] > HIGHEST_PSNR], f"PSNR over {HIGHEST_PSNR:g} dB")
    yield from _flag(joined[gain > HIGHEST_GAIN], f"PSNR more than {HIGHEST_GAIN:g} dB over bicubic's")
    yield from _flag(
        joined[(lost > BELOW_LR_IMAGE) | (lost_by_set > BELOW_LR_MEAN)],
        f"psnr_lr far under bicubic's ({BELOW_LR_MEAN:g} dB on a set, {BELOW_LR_IMAGE:g} dB on an image)",
    )
    if lacking := sorted({f"{key[0]} ×{key[1]} under {key[2]}" for key in joined.index[~same]}):
        yield "note", f"not compared with bicubic, which has no entry here on the same images: {listed(lacking)}"


def _flag(rows: pd.DataFrame, what: str, severity: Severity = "review") -> EntryFindings:
    if not rows.empty:
        dataset, scale, protocol, image = rows.index[0]
        yield severity, f"{what} on {counted(len(rows), 'score')}, such as {dataset}/{image} ×{scale} under {protocol}"
