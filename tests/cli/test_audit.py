"""`srbench audit` through its parser."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from srbench.cli import main
from srbench.images import save_png
from srbench.result import evaluate


def audit(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["audit", *map(str, arguments)])


@pytest.fixture
def folder(tmp_path: Path) -> str:
    image = np.random.default_rng(5).integers(0, 256, (49, 47, 3), dtype=np.uint8)
    save_png(tmp_path / "set" / "one.png", image)
    return f"folder:{tmp_path / 'set'}"


def printed(folder: str, protocol: str) -> str:
    scores = evaluate("bicubic", folder, scale=2, protocol=protocol).scores
    return f"{scores['psnr_y'].mean():.4f}/{scores['ssim_y'].mean():.4f}"


def test_json_has_the_documented_keys(folder: str) -> None:
    result = audit(
        "--model",
        "bicubic",
        "--scale",
        2,
        "--dataset",
        folder,
        "--claim",
        printed(folder, "bam2021"),
        "--own-weights",
        "--format",
        "json",
    )
    document = json.loads(result.stdout)
    assert result.exit_code == 0
    assert set(document) == {"best", "protocols"}
    assert set(document["best"]) == {"protocol", "distance_db", "margin_db"}
    assert document["best"]["protocol"] == "bam2021"
    assert document["best"]["margin_db"] == pytest.approx(0.00505)
    assert result.stderr.startswith("scoring bicubic ×2")


def test_table_ends_with_the_verdict(folder: str) -> None:
    result = audit(
        "--model", "bicubic", "--scale", 2, "--dataset", folder, "--claim", printed(folder, "bam2021"), "--own-weights"
    )
    *table, _, best, differs = result.stdout.splitlines()
    assert table[2].split("  ")[0] == "form"
    assert best.startswith("best fit: bam2021, 0.000 dB away (margin 0.00505 dB)")
    assert "resize, pillow bicubic" in differs
    none = audit("--model", "bicubic", "--scale", 2, "--dataset", folder, "--claim", "44.44/0.9")
    assert none.stdout.splitlines()[-1].startswith("none fits: no score is within 0.01 dB and 0.05 SSIM of the claim")


def test_fitting_psnr_with_wrong_ssim_fits_nothing(folder: str, tmp_path: Path) -> None:
    psnr, _ = printed(folder, "matlab-y").split("/")
    none = audit("--model", "bicubic", "--scale", 2, "--dataset", folder, "--claim", f"{psnr}/0.1", "--own-weights")
    assert re.fullmatch(
        r"none fits: no score is within 0.00505 dB and 0.05 SSIM of the claim; the nearest is "
        r"matlab-y, 0.000 dB and 0\.\d{4} SSIM away",
        none.stdout.splitlines()[-1],
    )
    (tmp_path / "claims.csv").write_text(
        f"network,scale,dataset,psnr,ssim,model,own_weights\nany,2,{folder},{psnr},0.1,bicubic,yes\n"
    )
    assert audit("--claims", tmp_path / "claims.csv").stdout.rstrip().endswith("none fits in SSIM")


def test_many_claims_as_markdown_and_json(folder: str, tmp_path: Path) -> None:
    psnr, ssim = printed(folder, "bam2021").split("/")
    (tmp_path / "claims.csv").write_text(
        "network,scale,dataset,psnr,ssim,model,own_weights,source\n"
        f"a|b <script>,2,{folder},{psnr},{ssim},bicubic,yes,x\n"
        f"none,2,{folder},30.00,0.9,,,x\n"
        "gone,2,Set5,30.00,0.9,bicubic,no,x\n"
    )
    markdown = audit("--claims", tmp_path / "claims.csv", "--format", "markdown").stdout.splitlines()
    assert len(markdown) == 5
    assert markdown[2].startswith(r"| a\|b \<script\> | ×2 |")
    assert markdown[2].endswith("| bam2021 |")
    assert markdown[3].endswith("| no weights to hold it against |")
    result = audit("--claims", tmp_path / "claims.csv", "--format", "json", "--output", tmp_path / "out")
    documents = json.loads(result.stdout)
    assert json.loads((tmp_path / "out/audit.json").read_text()) == documents
    assert (tmp_path / "out/audit.md").read_text().splitlines() == markdown
    assert [document["best"] and document["best"]["protocol"] for document in documents] == ["bam2021", None, None]
    assert documents[0]["claim"]["source"] == "x"
    assert documents[2]["reason"].startswith("Set5 (test) was not found")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "expected --model, --scale, --dataset and --claim"),
        (("--model", "bicubic", "--scale", 2, "--dataset", "Set5", "--claim", "good"), "as printed"),
        (("--claims", "setup.cfg"), "does not exist"),
        (("--scale", 5), "is not one of"),
    ],
)
def test_misuse_exits_2(arguments: tuple[object, ...], says: str) -> None:
    result = audit(*arguments)
    assert result.exit_code == 2
    assert says in result.stderr


def test_missing_dataset_exits_1() -> None:
    result = audit("--model", "bicubic", "--scale", 2, "--dataset", "BSD100", "--claim", "29.56/0.8431")
    assert result.exit_code == 1
    assert "BSD100" in result.stderr
