"""`srbench.evaluate`, and the result of an evaluation."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Unpack

import pandas as pd
from torch import nn

from srbench.arguments import names_of
from srbench.datasets.imageset import ImageSet, available_datasets, open_dataset
from srbench.datasets.pairs import with_lr_folder
from srbench.errors import DatasetError
from srbench.evaluation import Plan, as_metrics
from srbench.evaluation.probe import Probe, require_same_model
from srbench.journal import Row
from srbench.protocols import LrSource, get_protocol
from srbench.runs import execute
from srbench.score_output import ScoreTable, random_warning, score_warnings
from srbench.scores import Record, RunFolder, to_frame
from srbench.summaries import ProtocolSummary, summarise
from srbench.upscalers.base import OptionKeywords, Options, Upscaler, chosen_options
from srbench.upscalers.loading import as_upscaler
from srbench.upscalers.tensors import preserve_module_state

_SHOWN_FIRST = ("n", "n_expected", "psnr_y", "ssim_y", "psnr_rgb", "ssim_rgb", "psnr_y_aliased", "psnr_lr")
_ADDED_BY_A_FOLDER = ("key", "scores_sha256", "crc32")


@dataclass(frozen=True, eq=False, repr=False)
class Result:
    """The scores of one model at one scale on datasets under protocols, with the record of how they were made.

    Attributes:
        rows: the scores as plain values, one mapping per image and protocol. `save` writes these.
        record: model, weights, datasets, protocols, options and environment, ready for JSON.
        protocols: the names of the protocols, in the order in which they were requested.
    """

    rows: tuple[Row, ...]
    record: Record
    protocols: tuple[str, ...]

    @cached_property
    def scores(self) -> pd.DataFrame:
        """The score table: one row per image and protocol, with the columns of `srbench.scores.SCHEMA`."""
        return to_frame(list(self.rows))

    @cached_property
    def summaries(self) -> list[ProtocolSummary]:
        """The means by dataset, one summary per protocol."""
        return [summarise(self.scores, self.record, name, get_protocol(name).columns) for name in self.protocols]

    @property
    def means(self) -> pd.DataFrame:
        """The mean of each metric, one row per dataset and protocol.

        A mean is missing where the protocol does not compute the metric, and where images of the dataset are missing.
        """
        rows = {
            (name, summary.protocol): {"n": facts.n, "n_expected": facts.n_expected, **facts.means}
            for name in self.record["datasets"]
            for summary in self.summaries
            for facts in [summary.datasets[name]]
        }
        found = {column for row in rows.values() for column in row}
        columns = [*(name for name in _SHOWN_FIRST if name in found), *self.record.get("metrics", {})]
        index = pd.MultiIndex.from_tuples(rows, names=["dataset", "protocol"])
        values = [[row.get(column) for column in columns] for row in rows.values()]
        frame = pd.DataFrame(values, index=index, columns=columns)
        return frame.astype({column: float for column in columns if column not in ("n", "n_expected")})

    @property
    def warnings(self) -> list[str]:
        """Warnings about the scores, in sentences."""
        return [*random_warning(self.record), *score_warnings(self.summaries)]

    def save(self, folder: Path | str) -> Path:
        """Write `scores.parquet` and `run.json`, as `srbench evaluate --output` does, and return the folder.

        A result of the same run in the folder is replaced.

        Raises:
            ResultsError: the folder holds another run, or cannot be written.

        Examples:
            >>> import tempfile
            >>> result = evaluate("bicubic", "Sample", scale=4)
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     sorted(path.name for path in result.save(folder).iterdir())
            ['run.json', 'scores.parquet']
        """
        output = RunFolder(Path(folder).expanduser(), self.record["key"])
        precision = self.record["precision"]
        require_same_model(
            output.path, output.sources, Probe.of_record(self.record), precision=precision, accept_random=False
        )
        output.rows = list(self.rows)
        output.finish({name: value for name, value in self.record.items() if name not in _ADDED_BY_A_FOLDER})
        return output.path

    def __repr__(self) -> str:
        return "\n".join([ScoreTable.of(self.summaries).text(), *self._warning_lines()])

    def _repr_html_(self) -> str:
        """Return the table and its notes as HTML, for notebooks."""
        lines = "".join(f"<p>{html.escape(line)}</p>" for line in self._warning_lines())
        return f"<div>{ScoreTable.of(self.summaries).html()}{lines}</div>"

    def _warning_lines(self) -> Iterator[str]:
        return (f"warning: {warning}" for warning in self.warnings)


def evaluate(
    model: str | nn.Module | Upscaler,
    dataset: str | ImageSet | Sequence[str | ImageSet] | None = None,
    *,
    scale: int,
    protocol: str | Sequence[str] = "matlab-y",
    metric: str | Sequence[str] = (),
    lr: LrSource = "made",
    lr_dir: Path | str | None = None,
    lr_pattern: str | None = None,
    data_root: Path | str | None = None,
    output: Path | str | None = None,
    save_images: Path | str | None = None,
    accept_random: bool = False,
    options: Options | None = None,
    **keywords: Unpack[OptionKeywords],
) -> Result:
    """Score a model on one or more datasets.

    Args:
        model: a model spec, an open upscaler, or a torch module from and to N×3×H×W RGB in [0, 1]. The modes,
            gradients and device of a module are restored afterwards.
        dataset: a name such as "Set5", "folder:DIR", an `ImageSet` or a dataset view, or a list of these. Without it:
            every benchmark set found locally, else the embedded Sample.
        scale: 2, 3, 4 or 8.
        protocol: one name or a list; protocols that share a preparation share one forward pass.
        metric: one name or a list of further metrics, such as "lpips_alex"; `srbench.list_metrics()` has them all.
        lr: "made" by the protocol; "given": the dataset's LR files, which have to be MATLAB's; or "any" LR files.
        lr_dir: with "given" or "any", the folder of the LR files, instead of the dataset's.
        lr_pattern: the names of the files in `lr_dir`, such as "{name}_LRBI_x{scale}".
        data_root: the folder of the datasets, if not `$SRBENCH_DATA` or the user's data folder.
        output: write `scores.parquet` and `run.json` to this folder; repeat the call to resume an interrupted run.
        save_images: write the SR images to this folder as PNG.
        accept_random: with `output`, resume a run of a model that is not deterministic.
        options: how the model is run and what its input is.
        keywords: the fields of `Options` by name, in place of `options`: `device="cpu"`, `tile=64`, `range=255`.

    Raises:
        SrbenchError: the model, a dataset or an option cannot be used, or an image cannot be scored.

    Examples:
        >>> result = evaluate("bicubic", "Sample", scale=4, protocol=["matlab-y", "bam2021"])
        >>> result.means["psnr_y"].round(3).to_dict()
        {('Sample', 'matlab-y'): 26.4, ('Sample', 'bam2021'): 26.53}
        >>> len(result.scores), result.warnings
        (14, [])
    """
    protocols = [get_protocol(name) for name in names_of("protocol", protocol)]
    metrics = as_metrics(names_of("metric", metric))
    folder = _path(output)
    with preserve_module_state(model):
        upscaler = as_upscaler(model, scale=scale, options=chosen_options(options, keywords))
        sets = with_lr_folder(_sets(dataset, _path(data_root)), lr=lr, folder=_path(lr_dir), pattern=lr_pattern)
        plan = Plan(upscaler, sets, protocols, lr, _path(save_images), metrics)
        return make_result(plan, *execute(plan, folder, accept_random=accept_random))


def make_result(plan: Plan, rows: Sequence[Row], record: Record) -> Result:
    """Return the rows and the record of an executed plan as a `Result`."""
    return Result(tuple(rows), {**record, "key": plan.key()}, tuple(protocol.name for protocol in plan.protocols))


def _path(path: Path | str | None) -> Path | None:
    return None if path is None else Path(path).expanduser()


def _sets(chosen: str | ImageSet | Sequence[str | ImageSet] | None, root: Path | None) -> list[ImageSet]:
    if chosen is None:
        chosen = available_datasets(root) or ["Sample"]
    if isinstance(chosen, str) and not any(sign in chosen for sign in ":/\\"):  # paths may contain spaces and commas
        chosen = names_of("dataset", chosen)
    entries = [chosen] if isinstance(chosen, str) or not isinstance(chosen, Sequence) else chosen
    return [_set(entry, root) for entry in entries]


def _set(entry: object, root: Path | None) -> ImageSet:
    if isinstance(entry, str):
        return open_dataset(entry, data_root=root)
    images = getattr(entry, "images", entry)
    if not isinstance(images, ImageSet):
        raise DatasetError(
            f"dataset: expected a name, an ImageSet or a dataset view, got {type(entry).__name__}; "
            "pass a folder of images as 'folder:DIR'"
        )
    return images
