"""Register one entry of each kind with srbench."""

from __future__ import annotations

from srbench.datasets.catalogue import CATALOGUE, DatasetEntry, Split
from srbench.metrics.metric_entries import METRICS, Metric
from srbench.protocols import MATLAB_PREPARATION, Protocol, Scoring
from srbench.protocols.registry import PROTOCOLS
from srbench.upscalers.loading import UPSCALERS
from srbench.zoo.networks import NETWORKS, Network
from srbench_example.nearest import open_nearest

NETWORKS.register(
    "thin",
    Network(
        name="thin",
        title="Thin",
        module="srbench_example.thin:Thin",
        source="examples/srbench-example-plugin",
        citation="none: it is an example",
        value_range=1.0,
        slot="after the body",
        slot_channels=16,
        options={"channels": 16},
    ),
)

METRICS.register(
    "mean_error",
    Metric(
        name="mean_error",
        version=1,
        direction="lower",
        title="Mean error",
        unit="",
        digits=3,
        needs_hr=True,
        convention="mean absolute difference of 8-bit RGB, whole image",
        source="examples/srbench-example-plugin",
        factory="srbench_example.mean_error:load",
    ),
)

PROTOCOLS.register(
    "example-rounded-rgb",
    Protocol(
        "example-rounded-rgb",
        1,
        "crop, MATLAB bicubic LR, 8-bit output, RGB, shave = scale",
        MATLAB_PREPARATION,
        Scoring(rounded=True, channels="rgb", luma=None),
    ),
)

CATALOGUE.register(
    "ExampleSet",
    DatasetEntry(
        name="ExampleSet",
        title="a set of an example plugin",
        citation="none: it is an example",
        licence="that of your images",
        access="put images into ROOT/ExampleSet/HR",
        splits=(Split("test", None),),
        default_split="test",
    ),
)

UPSCALERS.register("nearest", open_nearest)
