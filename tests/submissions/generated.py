"""Many small valid submissions, fast: what a leaderboard of any size looks like from outside."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from srbench.datasets.catalogue import known_images
from srbench.images import fingerprint
from srbench.protocols import get_protocol
from srbench.scores import SCHEMA, schema_with
from srbench.submissions import Submission
from srbench.submissions.create import Draft
from srbench.submissions.score_rows import dataset_means

SPEC = "python:example:network"
TABLES = 40

Document = dict[str, Any]


def generate(
    root: Path,
    count: int,
    *,
    start: int = 0,
    datasets: Sequence[str] = ("Set5",),
    scales: Sequence[int] = (4,),
    protocols: Sequence[str] = ("matlab-y", "bam2021"),
) -> list[Path]:
    """Write entries `net-00000`, … into `root`; from `start` on, so that a folder can grow.

    All pass `srbench leaderboard check`. Scores repeat after 40 entries; about 5,000 entries a second.
    """
    ready = [_prepared(number, datasets, scales, protocols) for number in range(start, start + min(count, TABLES))]
    folders = []
    for number in range(start, start + count):
        document, table = ready[(number - start) % TABLES]
        folder = root / f"net-{number:05}"
        folder.mkdir(parents=True)
        text = json.dumps({**document, "id": folder.name, "title": f"Net {number}"})
        (folder / "submission.json").write_text(text, encoding="utf-8")
        (folder / "scores.parquet").write_bytes(table)
        folders.append(folder)
    return folders


def rows(number: int, dataset: str, scale: int, protocol: str) -> Iterator[dict[str, Any]]:
    """The score rows of one mean, plausible, fixed by the entry's number."""
    luck = random.Random(f"{number} {dataset} {scale} {protocol}")
    found, (psnr, ssim, *others) = get_protocol(protocol), get_protocol(protocol).columns
    gain = number % TABLES / 50
    for image in known_images(dataset):
        value = 34 - scale + gain + luck.uniform(-2, 2)
        yield {
            "model": SPEC,
            "dataset": dataset,
            "scale": scale,
            "protocol": protocol,
            "protocol_version": found.version,
            "image": image.name,
            psnr: value,
            ssim: min(1.0, value / 38),
            **dict.fromkeys(others, value - 6),
            "psnr_lr": 50 + luck.uniform(-3, 3),
            "seconds": luck.uniform(0.01, 0.1),
            "lr_source": "made",
            "hr_sha256": image.sha256,
            "lr_sha256": hashlib.sha256(f"{image.name} {scale} {found.preparation.key}".encode()).hexdigest(),
        }


def document_of(table: pa.Table, number: int = 0) -> Document:
    """The submission.json of a table made of `rows`, apart from the table's hash."""
    frame = table.to_pandas()
    scales = sorted({int(scale) for scale in frame["scale"]})
    by_scale = {str(scale): 700_000 + 1000 * number for scale in scales}
    return {
        "schema_version": 1,
        "id": "net",
        "title": "Net",
        "authors": ["A. Author"],
        "paper": None,
        "code": None,
        "license": "MIT",
        "date": f"2026-01-{1 + number % 28:02}",
        "model": {
            "spec": SPEC,
            "name": "Net",
            "network": None,
            "attention": None,
            "tag": None,
            "parameters": by_scale,
            "macs": {scale: 90_000 * count for scale, count in by_scale.items()},
            "source": None,
            "weights_licence": None,
        },
        "training": None,
        "runtime": None,
        "options": {"precision": "fp32", "tile": None, "self_ensemble": False, "optimise": "none", "lr_source": "made"},
        "claims": [],
        "footnotes": [],
        "runs": [_run(frame[frame["scale"] == scale], scale) for scale in scales],
        "scores_sha256": "0" * 64,
    }


def table_bytes(table: pa.Table) -> bytes:
    """The Parquet file of a table, as `srbench submit` writes it."""
    buffer = BytesIO()
    pq.write_table(table, buffer, compression="snappy")
    return buffer.getvalue()


def _prepared(
    number: int, datasets: Sequence[str], scales: Sequence[int], protocols: Sequence[str]
) -> tuple[Document, bytes]:
    lines = [
        row
        for scale in scales
        for dataset in datasets
        for protocol in protocols
        for row in rows(number, dataset, scale, protocol)
    ]
    whole = [{name: line.get(name) for name in SCHEMA.names} for line in lines]
    table = pa.Table.from_pylist(whole, schema=SCHEMA)
    data = table_bytes(table)
    return {**document_of(table, number), "scores_sha256": hashlib.sha256(data).hexdigest()}, data


def _run(frame: Any, scale: int) -> Document:
    protocols = [get_protocol(name) for name in dict.fromkeys(frame["protocol"])]
    datasets = list(dict.fromkeys(frame["dataset"]))
    known = {name: known_images(name) for name in datasets}
    return {
        "scale": scale,
        "weights_sha256": hashlib.sha256(str(scale).encode()).hexdigest(),
        "images_sha256": None,
        "protocols": {
            protocol.name: {"version": protocol.version, "summary": protocol.summary, "lr_source": "made"}
            for protocol in protocols
        },
        "datasets": {
            name: {
                "fingerprint": fingerprint(image.sha256 for image in known[name]),
                "variant": "canonical",
                "n": len(known[name]),
                "n_expected": len(known[name]),
            }
            for name in datasets
        },
        "means": dataset_means(pa.Table.from_pandas(frame, schema=SCHEMA, preserve_index=False)),
        "environment": {
            "srbench": "0.1.0",
            "python": "3.11.7",
            "libraries": {"torch": "2.13.0"},
            "system": "Linux x86_64",
            "processor": "a processor",
            "cores": 2,
            "threads": 2,
            "device": "cpu",
        },
        "started": "2026-01-01T00:00:00+00:00",
        "seconds": 1.0,
    }


def rewrite(
    folder: Path, edit: Callable[[list[dict[str, Any]], Document], object], *, metrics: Sequence[str] = ()
) -> Path:
    """Edit an entry's rows and document by hand, then make hash and means fit again, as a careful forger would.

    `metrics` are columns that the edit adds to the rows.
    """
    document = json.loads((folder / "submission.json").read_text(encoding="utf-8"))
    lines = pq.read_table(folder / "scores.parquet").cast(SCHEMA).to_pylist()
    edit(lines, document)
    table = pa.Table.from_pylist(lines, schema=schema_with(metrics))
    (folder / "scores.parquet").write_bytes(data := table_bytes(table))
    for run in document["runs"]:
        protocols = pa.array(list(run["protocols"]))
        mine = pc.and_(pc.equal(table["scale"], run["scale"]), pc.is_in(table["protocol"], protocols))
        run["means"] = dataset_means(table.filter(mine))
    document["scores_sha256"] = hashlib.sha256(data).hexdigest()
    (folder / "submission.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


def plain_document(submission: Submission | Draft) -> Any:
    """Return `submission.json` for tests that look into it by key."""
    return submission.document
