"""What holds for any image, scale, spec, record and claim: a value of the promised form, or a message."""

from __future__ import annotations

import io
import json
import math
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from srbench.claim_audit.claims import COLUMNS, parse_printed, read_claims
from srbench.errors import AuditError, ImageError, ProtocolError, ResultsError, SrbenchError
from srbench.images import decode, encode_png
from srbench.journal import Journal, checksum
from srbench.protocols import SCALES, get_protocol, protocol_names
from srbench.resize import imresize, output_size
from srbench.runs import Shard
from srbench.scores import SCHEMA, read_run
from srbench.upscalers.loading import open_upscaler

QUICK = settings(
    max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
MODES = ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F", "YCbCr"]
DTYPES = [np.uint8, np.int16, np.uint16, np.float16, np.float32, np.float64, np.bool_, np.complex64]
NUMBERS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8)
DOCUMENTS = st.recursive(
    NUMBERS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@QUICK
@given(st.sampled_from(MODES), st.integers(1, 20), st.integers(1, 20), st.sampled_from(["PNG", "BMP", "JPEG", "TIFF"]))
def test_every_mode_is_rgb_or_refused(mode: str, height: int, width: int, kind: str) -> None:
    image = Image.new(mode, (width, height))
    buffer = io.BytesIO()
    try:
        image.save(buffer, format=kind)
    except (OSError, KeyError, ValueError):
        return  # the format cannot hold that mode
    try:
        pixels = decode(buffer.getvalue(), name="x")
    except ImageError as error:
        assert "x:" in str(error)
    else:
        assert (pixels.shape, pixels.dtype) == ((height, width, 3), np.uint8)


@QUICK
@given(st.binary(max_size=400))
def test_bytes_are_an_image_or_refused(data: bytes) -> None:
    for start in (b"", b"\x89PNG\r\n\x1a\n", b"BM", b"\xff\xd8\xff", b"II*\0", b"GIF89a"):
        with pytest.raises(ImageError):
            decode(start + data, name="x")


@QUICK
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.fractions(Fraction(1, 9), 9, max_denominator=12),
    st.sampled_from(["symmetric", "replicate"]),
)
def test_resizing_keeps_size_range_and_constants(height: int, width: int, scale: Fraction, border: Any) -> None:
    small = imresize(noise(height, width), scale, border=border)
    assert small.shape == (output_size(height, scale), output_size(width, scale), 3)
    flat = np.full((height, width, 3), 77, np.uint8)
    assert (imresize(flat, scale, border=border) == 77).all()


@QUICK
@given(
    st.sampled_from(protocol_names()),
    st.integers(1, 48),
    st.integers(1, 48),
    st.sampled_from(SCALES),
    st.integers(0, 3),
)
def test_any_size_is_scored_or_refused(name: str, height: int, width: int, scale: int, seed: int) -> None:
    protocol = get_protocol(name)
    try:
        hr, lr = protocol.prepare(noise(height, width, seed), scale=scale, name="x")
        assert tuple(side * scale for side in lr.shape[:2]) == hr.shape[:2]
        perfect, other = (protocol.score(image, hr, scale=scale) for image in (hr, 255 - hr))
    except ProtocolError:
        return
    for score in (perfect, other):
        assert set(score) == set(protocol.columns)
        assert all(value is None or not math.isnan(value) for value in score.values())
    if protocol.scoring.rounded:
        assert perfect[protocol.columns[0]] == math.inf
    assert (other[protocol.columns[0]] or 0) < 100


@QUICK
@given(st.lists(st.integers(0, 20), min_size=0, max_size=5), st.sampled_from(DTYPES), st.sampled_from(SCALES))
def test_what_is_no_image_is_refused(shape: list[int], dtype: Any, scale: int) -> None:
    hr, protocol = noise(24, 24), get_protocol("matlab-y")
    image = np.zeros(shape, dtype)
    fits = tuple(shape) == (24, 24, 3) and (dtype == np.uint8 or np.issubdtype(dtype, np.floating))
    if not fits:
        with pytest.raises(ProtocolError):
            protocol.score(image, hr, scale=scale)


@QUICK
@given(
    st.text(max_size=30)
    | st.builds(
        "{}:{}".format,
        st.sampled_from(["zoo", "onnx", "spandrel", "images", "python", "bicubic"]),
        st.text(max_size=30),
    ),
    st.integers(-2, 9),
)
def test_any_spec_is_an_upscaler_or_a_message(spec: str, scale: int) -> None:
    if spec in ("bicubic", "bicubic:pillow"):
        return
    with pytest.raises(SrbenchError):
        open_upscaler(spec, scale=scale)


@QUICK
@given(st.dictionaries(st.sampled_from(SCHEMA.names), NUMBERS, max_size=6), DOCUMENTS)
def test_any_journal_line_is_read_unchanged_or_refused(row: dict[str, Any], other: Any) -> None:
    with TemporaryDirectory() as scratch:
        key: dict[str, object] = {"model": "x"}
        journal = Journal(Path(scratch), key, versions=(3,), columns=SCHEMA.names)
        try:
            journal.append([row])
        except ValueError:
            return  # NaN is never written
        back = journal.read()
        assert json.dumps(back[0], default=str) == json.dumps(
            {
                name: math.inf if name.startswith("psnr") and value in ("inf", -math.inf) else value
                for name, value in row.items()
            },
            default=str,
        )
        with (Path(scratch) / "journal.jsonl").open("a") as file:
            file.write(json.dumps(other) + "\n")
        with pytest.raises(ResultsError):
            journal.read()


@QUICK
@given(DOCUMENTS)
def test_any_document_in_place_of_a_record_is_refused(document: Any) -> None:
    with TemporaryDirectory() as scratch:
        (Path(scratch) / "scores.parquet").write_bytes(encode_png(noise(2, 2)))
        (Path(scratch) / "run.json").write_text(json.dumps(document))
        with pytest.raises(ResultsError):
            read_run(Path(scratch))


@QUICK
@given(st.dictionaries(st.text(max_size=6), st.integers() | st.text(max_size=6), min_size=1, max_size=4), st.data())
def test_a_checksum_sees_every_change_and_no_order(document: dict[str, Any], data: st.DataObject) -> None:
    assert checksum(dict(reversed(document.items()))) == checksum(document)
    name = data.draw(st.sampled_from(sorted(document)))
    assert checksum({**document, name: [document[name]]}) != checksum(document)


@QUICK
@given(st.text(max_size=5), st.text(max_size=5))
def test_any_rank_gives_a_shard_or_an_error(rank: str, count: str) -> None:
    patch = pytest.MonkeyPatch()
    with patch.context() as context:
        try:
            context.setenv("RANK", rank)
            context.setenv("WORLD_SIZE", count)
            shard = Shard.from_environment()
        except ValueError:
            return  # the system takes no such variable
        except ResultsError:
            return
        assert 0 <= shard.rank < shard.count


@QUICK
@given(st.integers(0, 99), st.integers(0, 10**6 - 1), st.integers(1, 6), st.integers(0, 10**4))
def test_a_printed_score_keeps_its_digits(whole: int, fraction: int, digits: int, ssim: int) -> None:
    text = f"{whole}.{fraction:06d}"[: len(str(whole)) + 1 + digits] + f"/{ssim / 10**4:.4f}"
    printed = parse_printed(f" {text} ")
    assert str(printed) == text
    assert printed.rounding == pytest.approx(0.5 * 10.0**-digits)


@QUICK
@given(st.text(max_size=12))
def test_text_is_a_claim_or_refused(text: str) -> None:
    try:
        printed = parse_printed(text)
    except AuditError as error:
        assert "34.05/0.9259" in str(error)
    else:
        assert 0 <= float(printed.psnr) < 100


@QUICK
@given(st.lists(st.lists(st.text(max_size=6), min_size=5, max_size=9), max_size=3), st.binary(max_size=20))
def test_a_file_of_claims_is_read_or_refused_by_line(tmp_path: Path, lines: list[list[str]], tail: bytes) -> None:
    path = tmp_path / "claims.csv"
    body = "\n".join(",".join(cells) for cells in [list(COLUMNS), *lines])
    path.write_bytes(body.encode("utf-8", "surrogatepass") + tail)
    try:
        claims = read_claims(path)
    except AuditError as error:
        assert str(path) in str(error)
    else:
        assert all(claim.scale in SCALES for claim in claims)
