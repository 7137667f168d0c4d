"""An evaluation's outcome as text: the table people read, and CSV."""

from __future__ import annotations

import csv
import io
from collections import Counter
from typing import Any

from srbench.errors import counted
from srbench.tables import text_table
from srbench.upscalers.adapters import describe_adapters

Document = dict[str, Any]

_ALIASED = "aliased: PSNR dB where the HR holds texture above the LR's Nyquist limit (psnr_y_aliased, version 1)"


def score_table(documents: list[Document]) -> str:
    """PSNR / SSIM of each dataset, the protocols side by side, and under them how they were made."""
    header = ["dataset", "images", *(title for document in documents for title in _titles(document))]
    rows = [
        [name, _coverage(facts), *(cell for document in documents for cell in _cells(document, name))]
        for name, facts in documents[0]["datasets"].items()
    ]
    table = text_table(header, rows, rule=True)
    notes = [_ALIASED] if any(map(_has_aliased, documents)) else []
    return "\n".join([_title(documents[0]), "", table, "", *map(_provenance, documents), *notes])


def score_csv(documents: list[Document]) -> str:
    """One line per dataset and protocol; a missing mean is an empty cell."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["model", "scale", "protocol", "dataset", "n", "n_expected", "psnr", "ssim", "psnr_y_aliased"])
    for document in documents:
        for name, facts in document["datasets"].items():
            psnr, ssim = _scores(facts)
            writer.writerow(
                [
                    document["model"],
                    document["scale"],
                    document["protocol"],
                    name,
                    facts["n"],
                    facts["n_expected"],
                    psnr,
                    ssim,
                    facts.get("psnr_y_aliased"),
                ]
            )
    return buffer.getvalue().rstrip("\n")


def score_cells(facts: Document) -> tuple[str, str]:
    """How many images of a dataset were scored, and PSNR / SSIM, for a table."""
    psnr, ssim = _scores(facts)
    return _coverage(facts), f"{_number(psnr, 3)} / {_number(ssim, 4)}"


def _title(document: Document) -> str:
    model = document["record"]["model"]
    facts = [f"{document['model']} ×{document['scale']}"]
    if model.get("weights_file"):
        facts.append(f"weights {model['weights_file']} (sha256 {model['weights_sha256'][:12]}…)")
    if model.get("training_data"):  # files of other programs do not name it
        facts.append(f"trained on {model['training_data']}")
    if model.get("recipe"):
        facts.append(f"recipe {model['recipe']} ({model['steps']} steps, seed {model['seed']})")
    if model.get("input_size"):
        sides = "×".join(str(side or "any") for side in model["input_size"])
        facts.append(f"in tiles of {sides}, the size of its input")
    facts += describe_adapters(document["record"].get("adapters", {}))
    return ", ".join(facts)


def _coverage(facts: Document) -> str:
    return str(facts["n"]) if facts["n"] == facts["n_expected"] else f"{facts['n']} of {facts['n_expected']}"


def _scores(facts: Document) -> tuple[Any, Any]:
    return (
        next(value for name, value in facts.items() if name.startswith("psnr")),
        next(value for name, value in facts.items() if name.startswith("ssim")),
    )


def _titles(document: Document) -> list[str]:
    name = document["protocol"]
    return [name, f"{name} aliased"] if _has_aliased(document) else [name]


def _cells(document: Document, dataset: str) -> list[str]:
    facts = document["datasets"][dataset]
    both = score_cells(facts)[1]
    return [both, _number(facts["psnr_y_aliased"], 3)] if _has_aliased(document) else [both]


def _has_aliased(document: Document) -> bool:
    return any("psnr_y_aliased" in facts for facts in document["datasets"].values())


def _number(value: float | str | None, digits: int) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else f"{value:.{digits}f}"


def _provenance(document: Document) -> str:
    record = document["record"]
    protocol = record["protocols"][document["protocol"]]
    extras = [f"tile {record['tile']}"] if record["tile"] else []
    extras += ["self-ensemble"] if record["self_ensemble"] else []
    extras += [f"inference: {record['optimise']}"] if record["optimise"] != "none" else []
    extras += [record["precision"]] if record["precision"] != "fp32" else []
    return (
        f"PSNR dB / SSIM under {document['protocol']} v{protocol['version']} ({protocol['summary']}); "
        f"LR {protocol['lr_source']}{_origins(record, protocol['lr_source'])}"
        + "".join(f"; {extra}" for extra in extras)
    )


def _origins(record: Document, source: str) -> str:
    """Name what made the LR files, with the number of images where there are several origins."""
    counts: Counter[str] = Counter()
    for found in record.get("lr_origins", {}).values() if source != "made" else ():
        counts.update(found)
    kinds = [f"{kind}: {counted(n, 'image')}" if len(counts) > 1 else kind for kind, n in counts.most_common()]
    return f" ({'; '.join(kinds)})" if kinds else ""
