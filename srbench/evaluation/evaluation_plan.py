"""The plan of one evaluation: its sets, protocols and model, and the forward passes that they need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from srbench.datasets.imageset import ImageSet, distinct_sets
from srbench.datasets.lr_origins import given_origins, lr_files_sha256, require_matlab
from srbench.datasets.lrcheck import MATLAB, LrOrigin
from srbench.errors import ProtocolError
from srbench.evaluation.image_warnings import Findings
from srbench.lr_diagnosis import MOST_IMAGES
from srbench.metrics.metric_entries import Metric
from srbench.protocols import LrSource, Preparation, Protocol
from srbench.scores import Key, RowId
from srbench.upscalers.base import Upscaler
from srbench.upscalers.tensors import pick_device

if TYPE_CHECKING:
    from srbench.metrics.metric_entries import Compute


@dataclass(frozen=True)
class Plan:
    """Everything that decides the numbers of an evaluation. Repeated sets and protocols are dropped.

    Raises:
        DatasetError: two different sets of one name.
        ProtocolError: no set or no protocol, or a protocol that does not allow this scale or LR source.
        MetricError: a metric that the protocol computes with every score.
    """

    upscaler: Upscaler
    sets: Sequence[ImageSet]
    protocols: Sequence[Protocol]
    lr: LrSource = "made"
    save_images: Path | None = None
    metrics: Sequence[Metric] = ()
    findings: Findings = field(default_factory=Findings, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not self.sets or not self.protocols:
            raise ProtocolError("expected at least one dataset and one protocol, got none")
        object.__setattr__(self, "sets", distinct_sets(self.sets))
        object.__setattr__(self, "protocols", list(dict.fromkeys(self.protocols)))
        object.__setattr__(self, "metrics", list(dict.fromkeys(self.metrics)))
        for metric in self.metrics:
            metric.require_loadable()
        for protocol in self.protocols:
            protocol.preparation.require_scale(self.upscaler.scale)
            protocol.preparation.lr_source(self.lr)
        if self.save_images and len({self.source_key(protocol) for protocol in self.protocols}) > 1:
            raise ProtocolError(
                "--save-images: expected protocols that share one preparation, got "
                f"{', '.join(protocol.name for protocol in self.protocols)}; they give different SR "
                "images of one name, so save them in separate runs"
            )

    def lr_source(self, protocol: Protocol) -> LrSource:
        """Return the LR source of a protocol; a protocol that is defined on the dataset's LR files always uses them."""
        return protocol.preparation.lr_source(self.lr)

    @cached_property
    def lr_origins(self) -> dict[str, dict[str, LrOrigin]]:
        """The origin of each LR file by dataset and image; empty if no LR files are used.

        Raises DatasetError where a file is missing, does not pair with its HR, or is "given" and not MATLAB's.
        """
        sources = {self.lr_source(protocol) for protocol in self.protocols} - {"made"}
        if not sources:
            return {}
        scale = self.upscaler.scale
        found = {dataset.name: given_origins(dataset, scale=scale) for dataset in self.sets}
        if "given" in sources:
            for dataset in self.sets:
                require_matlab(dataset, found[dataset.name], scale=scale)
        return found

    @cached_property
    def loaded_metrics(self) -> dict[str, Compute]:
        """The functions of the metrics, by name, on the run's device. Raises MetricError where weights are missing."""
        device = pick_device(self.upscaler.options.device)
        return {metric.name: metric.load(device) for metric in self.metrics}

    def source_key(self, protocol: Protocol) -> tuple[str, LrSource]:
        """The key of a preparation and LR source. Protocols with equal keys share one forward pass."""
        return protocol.preparation.key, self.lr_source(protocol)

    def details(self) -> dict[str, object]:
        """Further facts about the upscaler for the record."""
        images = [(dataset.name, name) for dataset in self.sets for name in dataset.names]
        return {**self.upscaler.identity.details, **self.upscaler.details_of(images)}

    def warnings(self) -> dict[str, dict[str, list[str]]]:
        """Return the warnings about the scores, by dataset and protocol."""
        found: dict[str, dict[str, list[str]]] = {}
        for dataset in self.sets:
            images = [(dataset.name, name) for name in dataset.names]
            remarks = self.upscaler.remarks_on(images)
            for protocol in self.protocols:
                if lines := [*self.findings.warnings((dataset.name, protocol.name)), *remarks]:
                    found.setdefault(dataset.name, {})[protocol.name] = lines
        return found

    def key(self) -> Key:
        """The key of the run: two evaluations with equal keys are the same run."""
        identity, details, options = self.upscaler.identity, self.details(), self.upscaler.options
        # Left out if it is empty, so that keys of earlier runs without it stay equal.
        source = {name: value for name, value in details.items() if name == "source_sha256"}
        return {
            "model": identity.spec,
            "weights_sha256": identity.weights_sha256,
            **source,
            "images_sha256": details.get("images_sha256"),
            "scale": self.upscaler.scale,
            "protocols": {protocol.name: protocol.version for protocol in self.protocols},
            "datasets": {dataset.name: dataset.fingerprint for dataset in self.sets},
            "lr": self.lr,
            "precision": options.precision,
            "tile": options.tile,
            "self_ensemble": options.self_ensemble,
            "optimise": options.optimise,
            **({"form": options.form} if options.form else {}),
            **options.adapter_facts(),
            **({"metrics": {metric.name: metric.version for metric in self.metrics}} if self.metrics else {}),
            **self._lr_files(),
        }

    def _lr_files(self) -> Key:
        """Return the hashes of the LR files if they differ from the LR that the protocol makes.

        It is empty where they equal that LR, so that keys of earlier runs stay equal.
        """
        kinds = {origin.kind for origins in self.lr_origins.values() for origin in origins.values()}
        if self.lr != "any" and kinds <= {MATLAB[0]}:
            return {}
        scale = self.upscaler.scale
        return {"lr_files_sha256": {dataset.name: lr_files_sha256(dataset, scale=scale) for dataset in self.sets}}


@dataclass(frozen=True)
class Task:
    """One forward pass: an image, its preparation, and the protocols that score it (empty if SR is only saved).

    `examined`: the SR image is also searched for mistakes that explain a low `psnr_lr`.
    """

    dataset: ImageSet
    name: str
    preparation: Preparation
    protocols: tuple[Protocol, ...]
    lr: LrSource
    examined: bool = False


def count_forward_passes(plan: Plan, done: Iterable[RowId] = (), elsewhere: Iterable[RowId] = ()) -> int:
    """Return the number of forward passes that `run` will make."""
    return sum(1 for _ in tasks_of(plan, frozenset(done), frozenset(elsewhere)))


def row_ids(plan: Plan) -> list[RowId]:
    """Return the ids of all rows of a finished evaluation, in the order in which `run` yields them."""
    return [
        (task.dataset.name, protocol.name, task.name)
        for task in tasks_of(plan, frozenset(), frozenset())
        for protocol in task.protocols
    ]


def tasks_of(plan: Plan, done: frozenset[RowId], elsewhere: frozenset[RowId]) -> Iterator[Task]:
    """Yield the forward passes of a plan in order, without those whose rows are all in `done` or `elsewhere`."""
    groups: dict[tuple[str, LrSource], list[Protocol]] = {}
    for protocol in plan.protocols:
        groups.setdefault(plan.source_key(protocol), []).append(protocol)
    for dataset in plan.sets:
        for (_, lr), members in groups.items():
            left = MOST_IMAGES
            for name in dataset.names:
                own = [member for member in members if (dataset.name, member.name, name) not in elsewhere]
                missing = tuple(member for member in own if (dataset.name, member.name, name) not in done)
                if missing or (own and plan.save_images and not saved_path(plan.save_images, dataset, name).exists()):
                    yield Task(dataset, name, own[0].preparation, missing, lr, examined=bool(missing) and left > 0)
                    left -= bool(missing)


def saved_path(folder: Path, dataset: ImageSet, name: str) -> Path:
    """Return the file in which `--save-images` stores an SR image."""
    return folder / dataset.name / f"{name}.png"
