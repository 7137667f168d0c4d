"""The options of `srbench train` as one table, from which the command line and `srbench.train` are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypedDict

from srbench.zoo.networks import FORMS


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option. `kind` converts its text to a value; a `flag` has no value, `many` may be repeated.

    `required` holds for a single training only, and `misuse` checks it: the file of a sweep sets most of these options.
    """

    name: str
    help: str
    kind: type = str
    default: str | int | None = None
    metavar: str | None = None
    choices: tuple[str, ...] = ()
    required: bool = False
    many: bool = False
    flag: bool = False

    @property
    def key(self) -> str:
        """The name of its value: `train_set` for `--train-set`."""
        return self.name.removeprefix("--").replace("-", "_")


class TrainValues(TypedDict):
    """The value of each option. None stands for an option that is not given."""

    model: str
    factory_arg: Sequence[str] | None
    scale: int | None
    scales: str | None
    recipe: str
    train_set: str
    form: Literal["authors", "paper", "unit"] | None
    output: Path
    seed: int
    start: Path | None
    init: str | None
    init_scale: int | None
    init_strict: bool
    steps: int | None
    time_limit: str | None
    set: Sequence[str] | None
    data_root: Path | None
    device: str
    accumulate: int
    layout: str
    compile: bool
    graphs: bool
    checkpoint_every: int | None
    recipe_help: bool
    log_every: int | None
    track: str | None
    sweep: Path | None
    jobs: int
    pack: Path | None
    pack_size: str
    pack_total: str | None
    unpack: Path | None
    snapshot: Sequence[int] | None


OPTIONS = (
    Option(
        name="--model",
        help="A network of the zoo, plain or with attention (imdn, rcan-bam, …), or your own code.",
        metavar="NAME|python:FILE.py:factory",
        required=True,
    ),
    Option(
        name="--factory-arg",
        help="An argument of a python: factory: a JSON number, true, false, null, or text.",
        metavar="KEY=VALUE",
        many=True,
    ),
    Option(name="--scale", help="The scale: 2, 3 or 4.", kind=int, metavar="N", required=True),
    Option(
        name="--scales",
        help="Train several scales in one file, such as 2,3,4: for CARN and CARN-M, in place of --scale.",
        metavar="N,N",
    ),
    Option(
        name="--recipe",
        help="A recipe that ships with the package, or a file of your own.",
        metavar="NAME|FILE.toml",
        required=True,
    ),
    Option(
        name="--train-set",
        help="A dataset, a folder under the data root, or a path.",
        metavar="NAME|DIR",
        required=True,
    ),
    Option(
        name="--form",
        help="How the network computes inside: as its authors run it, at value range 1 (unit), or as the BAM paper's "
        "code runs it. Default: the form of the weights it starts from, else unit.",
        choices=FORMS,
    ),
    Option(
        name="--output",
        help="Folder for weights, record, log and curves; the same command resumes a training.",
        kind=Path,
        metavar="DIR",
        required=True,
    ),
    Option(
        name="--seed", help="Seed of the first weights and of the order of patches.", kind=int, default=0, metavar="N"
    ),
    Option(
        name="--start",
        help="The folder of a finished training of this network, which this training continues as a second stage.",
        kind=Path,
        metavar="DIR",
    ),
    Option(
        name="--init",
        help="Start from other weights by transfer: what fits by name and shape is taken, the rest is initialised.",
        metavar="zoo:NAME@TAG|FILE|DIR",
    ),
    Option(name="--init-scale", help="The scale of the weights in --init.", kind=int, metavar="N"),
    Option(name="--init-strict", help="Refuse weights unless all tensors fit.", flag=True),
    Option(
        name="--steps",
        help="The number of steps, in place of the recipe's; short for --set steps=N.",
        kind=int,
        metavar="N",
    ),
    Option(
        name="--time-limit",
        help="Train as many steps as are finished in this time (90s, 9m, 1h30m), in place of the recipe's.",
        metavar="DURATION",
    ),
    Option(
        name="--set",
        help="Change a value of the recipe, which also changes its name and hash.",
        metavar="KEY=VALUE",
        many=True,
    ),
    Option(name="--data-root", help="The folder of the datasets; default $SRBENCH_DATA.", kind=Path, metavar="DIR"),
    Option(
        name="--device",
        help="auto, cpu, cuda or cuda:N; with torchrun each process uses a different GPU.",
        default="auto",
        metavar="NAME",
    ),
    Option(
        name="--accumulate",
        help="Compute each batch in N parts: less memory, the same training.",
        kind=int,
        default=1,
        metavar="N",
    ),
    Option(
        name="--layout",
        help="Memory layout of tensors.",
        default="channels-last",
        choices=("channels-last", "contiguous"),
    ),
    Option(name="--compile", help="Use torch.compile.", flag=True),
    Option(name="--graphs", help="Replay steps as CUDA graphs: on a GPU, without launching each kernel.", flag=True),
    Option(name="--checkpoint-every", help="Steps between checkpoints; default: one a minute.", kind=int, metavar="N"),
    Option(name="--recipe-help", help="Print the keys of a recipe, and train nothing.", flag=True),
    Option(
        name="--log-every", help="Steps between two printed lines; default: one line a minute.", kind=int, metavar="N"
    ),
    Option(
        name="--track",
        help="Also show loss, held-out scores and images there (extra tracking).",
        choices=("tensorboard",),
    ),
    Option(
        name="--sweep",
        help="Train networks × scales × seeds, as this file lists them with recipe and train_set.",
        kind=Path,
        metavar="FILE.toml",
    ),
    Option(
        name="--jobs",
        help="With --sweep: the number of trainings at a time, each in a separate process.",
        kind=int,
        default=1,
        metavar="N",
    ),
    Option(
        name="--pack",
        help="Also write each finished training into this folder, in pieces, for machines that return small files.",
        kind=Path,
        metavar="DIR",
    ),
    Option(name="--pack-size", help="The largest size of a piece, such as 16MiB.", default="16MiB", metavar="SIZE"),
    Option(
        name="--pack-total",
        help="The largest size of all pieces; weights are then packed in float16, with record and log alone.",
        metavar="SIZE",
    ),
    Option(name="--unpack", help="Join the pieces of a --pack in --output; train nothing.", kind=Path, metavar="DIR"),
    Option(
        name="--snapshot",
        help="Also keep the weights at this percentage of the steps, 1 to 100.",
        kind=int,
        metavar="PERCENT",
        many=True,
    ),
)
"""Every option of the command, in the order of its help page."""


def recipe_settings(values: TrainValues) -> list[str]:
    """Return the `KEY=VALUE` settings with which options change a recipe."""
    return [*(values["set"] or ()), *([f"steps={values['steps']}"] if values["steps"] is not None else [])]


def misuse(values: Mapping[str, object]) -> str:
    """Return what is wrong with the values: missing options, or options that a sweep's file sets; empty if they are
    valid.
    """
    if values["recipe_help"]:
        return ""
    if values["unpack"] is not None:
        return "" if values["output"] is not None else "missing --output, the folder to unpack to"
    if values["pack"] is None and values["pack_total"] is not None:
        return "--pack-total: give --pack, too"
    if values["sweep"] is None:
        given = {**values, "scale": values["scale"] or values["scales"]}
        missing = [option.name for option in OPTIONS if option.required and given[option.key] is None]
        if missing:
            return f"missing {', '.join(missing)}, or --sweep and --output"
        if values["scale"] and values["scales"]:
            return "--scale, --scales: give one of them"
        if values["time_limit"] and values["steps"] is not None:
            return "--steps: with --time-limit the time decides"
        return "" if values["jobs"] == 1 else "--jobs: for the trainings of a --sweep; torchrun spreads a single one"
    if values["output"] is None:
        return "missing --output, the folder for the folders of the trainings"
    twice = [option.name for option in OPTIONS if option.key in _IN_SWEEPS and values[option.key]]
    return f"{', '.join(twice)}: with --sweep its file says that" if twice else ""


_IN_SWEEPS = (
    "model",
    "factory_arg",
    "scale",
    "scales",
    "recipe",
    "train_set",
    "seed",
    "start",
    "init",
    "init_scale",
    "steps",
    "set",
)
