"""Upscale many images with one or several models into a folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Unpack

from srbench.errors import ImageError, ResultsError, UpscalerError
from srbench.files import write_atomic
from srbench.upscalers.base import OptionKeywords, Options, Upscaler, chosen_options
from srbench.upscalers.image_folder import ImageFolderUpscaler
from srbench.upscalers.loading import open_upscaler
from srbench.upscalers.tensors import TensorUpscaler
from srbench.upscaling.folder_plan import (
    INPUTS_FOLDER,
    VIEW_NAME,
    SourceFile,
    find_sources,
    model_folders,
    require_own_folder,
)
from srbench.upscaling.pixels import input_planes, upscaled_planes
from srbench.upscaling.png_files import UpscaleNote, encode_upscaled, read_note
from srbench.upscaling.source_images import SourceImage, read_source
from srbench.upscaling.tile_choice import TileChooser
from srbench.upscaling.view_page import ViewImage, view_page

Say = Callable[[str], None]
WatchSources = Callable[[Sequence[SourceFile]], Iterable[SourceFile]]
"""Passes on the inputs one by one, for a progress bar."""


@dataclass
class UpscaleReport:
    """What a call of `upscale` made.

    Attributes:
        written: output files that were made now.
        kept: output files that an earlier call had finished.
        failures: by input file, why it was not upscaled.
        view: the page that compares the results, None without one.
    """

    written: list[Path] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)
    failures: dict[Path, str] = field(default_factory=dict)
    view: Path | None = None


@dataclass(frozen=True)
class _Target:
    """An open model, the folder of its outputs, and the note stored in each output, without the hash of the source."""

    upscaler: Upscaler
    folder: Path
    note: UpscaleNote
    tiles: TileChooser | None


def upscale(
    model: str | Sequence[str],
    inputs: str | Path | Sequence[str | Path],
    *,
    scale: int = 4,
    output: str | Path,
    view: bool = False,
    options: Options | None = None,
    say: Say = lambda text: None,
    watch: WatchSources = lambda sources: sources,
    **keywords: Unpack[OptionKeywords],
) -> UpscaleReport:
    """Upscale images without ground truth, and write them as PNG.

    One model writes to `output`, several write to one folder each inside it. Outputs that are finished are kept. An
    image that cannot be upscaled is reported in `failures`, and the others are still upscaled.

    Args:
        model: a model spec, or several.
        inputs: files and folders. Folders are searched with all folders inside them.
        scale: output size over input size.
        output: the folder of the results. It may hold results of earlier calls only.
        view: also write `view.html`, a page that compares the results.
        options, keywords: how the models are run, as in `srbench.evaluate`. Without `tile`, large images are computed
            in tiles of a size that fits the memory.
        say: gets one sentence for each remark, such as chosen tiles and images reduced to 8 bits.
        watch: passes on the inputs one by one.

    Raises:
        ImageError: an input that does not exist, or no images at all.
        ResultsError: `output` holds other files, or results of other models or options.
        UpscalerError, UnknownNameError, WeightsError, FetchError: a model that cannot be opened.

    Examples:
        >>> report = upscale("bicubic", "photos", scale=4, output="photos-x4")  # doctest: +SKIP
    """
    specs = [model] if isinstance(model, str) else list(dict.fromkeys(model))
    paths = [Path(path) for path in ([inputs] if isinstance(inputs, str | Path) else inputs)]
    output = Path(output)
    sources = find_sources(paths, output=output)
    targets = _open_targets(specs, scale, output, chosen_options(options, keywords) or Options(), say)
    _require_same_settings(output, targets, sources)
    report = UpscaleReport()
    shown = [image for source in watch(sources) if (image := _upscale_one(source, targets, output, view, report, say))]
    if view and shown:
        report.view = output / VIEW_NAME
        names = [target.upscaler.identity.spec for target in targets]
        write_atomic(report.view, view_page(shown, names, scale=scale), error=ResultsError)
    return report


def _open_targets(specs: Sequence[str], scale: int, output: Path, options: Options, say: Say) -> list[_Target]:
    if not specs:
        raise UpscalerError("expected at least one model, got none; name one, such as zoo:imdn")
    targets = []
    for spec, folder in zip(specs, model_folders(specs, output=output), strict=True):
        upscaler = open_upscaler(spec, scale=scale, options=options)
        if isinstance(upscaler, ImageFolderUpscaler):
            raise UpscalerError(f"{spec}: expected a model, got a folder of SR images; name the model that made them")
        for remark in upscaler.remarks:
            say(f"{spec}: {remark}")
        tiles = TileChooser(upscaler) if isinstance(upscaler, TensorUpscaler) else None
        targets.append(_Target(upscaler, folder, _model_note(upscaler), tiles))
    return targets


def _model_note(upscaler: Upscaler) -> UpscaleNote:
    identity, options = upscaler.identity, upscaler.options
    names = ("precision", "tile", "self_ensemble", "optimise", "form")
    changed = {name: getattr(options, name) for name in names if getattr(options, name) != getattr(Options, name)}
    sha256 = identity.weights_sha256 or identity.details.get("source_sha256") or ""
    facts = json.dumps(changed | options.adapter_facts(), sort_keys=True)
    return UpscaleNote(identity.spec, str(sha256), upscaler.scale, facts, "")


def _require_same_settings(output: Path, targets: Sequence[_Target], sources: Sequence[SourceFile]) -> None:
    """Raise ResultsError where the output folder holds other files, or results of another model or other options."""
    files = {target.folder / source.name: target for source in sources for target in targets}
    require_own_folder(output, files)
    for file, target in files.items():
        note = read_note(file) if file.exists() else None
        if note is not None and replace(note, source_sha256="") != target.note:
            raise ResultsError(
                f"{file}: expected a result of {_described(target.note)}, got one of {_described(note)}; "
                "choose another --output"
            )


def _described(note: UpscaleNote) -> str:
    weights = f", weights {note.weights_sha256[:12]}" if note.weights_sha256 else ""
    return f"{note.model} at ×{note.scale}{weights}{'' if note.options == '{}' else f', {note.options}'}"


def _upscale_one(
    file: SourceFile, targets: Sequence[_Target], output: Path, view: bool, report: UpscaleReport, say: Say
) -> ViewImage | None:
    """Upscale one image with every model. Return its entry for the page; None if it failed."""
    try:
        source = read_source(file.path)
        made = [_made_by(target, source, file, report, say) for target in targets]
    except (ImageError, UpscalerError) as error:
        report.failures[file.path] = str(error)
        return None
    copied = output / INPUTS_FOLDER / file.name
    note = UpscaleNote("input", "", 1, "{}", source.sha256)
    if view and read_note(copied) != note:
        write_atomic(copied, encode_upscaled(input_planes(source), note, icc=source.icc), error=ResultsError)
    height, width = source.pixels.shape[:2]
    scale = targets[0].upscaler.scale
    return ViewImage(
        file.name.removesuffix(".png"),
        width * scale,
        height * scale,
        tuple(path.relative_to(output).as_posix() for path in (copied, *made)),
    )


def _made_by(target: _Target, source: SourceImage, file: SourceFile, report: UpscaleReport, say: Say) -> Path:
    path, note = target.folder / file.name, replace(target.note, source_sha256=source.sha256)
    if read_note(path) == note:
        report.kept.append(path)
        return path
    upscaler, where = target.upscaler, f"{target.note.model}, {file.name}"
    if source.is_deep and not upscaler.takes_float:
        say(f"{where}: this model takes 8-bit input, so the 16-bit image becomes one of 8 bits")
    height, width = source.pixels.shape[:2]
    tile = target.tiles.tile_for(height, width) if target.tiles else None
    if tile is not None and isinstance(upscaler, TensorUpscaler):
        upscaler = upscaler.in_tiles(tile)
        say(f"{where}: {width}×{height} pixels do not fit into memory, computed in tiles of {tile} pixels (--tile)")
    planes = upscaled_planes(upscaler, source, name=file.name)
    write_atomic(path, encode_upscaled(planes, note, icc=source.icc), error=ResultsError)
    report.written.append(path)
    return path
