"""Zoo networks as the hub stores them: a folder with `config.json` and `model.safetensors`."""

from __future__ import annotations

import json
from pathlib import Path

from srbench.errors import WeightsError
from srbench.files import write_atomic
from srbench.zoo.checkpoints import LoadedNetwork, load
from srbench.zoo.conversion import convert

CONFIG_NAME, WEIGHTS_NAME = "config.json", "model.safetensors"
"""File names that the hub and its clients use."""


def save_pretrained(name: str, folder: Path | str, *, scale: int, tag: str | None = None) -> Path:
    """Write a network with its weights as a folder that can be uploaded to the hub; return the folder.

    Args:
        name: network of the zoo.
        folder: gets `config.json` and `model.safetensors`; existing ones are replaced.
        scale: output size over input size.
        tag: weights tag, or a weights file; default as in `load`.

    Raises:
        UnknownNameError, WeightsError, FetchError: as `load`.

    Examples:
        >>> save_pretrained("imdn", "imdn-x4", scale=4)  # doctest: +SKIP
    """
    loaded = load(name, tag=tag, scale=scale)
    options = loaded.entry.options if loaded.entry else None
    made = convert(loaded.weights_file, Path(folder) / WEIGHTS_NAME, network=name, scale=scale, options=options)
    config = {"library_name": "srbench", "network": name, "scale": scale, "options": made.record["options"]}
    write_atomic(Path(folder) / CONFIG_NAME, json.dumps(config, indent=2) + "\n", error=WeightsError)
    return Path(folder)


def from_pretrained(folder: Path | str) -> LoadedNetwork:
    """Load a network from a folder of `save_pretrained`, such as a local copy of a repository of the hub.

    No code of the folder is run.

    Raises:
        WeightsError: a missing or damaged file, or weights that do not fit the network.
        UnknownNameError: a network that the zoo does not have.
    """
    path = Path(folder) / CONFIG_NAME
    try:
        config = json.loads(path.read_text("utf-8"))
        name, scale = config["network"], config["scale"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise WeightsError(
            f"{path}: expected a JSON object with network and scale, got {type(error).__name__}: {error}; "
            "write the folder with srbench.zoo.save_pretrained"
        ) from error
    if not isinstance(name, str) or type(scale) is not int:
        raise WeightsError(f"{path}: expected a name and an integer scale, got {name!r} and {scale!r}; correct them")
    return load(name, scale=scale, file=Path(folder) / WEIGHTS_NAME)
