"""`srbench audit`: compare a printed score with a model's scores under every protocol."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import click

from srbench.claim_audit.claims import Claim, Printed, parse_printed, read_claims
from srbench.claim_audit.evaluator import ClaimEvaluator
from srbench.claim_audit.verdict import UNDECIDED, Audit, Finding, audit_claim, audit_claims
from srbench.cli.common_options import data_root_option, device_option
from srbench.cli.inference_options import adapter_options
from srbench.errors import AuditError
from srbench.escaping import markdown_table
from srbench.files import write_atomic
from srbench.protocols import SCALES
from srbench.tables import text_table
from srbench.upscalers.base import Options

_SSIM_SUSPECT = 0.005  # if the PSNR fits, a larger distance means another kind of SSIM or a misprint


class _PrintedType(click.ParamType[Printed]):
    name = "PSNR/SSIM"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Printed:
        try:
            return parse_printed(str(value))
        except AuditError as error:
            self.fail(str(error), param, ctx)


@click.command("audit", short_help="Compare a claimed score with every protocol.")
@click.option("--model", metavar="SPEC", help="The model to compare the claim with; see srbench evaluate.")
@click.option("--scale", type=click.Choice([str(scale) for scale in SCALES]))
@click.option("--dataset", metavar="NAME", help="The dataset whose mean is claimed.")
@click.option(
    "--claim",
    "printed",
    type=_PrintedType(),
    metavar="PSNR/SSIM",
    help="As printed: its number of digits gives the rounding.",
)
@click.option(
    "--own-weights",
    is_flag=True,
    help="The claim is about exactly these weights: the margin is 0.005 dB and the claim's rounding, not 0.15 dB.",
)
@click.option(
    "--claims",
    "table",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="CSV",
    help="A CSV file of claims: network, scale, dataset, psnr, ssim, model, own_weights.",
)
@click.option(
    "--thorough", is_flag=True, help="Measure pixel variants and self-ensemble also where a protocol already fits."
)
@data_root_option
@device_option
@adapter_options
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Also write DIR/audit.json and DIR/audit.md.",
)
@click.option("--format", "form", type=click.Choice(["table", "json", "markdown"]), default="table", show_default=True)
def command(
    model: str | None,
    scale: str | None,
    dataset: str | None,
    printed: Printed | None,
    own_weights: bool,
    table: Path | None,
    thorough: bool,
    data_root: Path | None,
    device: str,
    options: Options,
    output: Path | None,
    form: str,
) -> None:
    """Compare a claimed score with every protocol.

    Every protocol of the scale is tried first, then the pixel variants that circulate, then self-ensemble; each only
    if nothing before fits. If scores of two protocols are within the margin, the answer is undecided.
    """
    evaluator = ClaimEvaluator(
        data_root=data_root,
        device=device,
        adapters={**options.adapters, "factory_arg": options.factory_arg},
        report=lambda line: click.echo(line, err=True),
    )
    single = (model, scale, dataset, printed)
    if table is not None:
        if any(single) or own_weights:
            raise click.UsageError(
                "the file of --claims names models, scales, datasets and claims; leave out "
                "--model, --scale, --dataset, --claim and --own-weights"
            )
        audits = list(audit_claims(read_claims(table), evaluator, thorough=thorough))
        _write_and_print(partial(_render_many, audits), form, output)
        return
    if model is None or scale is None or dataset is None or printed is None:
        raise click.UsageError("expected --model, --scale, --dataset and --claim, or --claims")
    claim = Claim(printed, int(scale), dataset, model, own_weights)
    _write_and_print(partial(_render_one, audit_claim(claim, evaluator, thorough=thorough)), form, output)


def _write_and_print(render: Callable[[str], str], form: str, output: Path | None) -> None:
    if output is not None:
        write_atomic(output / "audit.json", render("json") + "\n")
        write_atomic(output / "audit.md", render("markdown") + "\n")
    click.echo(render(form))


def _render_one(audit: Audit, form: str) -> str:
    if form == "json":
        return json.dumps(audit.document(), indent=1, allow_nan=False)
    claim = audit.claim
    draw = markdown_table if form == "markdown" else text_table
    title = (
        f"{claim.printed} on {claim.dataset} ×{claim.scale} against {claim.model}, margin {claim.margin:.4g} dB"
        f" ({_whose(claim)})"
    )
    return "\n".join([title, "", draw(_HEAD, [_cells(finding) for finding in audit.findings]), "", verdict(audit)])


def _whose(claim: Claim) -> str:
    if claim.exact:
        return "own weights" if claim.own_weights else "a model without weights"
    return "other weights"


def _render_many(audits: Sequence[Audit], form: str) -> str:
    if form == "json":
        documents = [
            {"claim": _claim(audit.claim), **audit.document(), "reason": audit.reason or None} for audit in audits
        ]
        return json.dumps(documents, indent=1, allow_nan=False)
    draw = markdown_table if form == "markdown" else text_table
    return draw(_HEAD_OF_MANY, [_line(audit) for audit in audits])


_HEAD = ("form", "PSNR / SSIM", "distance dB", "distance SSIM", "aliased dB", "fits", "differs from matlab-y")
_HEAD_OF_MANY = ("network", "scale", "dataset", "claim", "against", "margin dB", "nearest", "distance dB", "verdict")


def _cells(finding: Finding) -> tuple[str, ...]:
    measured = finding.measured
    aliased = "-" if measured.psnr_aliased is None else f"{measured.psnr_aliased:.3f}"
    ssim = "-" if measured.ssim is None else f"{measured.ssim:.4f}"
    return (
        str(measured.config),
        f"{measured.psnr:.3f} / {ssim}",
        f"{finding.distance_db:.3f}",
        "-" if finding.ssim_distance is None else f"{finding.ssim_distance:.4f}",
        aliased,
        "yes" if finding.fits else "no",
        "; ".join(measured.config.differences()) or "-",
    )


def _line(audit: Audit) -> tuple[str, ...]:
    claim, nearest = audit.claim, audit.nearest
    found = ("-", "-") if nearest is None else (str(nearest.measured.config), f"{nearest.distance_db:.3f}")
    against = f"{claim.model or '-'}{' (own)' if claim.own_weights else ''}"
    margin = f"{claim.margin:.3g}" if claim.model else "-"
    return (
        claim.labels.get("network", ""),
        f"×{claim.scale}",
        claim.dataset,
        str(claim.printed),
        against,
        margin,
        *found,
        audit.reason or _short(audit),
    )


def _short(audit: Audit) -> str:
    if isinstance(audit.best, Finding):
        return str(audit.best.measured.config)
    near = audit.nearest is not None and audit.nearest.distance_db <= audit.claim.margin
    return audit.best or ("none fits in SSIM" if near else "none fits")


def verdict(audit: Audit) -> str:
    """Return the answer in one or two sentences."""
    margin = f"{audit.claim.margin:.4g} dB"
    if audit.best == UNDECIDED:
        fitting = [str(finding.measured.config) for finding in audit.findings if finding.fits]
        return f"undecided: {' and '.join(fitting)} are within {margin} of the claim"
    if not isinstance(audit.best, Finding):
        return _no_fit(audit, margin)
    finding = audit.best
    differs = finding.measured.config.differences()
    lines = [f"best fit: {finding.measured.config}, {finding.distance_db:.3f} dB away (margin {margin})"]
    lines += [f"what differs from matlab-y: {'; '.join(differs)}"] if differs else []
    if finding.ssim_distance is not None and finding.ssim_distance > _SSIM_SUSPECT:
        lines.append(f"but its SSIM is {finding.ssim_distance:.4f} away: a different SSIM function, or a misprint")
    return "\n".join(lines)


def _no_fit(audit: Audit, margin: str) -> str:
    nearest, limit = audit.nearest, audit.claim.ssim_margin
    away = f"{nearest.distance_db:.3f} dB" if nearest else ""
    if nearest and nearest.ssim_distance is not None and math.isfinite(limit):
        margin, away = f"{margin} and {limit:.2g} SSIM", f"{away} and {nearest.ssim_distance:.4f} SSIM"
    how = f"; the nearest is {nearest.measured.config}, {away} away" if nearest else ""
    return f"none fits: no score is within {margin} of the claim{how}"


def _claim(claim: Claim) -> dict[str, object]:
    return {
        **claim.labels,
        "scale": claim.scale,
        "dataset": claim.dataset,
        "psnr": claim.printed.psnr,
        "ssim": claim.printed.ssim or None,
        "model": claim.model or None,
        "own_weights": claim.own_weights,
    }
