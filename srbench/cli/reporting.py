"""An evaluation's outcome as text: the table people read, and CSV."""

from __future__ import annotations

import csv
import io
from typing import Any

from srbench.cli.tables import text_table

Document = dict[str, Any]


def score_table(documents: list[Document]) -> str:
    """PSNR / SSIM of each dataset, the protocols side by side, and under them how they were made."""
    header = ["dataset", "images", *(document["protocol"] for document in documents)]
    rows = [[name, _coverage(facts), *(_cell(document["datasets"][name]) for document in documents)]
            for name, facts in documents[0]["datasets"].items()]
    table = text_table(header, rows, rule=True)
    return "\n".join([_title(documents[0]), "", table, "", *map(_provenance, documents)])


def score_csv(documents: list[Document]) -> str:
    """One line per dataset and protocol; a missing mean is an empty cell."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["model", "scale", "protocol", "dataset", "n", "n_expected", "psnr", "ssim"])
    for document in documents:
        for name, facts in document["datasets"].items():
            psnr, ssim = _scores(facts)
            writer.writerow([document["model"], document["scale"], document["protocol"], name, facts["n"],
                             facts["n_expected"], psnr, ssim])
    return buffer.getvalue().rstrip("\n")


def _title(document: Document) -> str:
    model = document["record"]["model"]
    facts = [f"{document['model']} ×{document['scale']}"]
    if model.get("weights_file"):
        facts.append(f"weights {model['weights_file']} (sha256 {model['weights_sha256'][:12]}…), "
                     f"trained on {model['training_data']}")
    return ", ".join(facts)


def _coverage(facts: Document) -> str:
    return str(facts["n"]) if facts["n"] == facts["n_expected"] else f"{facts['n']} of {facts['n_expected']}"


def _scores(facts: Document) -> tuple[Any, Any]:
    return (next(value for name, value in facts.items() if name.startswith("psnr")),
            next(value for name, value in facts.items() if name.startswith("ssim")))


def _cell(facts: Document) -> str:
    psnr, ssim = _scores(facts)
    return f"{_number(psnr, 3)} / {_number(ssim, 4)}"


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
    return (f"PSNR dB / SSIM under {document['protocol']} v{protocol['version']} ({protocol['summary']}); "
            f"LR {protocol['lr_source']}" + "".join(f"; {extra}" for extra in extras))
