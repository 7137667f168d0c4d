"""Make the record of an evaluation: its model, data, options and environment."""

from __future__ import annotations

import torch

from srbench.datasets.lr_origins import count_kinds
from srbench.environment import describe_environment
from srbench.evaluation.evaluation_plan import Plan
from srbench.evaluation.probe import Probe
from srbench.plugins import loaded_plugins
from srbench.scores import SCHEMA_VERSION, Record


def describe(plan: Plan, device: torch.device, *, started: str, seconds: float, probe: Probe | None = None) -> Record:
    """The record of an evaluation: everything needed to make its numbers again, ready for JSON.

    Args:
        device: where the network ran.
        started: UTC time in ISO 8601.
        seconds: wall-clock time of this (last) session of the run.
        probe: the model's output on the probe images, where it has one.
    """
    origins = {dataset: count_kinds(found) for dataset, found in plan.lr_origins.items()}
    warnings = plan.warnings()
    metrics = {metric.name: {"version": metric.version, "direction": metric.direction} for metric in plan.metrics}
    identity, options = plan.upscaler.identity, plan.upscaler.options
    return {
        "schema_version": SCHEMA_VERSION,
        "model": {
            "spec": identity.spec,
            "weights_sha256": identity.weights_sha256,
            "parameters": identity.parameters,
            **plan.details(),
        },
        "scale": plan.upscaler.scale,
        "protocols": {
            protocol.name: {
                "version": protocol.version,
                "summary": protocol.summary,
                "lr_source": plan.lr_source(protocol),
            }
            for protocol in plan.protocols
        },
        "lr_source": plan.lr,
        **({"lr_origins": origins} if origins else {}),
        "datasets": {
            dataset.name: {
                "fingerprint": dataset.fingerprint,
                "variant": dataset.variant,
                "n": len(dataset.names),
                "n_expected": dataset.n_expected,
            }
            for dataset in plan.sets
        },
        **({"warnings": warnings} if warnings else {}),
        **({"metrics": metrics} if metrics else {}),
        **({"plugins": plugins} if (plugins := loaded_plugins()) else {}),
        "precision": options.precision,
        "tile": options.tile,
        "self_ensemble": options.self_ensemble,
        "optimise": options.optimise,
        **options.adapter_facts(),
        "images_at_once": plan.upscaler.images_at_once,
        **({"probe": probe.to_json()} if probe else {}),
        "seed": None,  # nothing in an evaluation is random
        "environment": describe_environment(device),
        "started": started,
        "seconds": round(seconds, 3),
    }
