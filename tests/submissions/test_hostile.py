"""Entries that strangers send to do harm: each is reported, left out, and leaves the others alone."""

from __future__ import annotations

import copy
import hashlib
import json
import math
import os
import shutil
import struct
import sys
import unicodedata
import zipfile
import zlib
from collections.abc import Callable
from datetime import datetime
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from srbench.errors import SubmissionError
from srbench.records.fields import IsoDate, IsoTime, Number, OneOf, Text, Whole
from srbench.records.record_model import RecordModel, validate_field
from srbench.scores import SCHEMA
from srbench.submissions import FoundSubmissions, dates, read_submission, read_submissions
from srbench.submissions.read import read_verified
from srbench.submissions.score_rows import dataset_means
from tests.submissions.generated import generate, plain_document, table_bytes

Change = Callable[[dict[str, Any]], object]
TEXTS: dict[str, Callable[[dict[str, Any], Any], None]] = {
    "title": lambda d, v: d.update(title=v),
    "author": lambda d, v: d.update(authors=[v]),
    "paper": lambda d, v: d.update(paper={"title": v, "url": None, "year": None}),
    "license": lambda d, v: d.update(license=v),
    "model name": lambda d, v: d["model"].update(name=v),
    "network": lambda d, v: d["model"].update(network=v),
    "spec": lambda d, v: d["model"].update(spec=v),
    "training data": lambda d, v: d.update(
        training={
            "data": v,
            "recipe": None,
            "recipe_sha256": None,
            "fingerprint": None,
            "steps": 1,
            "seed": 1,
            "tag": None,
        }
    ),
    "device": lambda d, v: d.update(runtime={"device": v, "size": [1, 1], "fps": None, "seconds_per_image": None}),
    "claim's source": lambda d, v: d.update(
        claims=[{"scale": 4, "dataset": "Set5", "psnr": 30, "ssim": None, "source": v}]
    ),
    "footnote": lambda d, v: d.update(footnotes=[v]),
    "summary": lambda d, v: d["runs"][0]["protocols"]["matlab-y"].update(summary=v),
    "variant": lambda d, v: d["runs"][0]["datasets"]["Set5"].update(variant=v),
    "processor": lambda d, v: d["runs"][0]["environment"].update(processor=v),
    "library": lambda d, v: d["runs"][0]["environment"].update(libraries={"torch": v}),
}
BAD_TEXTS: tuple[object, ...] = (
    "<script>alert(1)</script>",
    "a<img src=x onerror=alert(1)>",
    "</td><!--",
    "&#60;script&#62;",
    "javascript:alert(1)",
    '=HYPERLINK("https://example.com")',
    "@SUM(1)",
    "+1",
    "-1",
    "a\nb",
    "a\tb",
    "a\0b",
    "a\x1b[2Jb",
    "a\u202eb",
    "a\u200bb",
    "a\ud800",
    "a\u2028b",
    "",
    "  ",
    " a",
    "a" * 2000,
    1,
    ["a"],
    {"a": 1},
    True,
    "\u3164",
    "a\u034fb",
    "a" + "\u0301" * 99,
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    generate(tmp_path / "submissions", 2)
    return tmp_path / "submissions"


def check(annotation: Any, value: object) -> None:
    validate_field(annotation, value, "x", error=SubmissionError)


def change(root: Path, edit: Change) -> Path:
    """Edit the first entry's document."""
    path = root / "net-00000" / "submission.json"
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))
    return path.parent


def replace_table(root: Path, data: bytes) -> None:
    (root / "net-00000" / "scores.parquet").write_bytes(data)
    change(root, lambda document: document.update(scores_sha256=hashlib.sha256(data).hexdigest()))


def edited_table(root: Path, **columns: Any) -> pa.Table:
    """The first entry's table with some columns changed; a value may be a function of the old values."""
    table = pq.read_table(root / "net-00000" / "scores.parquet").cast(SCHEMA)
    for name, value in columns.items():
        old = table[name].to_pylist()
        new = value(old) if callable(value) else [value, *old[1:]]
        table = table.set_column(SCHEMA.names.index(name), SCHEMA.field(name), pa.array(new, SCHEMA.field(name).type))
    return table


def assert_left_out(root: Path, *reasons: str) -> FoundSubmissions:
    collection = read_submissions(root)
    assert [entry.id for entry in collection.entries] == ["net-00001"]
    [problem] = collection.problems
    for reason in reasons:
        assert reason in problem.message
    assert (problem.id + problem.message).replace("×", "x").replace("…", "").isascii()
    assert len(problem.message) < 600
    for harm in ("<script", "<img", "javascript:", "\n", "=HYPER", "\x1b"):
        assert harm not in problem.id + problem.message
    return collection


def _put(place: Callable[[dict[str, Any], Any], None], value: object, document: dict[str, Any]) -> None:
    place(document, value)


@pytest.mark.parametrize("place", TEXTS.values(), ids=list(TEXTS))
def test_text_fields_accept_only_plain_text(root: Path, place: Callable[[dict[str, Any], Any], None]) -> None:
    for bad in BAD_TEXTS:
        change(root, partial(_put, place, bad))
        assert_left_out(root, "expected")


IGNORABLE: list[int | tuple[int, int]] = [
    0xAD,
    0x34F,
    0x61C,
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    0x3164,
    (0xFE00, 0xFE0F),
    0xFEFF,
    0xFFA0,
    (0xFFF0, 0xFFF8),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
]
"""Default_Ignorable_Code_Point of Unicode's DerivedCoreProperties.txt: single ones, and first and last of ranges."""


def test_text_with_invisible_characters_is_refused() -> None:
    ranges = [entry if isinstance(entry, tuple) else (entry, entry) for entry in IGNORABLE]
    strange = {chr(code) for first, last in ranges for code in range(first, last + 1)} | set("\u2800\U0001d159")
    strange |= {chr(code) for code in range(sys.maxunicode) if unicodedata.category(chr(code)) in ("Zs", "Zl", "Zp")}
    for char in strange - {" ", "\u3000"}:
        with pytest.raises(SubmissionError) as caught:
            check(Annotated[str, Text()], f"a{char}b")
        assert str(caught.value) == f"x: expected printable characters that show, got U+{ord(char):04X}"


@pytest.mark.parametrize(
    "text",
    [
        "Müller, Ångström, Łódź, Çelik, Nguyễn Thị Hương",
        "Ελληνικά ᾅ",
        "Тест й",
        "王小明 「超解像」、×４",
        "山田　太郎",
        "ガ",
        "각",
        "नेटवर्क बड़ों",
        "เก้าอี้น้ำ",
        "שָׁלוֹם",
        "مُحَمَّد",
        "5 × 4 → 20 µs ≤ 3 σ², α–β…",
        "S²R³ + ½",
        "😀",
    ],
)
def test_ordinary_text_of_any_script_is_accepted(text: str) -> None:
    for form in ("NFC", "NFD"):
        check(Annotated[str, Text()], unicodedata.normalize(form, text))


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("a\u0323\u0302", True),
        ("a\u0334\u0335", True),
        ("a\u0334\u0335 \u0334\u0335", True),
        ("a\u0334\u0335\u0336", False),
        ("a\u0301\u0334\u0335\u0336", False),
        ("ก" + "\u0e47" * 3, False),
        ("a\u20dd\u20de\u20df", False),
        ("\u0301a", False),
        ("\u0301", False),
    ],
)
def test_more_than_two_combining_marks_are_refused(text: str, fits: bool) -> None:
    if fits:
        check(Annotated[str, Text()], text)
        return
    with pytest.raises(SubmissionError, match=r"^x: expected at most 2 combining marks on a letter, got more, with U"):
        check(Annotated[str, Text()], text)


LINKS = [
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    " https://example.com",
    "http://example.com",
    "https://",
    "https:///x",
    "//example.com",
    "data:text/html,x",
    "https://user@example.com/",
    'https://example.com/"><script>',
    "https://a b.c",
    "https://еxample.com/",
    "https://example.com/\n",
    "ftp://example.com",
    "https://localhost/",
    5,
]


@pytest.mark.parametrize("link", LINKS)
def test_only_https_links_are_accepted(root: Path, link: object) -> None:
    change(root, lambda document: document.update(paper={"title": "T", "url": link, "year": 2021}))
    assert_left_out(root, "paper.url: expected an https:// address")
    change(root, lambda document: document.update(paper=None, code=link))
    assert_left_out(root, "code: expected an https:// address")


def test_valid_links_and_unicode_text_are_accepted(root: Path) -> None:
    change(
        root,
        lambda document: document.update(
            code="https://github.com/a/b_c?x=1#y",
            authors=["Müller, Ängström", "王小明", "O'Neil & Co."],
            footnotes=["×4 at 30 < 31 dB; a − b = c"],
            paper={"title": "SR: 100% better?", "url": "https://arxiv.org/abs/2104.07566", "year": 2021},
        ),
    )
    assert not read_submissions(root).problems


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "..",
        ".",
        "a/b",
        "a\\b",
        "/etc/passwd",
        "a\0b",
        "C:x",
        ".hidden",
        "a..b",
        "a" * 200,
        "",
        "Ѕet5",
        "<b>",
        "a b ",
        "-rf",
    ],
)
def test_names_that_could_leave_the_folder_are_refused(root: Path, name: str) -> None:
    def rename(document: dict[str, Any]) -> None:
        run = document["runs"][0]
        run["datasets"] = {name: run["datasets"]["Set5"]}

    pristine = (root / "net-00000" / "submission.json").read_text()
    change(root, rename)
    assert_left_out(root, "a name in it")
    (root / "net-00000" / "submission.json").write_text(pristine)
    replace_table(root, table_bytes(edited_table(root, image=name)))
    assert_left_out(root, "scores.parquet, row 0, image")
    (root / "net-00000" / "submission.json").write_text(pristine)
    change(root, lambda document: document.update(id=name))
    assert_left_out(root, "submission.json")


@pytest.mark.parametrize(
    "name",
    [
        "Net",
        "nеt",
        "net_1",
        "-net",
        "a" * 65,
        "ｎｅｔ",
        "<script>alert(1)<",
        "net\n",
        "=1+1",
    ],
)
def test_folders_with_invalid_names_are_left_out(root: Path, name: str) -> None:
    (root / "net-00000").rename(root / name)
    change_back = root / name / "submission.json"
    change_back.write_text(change_back.read_text().replace("net-00000", name))
    assert_left_out(root, "the folder's name: expected an id")


def test_an_entry_with_a_different_id_is_left_out(root: Path) -> None:
    change(root, lambda document: document.update(id="net-00001"))
    assert_left_out(root, "the folder's name")


@pytest.mark.parametrize("which", ["submission.json", "scores.parquet", "verification.json", "samples", "the entry"])
def test_links_are_not_followed(root: Path, tmp_path: Path, which: str) -> None:
    victim = root / "net-00000" if which == "the entry" else root / "net-00000" / which
    elsewhere = tmp_path / "elsewhere"
    if victim.exists():
        victim.rename(elsewhere)
    else:
        elsewhere.mkdir() if which == "samples" else elsewhere.write_text("{}")
    victim.symlink_to(elsewhere)
    assert_left_out(root, "link")


def test_pipes_and_folders_in_place_of_files_are_left_out(root: Path) -> None:
    table = root / "net-00000" / "scores.parquet"
    table.unlink()
    os.mkfifo(table)
    assert_left_out(root, "expected a plain file")
    table.unlink()
    table.mkdir()
    assert_left_out(root, "expected a plain file")


def test_archives_and_other_files_are_refused(root: Path) -> None:
    with zipfile.ZipFile(root / "net-00000" / "images.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(50_000_000))
    assert_left_out(root, "archives and other files are not taken")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{",
        "[" * 200_000,
        '{"a":' * 50_000,
        '{"a": NaN}',
        '{"a": Infinity}',
        '{"a": 1e999}',
        "1" * 100_000,
        "\ufeff{}",
        '{"id": "a", "id": "b"}',
        "PK\x03\x04",
        "x" * 600_000,
    ],
    ids=lambda text: ascii(text[:12]),
)
def test_json_that_is_not_a_document_is_left_out(root: Path, text: str) -> None:
    (root / "net-00000" / "submission.json").write_text(text, encoding="utf-8")
    assert_left_out(root, "expected")


def test_bytes_that_are_not_utf8_are_left_out(root: Path) -> None:
    (root / "net-00000" / "submission.json").write_bytes(b'{"title": "\xff\xfe"}')
    assert_left_out(root, "JSON document in UTF-8")


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [place for key, entry in inner for place in _places(entry, (*path, key))]


def test_a_value_of_a_wrong_type_or_range_anywhere_is_left_out(root: Path) -> None:
    pristine = json.loads((root / "net-00000" / "submission.json").read_text())
    strange = [{"x": 1}, [[]], "<b>", -1, 1e300, 10**400, True, "x" * 70_000]
    for path in _places(pristine):
        for value in strange:
            document = copy.deepcopy(pristine)
            place = document
            for key in path[:-1]:
                place = place[key]
            if isinstance(value, bool) and isinstance(place[path[-1]], bool):
                continue
            place[path[-1]] = value
            (root / "net-00000" / "submission.json").write_text(json.dumps(document))
            with pytest.raises(SubmissionError):
                read_submission(root / "net-00000")


@pytest.mark.parametrize("number", [10**400, -(10**400), 10**4000, 1e300, math.nan, math.inf])
@pytest.mark.parametrize(
    "annotation",
    [
        Annotated[float, Number(0, 100)],
        Annotated[float, Number(-100, 200, infinity=True)],
        Annotated[int, Whole(0, 10**12)],
        Annotated[str, Text()],
        Annotated[int, OneOf((4,))],
        bool,
        Annotated[str, IsoDate()],
        Annotated[str, IsoTime()],
        tuple[bool, ...],
        RecordModel,
    ],
    ids=str,
)
def test_a_number_of_any_size_is_refused_by_its_bounds(annotation: Any, number: float) -> None:
    for value in (number, 16**5000):  # the last is longer than Python writes out, but TOML can spell it
        with pytest.raises(SubmissionError, match=r"^x: expected .* got [a-z0-9 .+-]{1,61}…?$"):
            check(annotation, value)


@pytest.mark.parametrize(
    "place",
    [
        lambda d, v: d.update(claims=[{"scale": 4, "dataset": "Set5", "psnr": v, "ssim": None, "source": "T"}]),
        lambda d, v: d.update(claims=[{"scale": 4, "dataset": "Set5", "psnr": 30, "ssim": v, "source": "T"}]),
        lambda d, v: d.update(runtime={"device": "cpu", "size": [1, 1], "fps": {"4": v}, "seconds_per_image": None}),
        lambda d, v: d.update(paper={"title": "T", "url": None, "year": v}),
        lambda d, v: d["runs"][0]["means"][0].update(psnr_lr=v),
    ],
    ids=["claimed psnr", "claimed ssim", "fps", "year", "mean"],
)
def test_a_huge_integer_does_not_affect_other_entries(root: Path, place: Callable[[dict[str, Any], Any], None]) -> None:
    change(root, lambda document: place(document, 10**400))
    assert_left_out(root, "expected a", "got an integer of 90 digits or more")


def test_a_missing_or_unknown_field_anywhere_is_left_out(root: Path) -> None:
    pristine = json.loads((root / "net-00000" / "submission.json").read_text())
    for path in [(), *(path for path in _places(pristine))]:
        place = document = copy.deepcopy(pristine)
        for key in path:
            place = place[key]
        if isinstance(place, dict):
            place["<script>"] = 1
            (root / "net-00000" / "submission.json").write_text(json.dumps(document))
            assert_left_out(root)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("psnr_y", math.nan),
        ("psnr_y", -math.inf),
        ("psnr_y", 1e6),
        ("psnr_y", math.inf),
        ("ssim_y", math.nan),
        ("ssim_y", math.inf),
        ("ssim_y", 1.1),
        ("psnr_lr", None),
        ("psnr_lr", math.nan),
        ("seconds", math.nan),
        ("seconds", -1.0),
        ("seconds", math.inf),
        ("psnr_rgb", 30.0),
        ("psnr_y", None),
        ("psnr_y_aliased", math.nan),
        ("model", "zoo:another"),
        ("model", None),
        ("dataset", "Set14"),
        ("scale", 3),
        ("protocol", "bam"),
        ("protocol_version", 9),
        ("image", None),
        ("image", "bird"),
        ("lr_source", "given"),
        ("hr_sha256", "0"),
        ("lr_sha256", None),
    ],
)
def test_impossible_rows_are_left_out(root: Path, column: str, value: object) -> None:
    replace_table(root, table_bytes(edited_table(root, **{column: value})))
    assert_left_out(root, "scores.parquet")


def test_equal_images_may_score_infinity(root: Path) -> None:
    table = edited_table(root, psnr_y=math.inf, ssim_y=1.0)
    replace_table(root, table_bytes(table))
    assert_left_out(root, "means: expected psnr of Set5 ×4 under matlab-y as its rows give it, inf, got 29.")
    change(root, lambda document: document["runs"][0].update(means=dataset_means(table)))
    assert not read_submissions(root).problems


def test_a_million_rows_are_not_read(root: Path) -> None:
    first = edited_table(root).slice(0, 1).to_pylist()[0]
    columns = [pa.repeat(pa.scalar(first[field.name], field.type), 1_000_000) for field in SCHEMA]
    replace_table(root, table_bytes(pa.Table.from_arrays(columns, schema=SCHEMA)))
    assert_left_out(root, "expected 10 rows (images × protocols of the runs), got 1000000")


def test_rows_that_the_runs_do_not_count_are_not_read(root: Path) -> None:
    replace_table(root, table_bytes(pa.concat_tables([edited_table(root)] * 2)))
    assert_left_out(root, "expected 10 rows (images × protocols of the runs), got 20")
    huge = {"fingerprint": "0" * 64, "variant": "own", "n": 10_000, "n_expected": 10_000}
    change(root, lambda document: [run.update(datasets={f"D{i}": huge for i in range(50)}) for run in document["runs"]])
    assert_left_out(root, "expected at most 50,000 scores")


def test_other_columns_are_left_out(root: Path) -> None:
    table = edited_table(root)
    for other in (
        table.append_column("x", pa.array([1] * len(table))),
        table.drop_columns(["seconds"]),
        table.rename_columns(["<script>", *table.column_names[1:]]),
        table.select(table.column_names[::-1]),
    ):
        replace_table(root, table_bytes(other))
        assert_left_out(root, "expected the columns")
    nested = table.set_column(0, "model", pa.array([["a"]] * len(table)))
    replace_table(root, table_bytes(nested))
    assert_left_out(root, "scores.parquet")


@pytest.mark.parametrize("text", ["PAR1" * 10, "", "x" * 5_000_000])
def test_tables_that_are_not_parquet_are_left_out(root: Path, text: str) -> None:
    replace_table(root, text.encode())
    assert_left_out(root, "scores.parquet: expected")


def test_a_damaged_table_is_left_out(root: Path) -> None:
    whole = (root / "net-00000" / "scores.parquet").read_bytes()
    for position in range(0, len(whole), 97):
        replace_table(root, whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1 :])
        collection = read_submissions(root)  # a bit that only a row's value holds may pass: nothing else may
        assert "net-00001" in [entry.id for entry in collection.entries]


@pytest.mark.parametrize(
    "settings",
    [
        {"compression": "zstd"},
        {"compression": "gzip"},
        {"compression": "brotli"},
        {"use_dictionary": False, "column_encoding": {"image": "DELTA_BYTE_ARRAY"}, "compression": "snappy"},
    ],
    ids=str,
)
def test_encodings_that_can_expand_without_limit_are_refused(root: Path, settings: dict[str, Any]) -> None:
    path = root / "net-00000" / "scores.parquet"
    pq.write_table(edited_table(root), path, **settings)
    replace_table(root, path.read_bytes())
    assert_left_out(root, "expected Snappy compression and plain or dictionary encoding")


def test_long_texts_in_every_row_are_not_unpacked(root: Path) -> None:
    data = table_bytes(edited_table(root, hr_sha256=lambda old: ["a" * 2_000_000] * len(old)))
    assert len(data) < 1 << 20
    replace_table(root, data)
    assert_left_out(root, "hr_sha256: expected texts of at most 200 characters")


def _png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(b"\0" * (width * 3 + 1) * height, 9)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


_TURNED = Image.Exif()
_TURNED[0x0112] = 3


def _picture(mode: str, **saving: Any) -> bytes:
    buffer = BytesIO()
    Image.new(mode, (104, 104)).save(buffer, "PNG" if mode == "L" or "icc_profile" in saving else "WEBP", **saving)
    return buffer.getvalue()


def _moving() -> bytes:
    buffer = BytesIO()
    first, second = (Image.new("RGB", (104, 104), colour) for colour in ("red", "blue"))
    first.save(buffer, "WEBP", save_all=True, append_images=[second])
    return buffer.getvalue()


# Made when they are needed: packing forty megapixels takes a moment, and every process that runs tests reads this file.
SAMPLES: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "40 megapixels": ("astronaut.png", lambda: _png(8000, 5000)[:90_000], "104×104 pixels"),
    "another size": ("astronaut.png", lambda: _png(1024, 1000), "104×104 pixels as srbench samples writes it, got"),
    "a smaller one": ("astronaut.png", lambda: _png(103, 104), "got 103×104"),
    "several frames": ("astronaut.webp", lambda: _moving(), "got 104×104, 2 frame(s)"),
    "too many bytes": ("astronaut.png", lambda: _png(104, 104) + bytes(150_000), "at most 150,000 bytes"),
    "no picture": ("astronaut.png", lambda: b"<script>alert(1)</script>", "does not decode"),
    "of another format": ("astronaut.webp", lambda: _png(104, 104), "as its name says, got one that does not decode"),
    "one channel": ("astronaut.png", lambda: _picture("L"), "expected plain RGB as srbench samples writes it, got L"),
    "see-through": ("astronaut.webp", lambda: _picture("RGBA"), "got RGBA"),
    "of other colours": ("astronaut.png", lambda: _picture("RGB", icc_profile=b"any"), "got RGB, icc_profile"),
    "turned by the viewer": ("astronaut.webp", lambda: _picture("RGB", exif=_TURNED), "got RGB, exif"),
    "cut off": ("astronaut.png", lambda: _png(104, 104)[:60], "does not decode"),
    **{
        name: (name, lambda: _png(104, 104), "samples: expected NAME.png or NAME.webp, NAME being astronaut, brick")
        for name in (
            "astronaut.svg",
            "a.html",
            "..png",
            "<b>.png",
            "not_a_sample.png",
            "Astronaut.png",
            "astronaut",
            "astronaut_x8.webp",
            "chelsea_x2.webp",
            "astronaut.png.png",
            ".astronaut.png",
            "astronaut.PNG",
            "astronaut .png",
        )
    },
}


@pytest.mark.parametrize(("name", "make", "reason"), SAMPLES.values(), ids=list(SAMPLES))
def test_samples_that_are_not_small_pictures_are_left_out(
    root: Path, name: str, make: Callable[[], bytes], reason: str
) -> None:
    folder = root / "net-00000" / "samples"
    folder.mkdir()
    (folder / name).write_bytes(make())
    assert_left_out(root, reason)


def test_small_samples_are_accepted_and_change_the_digest(root: Path) -> None:
    before = read_submissions(root).entries[0]
    (before.folder / "samples").mkdir()
    (before.folder / "samples" / "astronaut.png").write_bytes(_png(104, 104))
    after = read_submissions(root).entries[0]
    assert after.samples == ("astronaut.png",)
    assert after.digest != before.digest
    assert after.checked_sha256 == before.checked_sha256
    (before.folder / "samples" / "astronaut.webp").write_bytes(b"")
    assert_left_out(root, "samples: expected one file of astronaut, got astronaut.png and astronaut.webp")


def test_crops_of_a_scale_without_scores_are_left_out(tmp_path: Path) -> None:
    [folder] = generate(tmp_path, 1, scales=(3,))
    (folder / "samples").mkdir()
    (folder / "samples" / "astronaut.png").write_bytes(_png(104, 104))
    with pytest.raises(SubmissionError, match="samples: expected scores at ×4 for crops of that scale, got none"):
        read_submission(folder)


def imitate(root: Path, *ids: str, date: str = "2026-01-01") -> None:
    """Copies of the first entry under other ids."""
    for name in ids:
        shutil.copytree(root / "net-00000", root / name)
        path = root / name / "submission.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "id": name, "date": date}))


def verify(root: Path, id: str, level: str) -> None:
    """What the maintainers write, for an entry as it is now."""
    entry = read_submission(root / id)
    document = {
        "schema_version": 1,
        "id": id,
        "level": level,
        "date": "2026-01-01",
        "rows": 10,
        "largest_deviation": {"psnr": 0, "ssim": 0},
        "tolerance": "none",
        "checked_sha256": entry.checked_sha256,
        "environment": plain_document(entry)["runs"][0]["environment"],
    }
    text = json.dumps(document)
    (root / id / "verification.json").write_text(text)
    listed = {name: found.plain() for name, found in read_verified(root).entries.items()}
    listed |= {id: {"level": level, "sha256": hashlib.sha256(text.encode()).hexdigest()}}
    (root / "verified.json").write_text(json.dumps({"schema_version": 1, "entries": listed}))


@pytest.mark.parametrize("date", ["2000-01-01", "2026-01-01", "2026-01-02"])
def test_claimed_look_alikes_are_all_left_out(root: Path, date: str) -> None:
    imitate(root, "net-oo000", date=date)
    collection = read_submissions(root)
    assert [entry.id for entry in collection.entries] == ["net-00001"]
    alike = "expected an id that looks different from the others, got one that looks like"
    both = "neither is verified, so both are left out: one has to choose another"
    assert {problem.id: problem.message for problem in collection.problems} == {
        "net-00000": f"{alike} 'net-oo000'; {both}",
        "net-oo000": f"{alike} 'net-00000'; {both}",
    }
    imitate(root, "net-o0000", date=date)
    collection = read_submissions(root)
    assert [entry.id for entry in collection.entries] == ["net-00001"]
    assert [problem.id for problem in collection.problems] == ["net-00000", "net-o0000", "net-oo000"]


@pytest.mark.parametrize(
    ("levels", "kept"),
    [
        ({"net-00000": "images-rescored"}, "net-00000"),
        ({"net-oo000": "images-rescored"}, "net-oo000"),
        ({"net-00000": "images-rescored", "net-oo000": "model-rerun"}, "net-oo000"),
        ({"net-00000": "model-rerun", "net-oo000": "images-rescored"}, "net-00000"),
        ({"net-00000": "model-rerun", "net-oo000": "model-rerun"}, "net-oo000"),
    ],
    ids=str,
)
def test_the_highest_verified_look_alike_is_shown(root: Path, levels: dict[str, str], kept: str) -> None:
    """A date decides between two that the maintainers have verified alike, and nowhere else."""
    imitate(root, "net-oo000", "net-0o000", date="2025-12-31")
    for id, level in levels.items():
        verify(root, id, level)
    collection = read_submissions(root)
    assert (
        [(entry.id, entry.level) for entry in collection.entries] == [(kept, levels[kept]), ("net-00001", "claimed")]
        if kept < "net-00001"
        else [("net-00001", "claimed"), (kept, levels[kept])]
    )
    others = sorted({"net-00000", "net-oo000", "net-0o000"} - {kept})
    assert [(problem.id, problem.message) for problem in collection.problems] == [
        (id, f"expected an id that looks different from the others, got one that looks like {kept!r}; choose another")
        for id in others
    ]


@pytest.mark.parametrize(
    ("date", "reason"),
    [
        ("0001-01-01", "a date from 2000-01-01 on"),
        ("1999-12-31", "a date from 2000-01-01 on"),
        ("2000-01-01", ""),
        ("2026-02-28", ""),
        ("2028-02-29", ""),
        ("2028-03-01", ""),
        ("2028-03-02", "a date that is not in the future, up to 2028-03-01"),
        ("9999-12-31", "a date that is not in the future, up to 2028-03-01"),
        ("2026-02-29", "a date that exists"),
        ("2026-1-01", "a date YYYY-MM-DD"),
        ("２026-01-01", "a date YYYY-MM-DD"),
    ],
)
def test_dates_are_from_2000_to_today(root: Path, monkeypatch: pytest.MonkeyPatch, date: str, reason: str) -> None:
    at_clock(monkeypatch, 2028, 2, 29)
    change(root, lambda document: document.update(date=date))
    if reason:
        assert_left_out(root, f"submission.json.date: expected {reason}, got '")
    else:
        assert not read_submissions(root).problems
    started = f"{date}T23:59:59+00:00"
    change(root, lambda document: (document.update(date="2026-01-01"), document["runs"][0].update(started=started)))
    if reason:
        expected = reason.replace("date YYYY-MM-DD", "UTC time in ISO 8601")
        assert_left_out(root, f"submission.json.runs[0].started: expected {expected}, got '")
    else:
        assert not read_submissions(root).problems


@pytest.mark.parametrize(
    ("time", "fits"),
    [
        ("2026-01-31T00:00:00Z", True),
        ("2026-01-31T23:59:59.999999+00:00", True),
        ("2026-01-31T24:00:00Z", False),
        ("2026-01-31T25:00:00Z", False),
        ("2026-01-31T23:60:00Z", False),
        ("2026-01-31T23:59:60Z", False),
        ("2026-13-31T00:00:00Z", False),
        ("2026-00-01T00:00:00Z", False),
        ("2026-02-30T00:00:00Z", False),
        ("0000-01-01T00:00:00Z", False),
        ("2026-01-31T00:00:00+02:00", False),
        ("2026-01-31 00:00:00Z", False),
        ("2026-01-31T00:00:00", False),
        ("2026-01-31T00:00:00Z\n", False),
        (1, False),
        (None, False),
    ],
)
def test_times_exist_on_the_calendar_and_clock(time: object, fits: bool) -> None:
    if fits:
        check(Annotated[str, IsoTime()], time)
        return
    with pytest.raises(SubmissionError, match=r"^x: expected a (UTC time in ISO 8601|date that exists), got "):
        check(Annotated[str, IsoTime()], time)


def test_a_past_date_is_accepted_forever(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    change(root, lambda document: document.update(date="2028-03-01"))
    at_clock(monkeypatch, 2028, 2, 28)
    assert_left_out(root, "submission.json.date: expected a date that is not in the future, up to 2028-02-29")
    for day in ((2028, 2, 29), (2028, 3, 1), (2999, 1, 1)):
        at_clock(monkeypatch, *day)
        assert not read_submissions(root).problems
    verify(root, "net-00000", "model-rerun")
    at_clock(monkeypatch, 2028, 1, 1)  # a clock that is behind hides nothing that was verified
    assert not read_submissions(root).problems
    at_clock(monkeypatch, 2028, 3, 1)
    change(root, lambda document: document.update(date="2028-03-03"))  # which ends the verification
    assert_left_out(root, "submission.json.date: expected a date that is not in the future, up to 2028-03-02")


def at_clock(monkeypatch: pytest.MonkeyPatch, *day: int) -> None:
    """Let the last minute of a day be now, as the check sees it."""
    clock = type("Clock", (datetime,), {"now": classmethod(lambda cls, zone: cls(*day, 23, 59, tzinfo=zone))})
    monkeypatch.setattr(dates, "datetime", clock)


def test_a_footer_with_a_false_encoding_is_refused(root: Path) -> None:
    """Prefix packing unfolds a few bytes to a long text in every row; the footer here calls it plain."""
    path = root / "net-00000" / "scores.parquet"
    long = edited_table(root, image=lambda old: ["a" * 100_000] * len(old))
    pq.write_table(long, path, use_dictionary=False, column_encoding={"image": "DELTA_BYTE_ARRAY"})
    honest, lie = b"\x25\x06\x0e", b"\x25\x06\x00"
    data = path.read_bytes()
    assert data.count(honest) == 1
    replace_table(root, data.replace(honest, lie))
    assert_left_out(root, "scores.parquet: expected a complete score table")


def test_a_footer_with_a_number_of_another_width_is_refused(root: Path) -> None:
    """pyarrow passes over a repetition of 64 bits, takes the column for required, and ends the process."""
    data = (root / "net-00000" / "scores.parquet").read_bytes()
    optional, wider = b"\x25\x02\x18\x05scale", b"\x26\x02\x18\x05scale"
    assert data.count(optional) == 1
    replace_table(root, data.replace(optional, wider))
    assert_left_out(root, "a column that is not optional")
