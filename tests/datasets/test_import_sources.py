"""Import of what people download or keep: hub Parquet, archives of every make, own TIFF and WebP, odd names."""

from __future__ import annotations

import io
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from PIL import Image

from srbench.cli import main
from srbench.datasets import open_dataset
from srbench.datasets.importing import import_dataset
from srbench.errors import DatasetError, FetchError, ImageError, SrbenchError
from srbench.images import decode, encode_png
from tests.datasets.layouts import content, flat, image, names_of

_HR, _LR = content("Set5")
_HUB_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def _parquet(path: Path, columns: Mapping[str, object], types: dict[str, pa.DataType] | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fields = [pa.field(name, (types or {}).get(name, _HUB_IMAGE)) for name in columns]
    pq.write_table(pa.table(columns, schema=pa.schema(fields)), path, row_group_size=2)


def _cells(images: dict[str, bytes], path: str = "{}.png") -> list[object]:
    return [{"bytes": data, "path": path.format(name)} for name, data in images.items()]


def _shards(root: Path) -> None:
    for shard, names in enumerate((list(_HR)[:3], list(_HR)[3:])):
        cells = _cells({name: _HR[name] for name in names})
        _parquet(root / "data" / f"test-{shard:05}-of-00002.parquet", {"image": cells})


def _named_rows(root: Path) -> None:
    columns = {"hr": list(_HR.values()), "lr": list(_LR[4].values()), "file_name": [f"{name}.png" for name in _HR]}
    types = {"hr": pa.binary(), "lr": pa.binary(), "file_name": pa.string()}
    _parquet(root / "set5.parquet", columns, types)


def _zip(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            item = zipfile.ZipInfo("x")
            item.filename = name  # as it is: ZipInfo would mend it
            archive.writestr(item, data)
    return buffer.getvalue()


def _archive(files: dict[str, bytes]) -> Callable[[Path], object]:
    return lambda root: (root / "archive.zip").write_bytes(_zip(files))


def _converted(suffix: str, **options: object) -> Callable[[Path], None]:
    def write(root: Path) -> None:
        for name, data in _HR.items():
            Image.fromarray(decode(data)).save(root / f"{name}{suffix}", **options)  # type: ignore[arg-type]

    return write


def _upper(images: dict[str, bytes], folder: str) -> dict[str, bytes]:
    return {f"{folder}{name}.PNG": data for name, data in images.items()}


SOURCES: dict[str, tuple[Callable[[Path], object], tuple[int, ...]]] = {
    "hub-pairs": (lambda r: _parquet(r / "t.parquet", {"lr": _cells(_LR[4], "{}x4.png"), "hr": _cells(_HR)}), (4,)),
    "hub-lr-scales": (
        lambda r: _parquet(
            r / "t.parquet", {"hr": _cells(_HR), "lr_x2": _cells(_LR[2]), "lr_bicubic_x4": _cells(_LR[4])}
        ),
        (2, 4),
    ),
    "hub-shards": (_shards, ()),
    "hub-binary-and-names": (_named_rows, (4,)),
    "nested-zips": (
        _archive(
            {
                "Set5/HR.zip": _zip(_upper(_HR, "HR/")),
                "Set5/lr.zip": _zip({f"LR_bicubic/X2/{name}x2.png": data for name, data in _LR[2].items()}),
            }
        ),
        (2,),
    ),
    "folder-of-zips": (
        lambda r: (
            [
                (r / "HR.zip").write_bytes(_zip(_upper(_HR, ""))),
                (r / "LR_bicubic_X4.zip").write_bytes(_zip(_upper(_LR[4], ""))),
            ]
        ),
        (4,),
    ),
    "windows-zip": (
        _archive({"Set5\\": b"", **_upper(_HR, "Set5\\HR\\"), **_upper(_LR[4], "Set5\\LR_bicubic\\X4\\")}),
        (4,),
    ),
    "sub-folders": (
        lambda r: (
            [
                flat(r / "people", {n: _HR[n] for n in list(_HR)[:2]}, {}, "Set5"),
                flat(r / "animals", {n: _HR[n] for n in list(_HR)[2:]}, {}, "Set5"),
            ]
        ),
        (),
    ),
    "tiff": (_converted(".tif", compression="tiff_lzw"), ()),
    "tiff-plain": (_converted(".TIFF"), ()),
    "webp": (_converted(".webp", lossless=True), ()),
}
"""How each source is written below a folder, and the scales of LR in it."""


@pytest.mark.parametrize("source", SOURCES)
def test_each_source_gives_the_same_pixels(source: str, tmp_path: Path) -> None:
    write, scales = SOURCES[source]
    given = tmp_path / "given"
    given.mkdir()
    write(given)
    inside = list(given.iterdir())
    result = CliRunner().invoke(
        main,
        ["data", "import", "Set5", str(inside[0] if len(inside) == 1 else given), "--data-root", str(tmp_path / "r")],
    )
    assert result.exit_code == 0, result.output
    images = open_dataset("Set5", data_root=tmp_path / "r")
    assert images.names == list(_HR) and images.given_scales == scales
    assert all(np.array_equal(images.hr(name), decode(data)) for name, data in _HR.items())
    for scale in scales:
        assert all(np.array_equal(images.given_lr(n, scale=scale), decode(d)) for n, d in _LR[scale].items())
    assert {path.name for path in (tmp_path / "r" / "Set5").iterdir()} - {".lock"} == {"test.parquet"}


def test_names_of_macos_equal_the_composed_ones(tmp_path: Path) -> None:
    names = ("café", "naïve")
    for index, name in enumerate(names):
        folder = tmp_path / "given" / "HR"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{unicodedata.normalize('NFD', name)}.png").write_bytes(encode_png(image(index)))
        lr = tmp_path / "given" / "LR_bicubic" / "X4"
        lr.mkdir(parents=True, exist_ok=True)
        (lr / f"{name}x4.png").write_bytes(encode_png(image(index, height=3, width=4)))
    (report,) = import_dataset("RealSR7", [tmp_path / "given"], data_root=tmp_path / "root")
    assert (report.names, report.lr_scales) == (names, (4,))
    assert open_dataset(f"folder:{tmp_path / 'given' / 'HR'}").names == list(names)


def test_hub_rows_without_names_are_found_by_their_pixels(test_data: Path, tmp_path: Path) -> None:
    hr = [(test_data / "data/Set5/HR" / f"{name}.png").read_bytes() for name in names_of("Set5")]
    lr = [(test_data / "data/Set5/LR_bicubic/X4" / f"{name}x4.png").read_bytes() for name in names_of("Set5")]
    columns = {
        "hr": [{"bytes": data, "path": None} for data in hr],
        "lr": [{"bytes": data, "path": None} for data in lr],
    }
    _parquet(tmp_path / "validation-00000-of-00001.parquet", columns)
    (report,) = import_dataset("Set5", [tmp_path], data_root=tmp_path / "root")
    assert (report.variant, report.lr_scales, list(report.names)) == ("canonical", (4,), names_of("Set5"))


def _cut_zip(path: Path) -> None:
    path.write_bytes(_zip(_upper(_HR, "HR/"))[:-400])


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (_cut_zip, r"a zip that ends early, after \d+ bytes: .*download it again"),
        (lambda path: path.write_bytes(b"<!DOCTYPE html><title>Sign in</title>"), "an HTML page"),
        (lambda path: path.write_bytes(b""), "an empty file; download it again"),
        (lambda path: path.write_bytes(b"Rar!\x1a\x07\x00" + bytes(99)), "a RAR archive; unpack it yourself"),
        (lambda path: path.write_bytes(b"\x1f\x8b" + bytes(99)), "holds no tar, or ends early"),
    ],
)
@pytest.mark.parametrize("inside", [False, True])
def test_a_damaged_archive_is_named(
    inside: bool, write: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    (tmp_path / "given").mkdir()
    path = tmp_path / "given" / "Set5.zip"
    write(path)
    with pytest.raises(DatasetError, match=message):
        import_dataset("Set5", [path.parent if inside else path], data_root=tmp_path / "root")


def test_a_bomb_of_nested_archives_is_refused(tmp_path: Path) -> None:
    bomb = _deflated({"zeros.png": bytes(40 << 20)})
    (tmp_path / "bomb.zip").write_bytes(_zip({f"{number}.zip": bomb for number in range(9)}))
    with pytest.raises(FetchError, match="bytes when unpacked"):
        import_dataset("Set5", [tmp_path / "bomb.zip"], data_root=tmp_path / "root")
    assert not list((tmp_path / "root").rglob("*.png"))


def _deflated(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("suffix", "options", "mode", "message"),
    [
        (".webp", {"quality": 90}, "RGB", "lossy WebP"),
        (".tif", {"compression": "jpeg"}, "RGB", "TIFF with jpeg compression"),
        (".tif", {}, "I;16", r"8 bits|TIFF of"),
        (".tif", {"exif": {0x0112: 6}}, "RGB", "a rotated TIFF"),
        (".tif", {}, "CMYK", "colour mode CMYK"),
    ],
)
def test_own_formats_whose_pixels_depend_on_the_reader_are_refused(
    suffix: str, options: dict[str, object], mode: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "given").mkdir()
    picture = Image.fromarray(image(0))
    if "exif" in options:
        exif = Image.Exif()
        exif[0x0112] = 6
        options = {"exif": exif}
    (picture.convert("L").convert(mode) if mode == "I;16" else picture.convert(mode)).save(
        tmp_path / "given" / f"baby{suffix}",
        **options,  # type: ignore[arg-type]
    )
    with pytest.raises(ImageError, match=message):
        import_dataset("Set5", [tmp_path / "given"], data_root=tmp_path / "root")


def test_downloads_read_no_further_formats(tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    _converted(".webp", lossless=True)(tmp_path / "given")
    with pytest.raises(DatasetError, match="not an image"):
        import_dataset("Set5", [tmp_path / "given"], data_root=tmp_path / "root", own_formats=False)


@pytest.mark.parametrize(
    ("columns", "types", "message"),
    [
        ({"text": ["a"]}, {"text": pa.string()}, "one column of HR images .* got text"),
        ({"hr": [{"bytes": None, "path": "/home/x/baby.png"}]}, {}, "got a path in row 1"),
        ({"a": [None], "b": [None]}, {}, "one column of HR images .* got a, b"),
    ],
)
def test_parquet_without_images_says_what_it_has(
    columns: Mapping[str, object], types: dict[str, pa.DataType], message: str, tmp_path: Path
) -> None:
    _parquet(tmp_path / "t.parquet", columns, types)
    with pytest.raises(DatasetError, match=message):
        import_dataset("Set5", [tmp_path / "t.parquet"], data_root=tmp_path / "root")
    (tmp_path / "t.parquet").write_bytes(b"PAR1 and not more")
    with pytest.raises(DatasetError, match="cannot be read"):
        import_dataset("Set5", [tmp_path / "t.parquet"], data_root=tmp_path / "root")


def test_a_folder_next_to_hr_is_not_merged_into_it(tmp_path: Path) -> None:
    flat(tmp_path / "given" / "HR", content("RealSR7")[0], {}, "RealSR7")
    flat(tmp_path / "given" / "previews", {"overview": encode_png(image(3))}, {}, "RealSR7")
    (report,) = import_dataset("RealSR7", [tmp_path / "given"], data_root=tmp_path / "root")
    assert list(report.names) == names_of("RealSR7")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _sixteen_behind_text() -> bytes:
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0))
    pixels = _chunk(b"IDAT", zlib.compress(b"\0" + bytes(range(12))))
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"tEXt", b"a\0b") + head + pixels + _chunk(b"IEND", b"")


def _palette(entries: int | None) -> bytes:
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 1, 8, 3, 0, 0, 0))
    table = b"" if entries is None else _chunk(b"PLTE", bytes(range(3 * entries)))
    return b"\x89PNG\r\n\x1a\n" + head + table + _chunk(b"IDAT", zlib.compress(b"\0\0\1\2\3")) + _chunk(b"IEND", b"")


def _bmp(bits: int, colours: int) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, 4, 1, 1, bits, 0, 0, 0, 0, colours, 0)
    table, row = bytes(range(4 * colours)), bytes([0, 1, 2, 3]) if bits == 8 else bytes(range(8))
    return b"BM" + struct.pack("<IHHI", 54 + len(table) + len(row), 0, 0, 54 + len(table)) + head + table + row


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (_sixteen_behind_text(), "its header is not the first part"),
        (_palette(3), "3 entries for index 3"),
        (_palette(None), "palette|does not decode"),
        (_bmp(8, 3), "3 entries for index 3"),
        (_bmp(16, 0), "5 or 6 bits a sample"),
    ],
)
def test_values_that_depend_on_the_decoder_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        decode(data, name="flower")


def test_whole_palettes_give_their_colours() -> None:
    expected = np.arange(12, dtype=np.uint8).reshape(1, 4, 3)
    assert np.array_equal(decode(_palette(4)), expected)
    assert decode(_bmp(8, 4))[0, 1].tolist() == [6, 5, 4]


def test_a_phone_picture_gives_its_first_image() -> None:
    main_picture, preview = (Image.fromarray(image(seed, height=16, width=16)) for seed in (0, 1))
    plain, phone = io.BytesIO(), io.BytesIO()
    main_picture.save(plain, "JPEG")
    main_picture.save(phone, "MPO", save_all=True, append_images=[preview])
    assert np.array_equal(decode(phone.getvalue()), decode(plain.getvalue()))


def test_backslashes_do_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    for name in ("..\\evil.png", "C:\\evil.png", "\\evil.png"):
        (tmp_path / "a.zip").write_bytes(_zip({name: b"x"}))
        with pytest.raises(SrbenchError, match="leaves the folder"):
            import_dataset("Set5", [tmp_path / "a.zip"], data_root=tmp_path / "root")
