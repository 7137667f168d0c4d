"""`srbench zoo`: conversion keeps every value and says what it found; listing is cheap and complete."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from safetensors.torch import save_file

from srbench.cli import main
from srbench.errors import WeightsError
from srbench.zoo import build, load
from srbench.zoo.conversion import convert
from srbench.zoo.reading import RECORD_KEY, read_checkpoint


def _run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["zoo", *arguments])


@pytest.mark.parametrize(
    ("name", "file", "scales"),
    [("imdn", "IMDN_x3.pth", [3]), ("pan", "PANx2_DF2K.pth", [2]), ("carn-m", "carn_m.pth", [2, 3, 4])],
)
def test_a_converted_file_loads_to_the_same_network(
    name: str, file: str, scales: list[int], mirror: Path, tmp_path: Path
) -> None:
    target = tmp_path / "converted.safetensors"
    conversion = convert(mirror / file, target)
    assert (conversion.record["network"], conversion.record["scales"]) == (name, scales)
    assert conversion.record["training_data"].startswith(("DIV2K", "DF2K"))
    image = torch.rand(1, 3, 9, 8, generator=torch.Generator().manual_seed(1))
    for scale in scales:
        expected = load(name, tag="authors", scale=scale).module(image)
        assert torch.equal(load(name, scale=scale, file=target).module(image), expected)
    with pytest.raises(WeightsError, match=f"holds {name} .*asked for imdn ×2|does not fit|asked for"):
        load("imdn", scale=2, file=target)


def test_convert_says_what_it_found(mirror: Path, tmp_path: Path) -> None:
    target = tmp_path / "imdn.safetensors"
    result = _run("convert", str(mirror / "IMDN_x4.pth"), "--output", str(target))
    assert result.exit_code == 0
    assert result.output == f"IMDN_x4.pth is imdn ×4: 92 tensors, taken out of module.; written to {target}\n"


def test_shapes_that_fit_two_scales_need_a_choice(tmp_path: Path) -> None:
    torch.manual_seed(0)
    source = tmp_path / "pan.pth"
    torch.save(build("pan", scale=2).state_dict(), source)
    with pytest.raises(WeightsError, match="asked for any network ×4"):
        convert(source, scale=4)
    converted = read_checkpoint(convert(source, network="pan", scale=3).path)
    assert set(converted.metadata) == {RECORD_KEY}  # several would lie in an order, and give a hash, of each run's own
    torch.save(converted.state, source)
    result = _run("convert", str(source), "--network", "pan", "--scale", "4")
    assert result.exit_code == 1 and "missing" in result.output


def test_authors_keys_that_fit_two_scales_are_ambiguous(mirror: Path, tmp_path: Path) -> None:
    source = tmp_path / "pan.pth"
    torch.save({"params": torch.load(mirror / "PANx3_DF2K.pth", weights_only=True)}, source)
    with pytest.raises(WeightsError, match="fits several: pan ×2, pan ×3"):
        convert(source)
    assert convert(source, scale=3).record["scales"] == [3]


def test_a_source_is_never_overwritten(tmp_path: Path) -> None:
    source = tmp_path / "own.safetensors"
    source.write_bytes(b"")
    with pytest.raises(WeightsError, match="overwritten"):
        convert(source)


def test_a_mismatch_names_the_requested_network_and_options(tmp_path: Path) -> None:
    record = {"network": "imdn", "scales": [4], "options": {}}
    save_file({"x": torch.zeros(1)}, tmp_path / "imdn.safetensors", metadata={RECORD_KEY: json.dumps(record)})
    options = (("channels", 32), ("blocks", 2))
    told = "fits imdn ×4, asked for imdn at any scale with channels=32, blocks=2; name both"
    with pytest.raises(WeightsError, match=told):
        convert(tmp_path / "imdn.safetensors", tmp_path / "o.safetensors", network="imdn", options=options)


def test_listing_imports_no_torch_and_has_all_sixty() -> None:
    code = (
        "import sys\nfrom srbench.cli import main\nmain(['zoo', 'list', '--verbose'], standalone_mode=False)\n"
        "assert not {'torch', 'pandas', 'datasets', 'requests'} & set(sys.modules), 'heavy imports'"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    rows = [line.split() for line in result.stdout.splitlines()[1:]]
    networks = ("edsr", "carn", "carn-m", "msrn", "s-lwsr32", "awsrn", "rcan", "imdn", "pan", "drln")
    sixty = {(f"{name}{kind}", f"×{scale}") for name in networks for kind in ("", "-bam") for scale in (2, 3, 4)}
    assert len(sixty) == 60 and sixty <= {(row[0], row[2]) for row in rows}
    assert ["pan-bam", "PAN-BAM", "×4", "271.6"] in [row[:4] for row in rows]


def test_json_listing_names_macs_and_flops_apart() -> None:
    entries = {entry["name"]: entry for entry in json.loads(_run("list", "--verbose", "--format", "json").stdout)}
    cost = entries["imdn"]["costs"]["4"]
    assert cost["flops"] == 2 * cost["macs"] and round(cost["macs"] / 1e9, 1) == 40.9
    specs = {weights["spec"] for weights in entries["imdn"]["weights"]}
    assert specs == {"zoo:imdn@authors", "zoo:imdn@srbench"}


def test_info_shows_provenance() -> None:
    result = _run("info", "carn-m@authors")
    assert result.exit_code == 0
    for text in ("groups=4", "d48a759a84509351facb6b7c6d5bd6edec98b98519b8c464ee4ab44d2ba964ff", "MIT", "ECCV 2018"):
        assert text in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("info", "imnd"), "did you mean imdn"),
        (("info", "imdn@author"), "did you mean authors"),
        (("fetch", "imdn-acam"), "no published weights"),
        (("fetch", "imdn", "--scale", "8"), "it has ×2, ×3, ×4"),
        (("fetch", "carn@authors"), "unpinned"),
        (("export", "rlfn", "--scale", "4", "--format", "onnx"), "tags that exist: authors"),
        (("export", "imdn@absent.pth", "--scale", "4"), "found none at absent.pth"),
        (("export", "imdn@w.PTH", "--scale", "4", "--format", "onnx"), "found none at w.PTH; check the path"),
    ],
)
def test_what_does_not_exist_fails_with_a_message(arguments: tuple[str, ...], message: str) -> None:
    result = _run(*arguments)
    assert result.exit_code == 1 and message in result.output and "Traceback" not in result.output


def test_fetch_prints_the_path(mirror: Path) -> None:
    result = _run("fetch", "imdn@authors", "--scale", "2")
    assert result.exit_code == 0 and Path(result.output.strip()).stat().st_size == 2_796_052
