"""The versioned schema of `submission.json` and `verification.json`, and the same as JSON Schema."""

from __future__ import annotations

import json
from typing import Any

from srbench.files import SHA256
from srbench.submissions.kinds import (
    Day,
    Fields,
    Flag,
    Kind,
    Link,
    Maybe,
    Named,
    Number,
    OneOf,
    Pattern,
    Several,
    Text,
    Time,
    Whole,
)

SCHEMA_VERSION = 1
"""Version of `submission.json`; grows whenever a field is added, dropped or means something else."""

LEVELS = ("claimed", "images-rescored", "model-rerun")
"""What is known about an entry's scores, from least to most."""

ID = Pattern(r"[a-z0-9][a-z0-9.-]{0,63}", "an id of 1 to 64 characters a-z 0-9 . - starting with a letter or digit")
"""An entry's id, which is also its folder's and its page's name."""

NAME = Pattern(
    r"[A-Za-z0-9_](?:[A-Za-z0-9_+()-]|[. ](?=[A-Za-z0-9_+()-])){0,99}",
    "a name of 1 to 100 letters, digits and _ + ( ) - with single dots or blanks inside",
)
"""A dataset's or an image's name: no slash, no leading or double dot, so that it stays a name as part of a path."""

_SHA256 = Pattern(SHA256.pattern, "a SHA-256 in 64 lower-case hexadecimal digits")
_SCALE = OneOf((2, 3, 4, 8))
_SCALE_NAME = Pattern("[2348]", "a scale, 2, 3, 4 or 8")
MODEL_SPEC = 200
_SPEC = Pattern(
    rf"[A-Za-z0-9][A-Za-z0-9_.:@+ -]{{0,{MODEL_SPEC - 1}}}", "a model spec without a path, such as zoo:imdn@authors"
)
_COUNT = Whole(0, 10**12)
_PSNR = Number(-100, 200, infinity=True)
_SSIM = Number(-1, 1)
_LR = OneOf(("made", "given", "any"))
MAX_IMAGES = 10_000
MODEL_NAME = 100
MODEL_SOURCE = 400
TRAINING_FACT = 300
_VALUE = Text(300)


def by_scale(kind: Kind) -> Named:
    """One value for each scale, by the scale's digit."""
    return Named(_SCALE_NAME, kind, most=4, fewest=1)


_PAPER = Fields({"title": Text(300), "url": Maybe(Link()), "year": Maybe(Whole(1990, 2100))})

_MODEL = Fields(
    {
        "spec": _SPEC,
        "name": Text(MODEL_NAME),
        "network": Maybe(NAME),
        "attention": Maybe(NAME),
        "tag": Maybe(NAME),
        "parameters": Maybe(by_scale(_COUNT)),
        "macs": Maybe(by_scale(Whole(0, 10**16))),
        "source": Maybe(Text(MODEL_SOURCE)),
        "weights_licence": Maybe(Text(100)),
    }
)

_TRAINING = Fields(
    {
        "data": Text(TRAINING_FACT),
        "recipe": Maybe(Text(TRAINING_FACT)),
        "recipe_sha256": Maybe(_SHA256),
        "fingerprint": Maybe(_SHA256),
        "steps": Maybe(Whole(0, 10**10)),
        "seed": Maybe(Whole(0, 2**63)),
        "tag": Maybe(NAME),
    },
    # Left out for the authors' form, so that entries from before there were forms stay valid.
    optional={"form": OneOf(("unit", "paper"))},
)

_RUNTIME = Fields(
    {
        "device": Text(200),
        "size": Several(Whole(1, 100_000), most=2, fewest=2),
        "fps": Maybe(by_scale(Number(0, 1e9))),
        "seconds_per_image": Maybe(by_scale(Number(0, 1e7))),
    }
)

_OPTIONS = Fields(
    {
        "precision": OneOf(("fp32", "bf16", "fp16")),
        "tile": Maybe(Whole(1, 100_000)),
        "self_ensemble": Flag(),
        "optimise": Pattern("[a-z]{1,20}", "one lower-case word"),
        "lr_source": _LR,
    }
)

_CLAIM = Fields(
    {
        "scale": _SCALE,
        "dataset": NAME,
        "psnr": Number(0, 100),
        "ssim": Maybe(_SSIM),
        "source": Text(300),
    }
)

ENVIRONMENT = Fields(
    {
        "srbench": Maybe(_VALUE),
        "python": Maybe(_VALUE),
        "libraries": Named(NAME, _VALUE, most=50),
        "system": Maybe(_VALUE),
        "processor": Maybe(_VALUE),
        "cores": Maybe(Whole(0, 100_000)),
        "threads": Maybe(Whole(0, 100_000)),
        "device": Maybe(_VALUE),
    }
)
"""What a run or a verification ran on: the fields of `srbench.environment.describe_environment`."""

_PROTOCOL = Fields({"version": Whole(1, 1000), "summary": Text(300), "lr_source": _LR})

_DATASET = Fields(
    {
        "fingerprint": _SHA256,
        "variant": Text(100),
        "n": Whole(1, MAX_IMAGES),
        "n_expected": Whole(1, MAX_IMAGES),
    }
)

_MEAN = Fields(
    {
        "dataset": NAME,
        "protocol": NAME,
        "psnr": _PSNR,
        "ssim": Maybe(_SSIM),
        "psnr_lr": Maybe(_PSNR),
    }
)

_RUN = Fields(
    {
        "scale": _SCALE,
        "weights_sha256": Maybe(_SHA256),
        "images_sha256": Maybe(_SHA256),
        "protocols": Named(NAME, _PROTOCOL, most=20, fewest=1),
        "datasets": Named(NAME, _DATASET, most=50, fewest=1),
        "means": Several(_MEAN, most=1000, fewest=1),
        "environment": ENVIRONMENT,
        "started": Time(),
        "seconds": Number(0, 1e9),
    }
)

SUBMISSION = Fields(
    {
        "schema_version": OneOf((SCHEMA_VERSION,)),
        "id": ID,
        "title": Text(120),
        "authors": Several(Text(100), most=200),
        "paper": Maybe(_PAPER),
        "code": Maybe(Link()),
        "license": Maybe(Text(100)),
        "date": Day(),
        "model": _MODEL,
        "training": Maybe(_TRAINING),
        "runtime": Maybe(_RUNTIME),
        "options": _OPTIONS,
        "claims": Several(_CLAIM, most=200),
        "footnotes": Several(Text(1000), most=20),
        "runs": Several(_RUN, most=100, fewest=1),
        "scores_sha256": _SHA256,
    }
)
"""`submission.json`: one model with one set of options, over one or more scales, datasets and protocols.

`training.fingerprint` is of the training images' pixels; equal recipes, data, steps and seeds make trainings alike.
`parameters`, `macs` (for an LR of 360×240 pixels) and the times of `runtime` (for an LR of `size` = height, width) are
by scale. `means` are PSNR in dB and SSIM over each dataset, recomputed from the table whenever an entry is checked.
"""

ABOUT = Fields(
    {
        name: SUBMISSION.fields[name]
        for name in (
            "title",
            "authors",
            "paper",
            "code",
            "license",
            "date",
            "training",
            "runtime",
            "claims",
            "footnotes",
        )
    }
)
"""The part of `submission.json` that its author writes; everything else comes from the runs."""

VERIFICATION_VERSION = 2
"""Version of `verification.json`; version 1 says nothing of samples."""

_DEVIATION = Fields({"psnr": Maybe(Number(0, 1e6)), "ssim": Maybe(Number(0, 2))})

VERIFICATION = Fields(
    {
        "schema_version": OneOf((1, VERIFICATION_VERSION)),
        "id": ID,
        "level": OneOf(LEVELS[1:]),
        "date": Day(),
        "rows": Whole(1, 10**6),
        "largest_deviation": _DEVIATION,
        "tolerance": Text(400),
        "checked_sha256": _SHA256,
        "samples_sha256": Maybe(_SHA256),
        "environment": ENVIRONMENT,
    }
)
"""`verification.json`: what a re-scoring or re-run found, and the hashes of the entry that it was found on.

`samples_sha256` is null where the samples were not made again.
"""

VERIFIED = Fields(
    {
        "schema_version": OneOf((SCHEMA_VERSION,)),
        "entries": Named(ID, Fields({"level": OneOf(LEVELS[1:]), "sha256": _SHA256}), most=100_000),
    }
)
"""`verified.json`, the maintainers' list beside the entries: the level and the hash of each `verification.json`."""


def json_schema() -> str:
    """The JSON Schema (draft 2020-12) of `submission.json`, as text."""
    document: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A submission to the srbench leaderboard",
        "description": "One model with one set of options; written by `srbench submit`, checked more strictly by "
        "`srbench leaderboard check`.",
        **SUBMISSION.schema(),
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
