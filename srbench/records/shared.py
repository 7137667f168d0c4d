"""Parts that several kinds of records have in common: environment, protocols, datasets, adapters and the probe."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from srbench.records.fields import Count, ImageCount, LrSourceName, Name, OneOf, Sha256, Text, Whole
from srbench.records.record_model import Items, RecordModel

ShortText = Annotated[str, Text(300)]
Scalar = bool | int | float | ShortText
"""A value of an option: a truth value, a number or a text."""
Plugins = dict[Name, ShortText]
"""By name, the version of each plugin that was loaded."""


class EnvironmentFacts(RecordModel):
    """The environment of a run, a training or a verification, from `srbench.environment.describe_environment`."""

    srbench: ShortText | None
    python: ShortText | None
    libraries: dict[Name, ShortText]
    system: ShortText | None
    processor: ShortText | None
    cores: Annotated[int, Whole(0, 100_000)] | None
    threads: Annotated[int, Whole(0, 100_000)] | None
    device: ShortText | None
    processor_features: Items[ShortText] = ()


class ProtocolFacts(RecordModel):
    """One protocol of a run: its version, what it does in a sentence, and which LR it got."""

    version: Annotated[int, Whole(1, 1000)]
    summary: ShortText
    lr_source: LrSourceName


class DatasetFacts(RecordModel):
    """One dataset of a run: the hash and the name of its pixels, and how many of its images were scored."""

    fingerprint: Sha256
    variant: Annotated[str, Text(100)]
    n: ImageCount
    n_expected: ImageCount


LrOrigins = dict[Name, dict[ShortText, Count]]
"""By dataset and by origin of the LR: the number of images."""


class AdapterFacts(RecordModel):
    """How images are adapted to what a network takes; only what differs from the default is written."""

    pad: Annotated[int, Whole(2, 1024)] = 1
    range: Annotated[int, OneOf((255, -1))] = 1
    bgr: bool = False
    luma: bool = False
    pre_upsample: bool = False
    output_name: ShortText | None = None
    factory_args: dict[Name, Scalar | dict[Name, ShortText] | None] = Field(
        default_factory=dict, description="A file or folder is an object of its name and hash."
    )


class ProbeFacts(RecordModel):
    """The output of the model for two small fixed images: its hash, and some of its values (None: refused image)."""

    sha256: Sha256
    values: Items[Items[float] | None]
    deterministic: bool
    device: ShortText
    versions: dict[Name, ShortText]


class MetricFacts(RecordModel):
    """A metric of a run: its version, and whether higher or lower values are better."""

    version: Annotated[int, Whole(1, 1000)]
    direction: Annotated[str, OneOf(("higher", "lower"))]
