"""Measure what a model scores in every configuration, with as few forward passes as possible."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd

from srbench.claim_audit.configs import REFERENCE, ConfigScore, ScoringConfig, Subject
from srbench.claim_audit.variants import (
    FORMULA_VARIANTS,
    PIPELINE_VARIANTS,
    PIXEL_VARIANTS,
    FormulaVariant,
    PipelineVariant,
    PixelVariant,
    VariantSet,
)
from srbench.datasets.imageset import ImageSet, open_dataset
from srbench.datasets.pairs import given_pair
from srbench.errors import AuditError, DatasetError, ImageError
from srbench.evaluation import Plan, run
from srbench.protocols import MATLAB_PREPARATION, Protocol, get_protocol, protocol_names
from srbench.scores import RowId, mean, to_frame
from srbench.upscalers.base import AdapterKeywords, Options, Upscaler
from srbench.upscalers.image_folder import ImageFolderUpscaler
from srbench.upscalers.loading import open_upscaler
from srbench.upscalers.tensors import TensorUpscaler


class ClaimEvaluator:
    """Measure models, each configuration once.

    Configurations share forward passes: protocols with one preparation, protocols on given LR files that equal the LR
    made here, and images that a pixel variant does not change.

    Args:
        data_root: where datasets are stored, if not at `$SRBENCH_DATA` or the user's data folder.
        device: of the network, as in `Options`.
        adapters: fields of `Options` that adapt images to what the models take, and arguments of factories.
        report: is called with a line before each evaluation.
    """

    def __init__(
        self,
        *,
        data_root: Path | None = None,
        device: str = "auto",
        adapters: AdapterKeywords | None = None,
        report: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._root, self._report = data_root, report
        self._options = Options(device=device, **adapters or {})
        self._sets: dict[str, ImageSet] = {}
        self._grouped: dict[Subject, list[list[Protocol]]] = {}
        self._known: dict[tuple[Subject, str, bool, tuple[str, ...]], pd.DataFrame | None] = {}

    def plain(self, subject: Subject) -> list[ConfigScore]:
        """Return the scores under every protocol of the scale, on the pixels of the dataset on this machine.

        A protocol on given LR files is measured only if the dataset has such files. On LR that a model was not made
        for, its output may leave the range of images, and given files may be unsuitable: such protocols are reported
        and left out.
        """
        return [score for group in self._groups(subject) for score in self._scores(subject, group)]

    def variants(self, subject: Subject) -> list[ConfigScore]:
        """Return the scores of every variant that applies, under the protocols that crop HR and use MATLAB's LR.

        Formula variants also apply to real pairs.
        """
        found = [self._pipeline_score(subject, one) for one in PIPELINE_VARIANTS if one.model == subject.model]
        for group in self._groups(subject):
            if group[0].preparation == MATLAB_PREPARATION and self._has_pixel_variants(subject):
                applying = [one for one in PIXEL_VARIANTS if one.applies(self._images(subject), subject.scale)]
                made = [one for one in group if not get_protocol(one.name).preparation.ships_lr]
                found += [score for one in applying for score in self._scores(subject, made, variant=one)]
            found += [score for one in FORMULA_VARIANTS for score in self._formula_scores(subject, group, one)]
        return found

    def ensembles(self, subject: Subject, protocols: Iterable[Protocol]) -> list[ConfigScore]:
        """Return the scores with self-ensemble, which takes eight times as long; empty for a model that is not a
        network.
        """
        names = {protocol.name for protocol in protocols}
        if not names or not isinstance(self._upscaler(subject), TensorUpscaler):
            return []
        groups = [[one for one in group if one.name in names] for group in self._groups(subject)]
        return [score for group in groups if group for score in self._scores(subject, group, self_ensemble=True)]

    def _groups(self, subject: Subject) -> list[list[Protocol]]:
        """Return the protocols to measure, in groups that share their forward passes."""
        if subject not in self._grouped:
            groups = groupby(self._protocols(subject), key=lambda protocol: protocol.preparation)
            self._grouped[subject] = [list(group) for _, group in groups]
        return self._grouped[subject]

    def _protocols(self, subject: Subject) -> list[Protocol]:
        """Return the protocols to measure.

        Where given LR files equal the LR made here, the made LR is used instead of the files.
        """
        images, scale = self._images(subject), subject.scale
        given = scale in images.given_scales
        equal = given and _given_is_made(images, scale)
        found = []
        for protocol in map(get_protocol, protocol_names()):
            preparation = protocol.preparation
            if scale not in preparation.scales or (preparation.ships_lr and not given):
                continue
            # Pairs whose LR is MATLAB's bicubic of the HR were not photographed as pairs.
            if preparation.any_origin and (equal or not _all_multiples(images, scale)):
                continue
            shared = preparation.ships_lr and equal
            found.append(replace(protocol, preparation=MATLAB_PREPARATION) if shared else protocol)
        return found

    def _scores(
        self,
        subject: Subject,
        group: Sequence[Protocol],
        *,
        variant: PixelVariant | None = None,
        self_ensemble: bool = False,
    ) -> list[ConfigScore]:
        rows = self._rows(subject, group, variant=variant, self_ensemble=self_ensemble)
        name = variant.name if variant else ""
        configs = [ScoringConfig(get_protocol(protocol.name), name, self_ensemble) for protocol in group]
        return [] if rows is None else [_score(rows, config) for config in configs]

    def _formula_scores(
        self, subject: Subject, group: Sequence[Protocol], variant: FormulaVariant
    ) -> list[ConfigScore]:
        rows = self._rows(subject, group)
        if rows is None:
            return []
        changed = rows.copy()
        for column in ("psnr_y", "psnr_rgb"):
            changed[column] = changed[column].map(variant.psnr, na_action="ignore")
        configs = [ScoringConfig(get_protocol(one.name), variant.name) for one in group if _takes_formula(one.name)]
        return [replace(_score(changed, config), psnr_aliased=None) for config in configs]

    def _pipeline_score(self, subject: Subject, variant: PipelineVariant) -> ConfigScore:
        self._report(f"scoring {subject.model} ×{subject.scale} on {subject.dataset}: {variant.name}")
        images = self._images(subject)
        references = (MATLAB_PREPARATION.reference(images.hr(name), scale=subject.scale) for name in images.names)
        scores = [variant.score(reference, subject.scale) for reference in references]
        ssim = mean(pd.Series([similarity for _, similarity in scores], dtype="float64"))
        psnr = float(np.mean([value for value, _ in scores]))
        return ConfigScore(ScoringConfig(get_protocol(REFERENCE), variant.name), psnr, ssim, None)

    def _rows(
        self,
        subject: Subject,
        group: Sequence[Protocol],
        *,
        variant: PixelVariant | None = None,
        self_ensemble: bool = False,
    ) -> pd.DataFrame | None:
        """Return the score table of a group, measured once; None where the model or the LR files do not allow it."""
        names = tuple(protocol.name for protocol in group)
        key = subject, variant.name if variant else "", self_ensemble, names
        if key not in self._known:
            how = ", ".join(filter(None, (*names, key[1], "self-ensemble" * self_ensemble)))
            self._report(f"scoring {subject.model} ×{subject.scale} on {subject.dataset}: {how}")
            try:
                self._known[key] = self._measure(subject, group, variant, self_ensemble)
            except (ImageError, DatasetError) as error:
                if group[0].preparation == MATLAB_PREPARATION:
                    raise
                self._report(f"left out {how}: {error}")
                self._known[key] = None
        return self._known[key]

    def _measure(
        self, subject: Subject, group: Sequence[Protocol], variant: PixelVariant | None, self_ensemble: bool
    ) -> pd.DataFrame:
        images, kept = self._images(subject), pd.DataFrame()
        done: list[RowId] = []
        if variant is not None:
            plain = self._cropping_rows(subject)
            same = _unchanged(images, variant, subject.scale)
            kept = plain[plain["image"].isin(same) & plain["protocol"].isin([one.name for one in group])]
            images = VariantSet(images, variant)
            done = [(images.name, protocol.name, name) for protocol in group for name in same]
        plan = Plan(self._upscaler(subject, self_ensemble), [images], list(group))
        rows = to_frame([row for rows in run(plan, done=done) for row in rows])
        return pd.concat([frame for frame in (kept, rows) if len(frame)])

    def _cropping_rows(self, subject: Subject) -> pd.DataFrame:
        """Return the score table of the pixels at hand under the protocols that crop HR and use MATLAB's LR."""
        [group] = [one for one in self._groups(subject) if one[0].preparation == MATLAB_PREPARATION]
        rows = self._rows(subject, group)
        return pd.DataFrame() if rows is None else rows

    def _has_pixel_variants(self, subject: Subject) -> bool:
        finished = isinstance(self._upscaler(subject), ImageFolderUpscaler)
        return not finished and self._images(subject).variant == "canonical"

    def _images(self, subject: Subject) -> ImageSet:
        if subject.dataset not in self._sets:
            images = open_dataset(subject.dataset, data_root=self._root)
            if len(images) != images.n_expected:
                raise AuditError(
                    f"{subject.dataset}: expected all {images.n_expected} images that a claim is about, got "
                    f"{len(images)}; complete the set"
                )
            self._sets[subject.dataset] = images
        return self._sets[subject.dataset]

    def _upscaler(self, subject: Subject, self_ensemble: bool = False) -> Upscaler:
        options = replace(self._options, self_ensemble=self_ensemble)
        return open_upscaler(subject.model, scale=subject.scale, options=options)


def _takes_formula(name: str) -> bool:
    """Return whether formula variants apply to a protocol: if it crops HR or scores real pairs.

    Formula variants come from code for images in [0, 1], which does not round Y.
    """
    protocol = get_protocol(name)
    rounded = protocol.scoring.luma is not None and protocol.scoring.luma.rounded
    return not rounded and (protocol.preparation == MATLAB_PREPARATION or protocol.preparation.any_origin)


def _given_is_made(images: ImageSet, scale: int) -> bool:
    """Return whether every given LR has the pixels of the LR made here."""
    try:
        for name in images.names:
            hr, given = given_pair(images, name, images.hr(name), MATLAB_PREPARATION, scale=scale)
            if not np.array_equal(MATLAB_PREPARATION.degrade(hr, scale=scale), given):
                return False
    except DatasetError:
        return False
    return True


def _all_multiples(images: ImageSet, scale: int) -> bool:
    return not any(side % scale for name in images.names for side in images.hr_size(name))


def _unchanged(images: ImageSet, variant: PixelVariant, scale: int) -> list[str]:
    """Return the names of the images whose pixels a variant does not change, after they are cropped for the scale."""
    return [
        name
        for name in images.names
        for hr in [images.hr(name)]
        if np.array_equal(
            MATLAB_PREPARATION.reference(hr, scale=scale),
            MATLAB_PREPARATION.reference(variant.derive(hr), scale=scale),
        )
    ]


def _score(rows: pd.DataFrame, config: ScoringConfig) -> ConfigScore:
    own = rows[rows["protocol"] == config.protocol.name]
    psnr, ssim = (mean(own[column]) for column in config.protocol.columns[:2])
    if psnr is None:
        raise AuditError(f"{config}: expected a PSNR of every image, got one without")
    return ConfigScore(config, psnr, ssim, mean(own["psnr_y_aliased"]))
