"""Checkpoints that attack their reader: self-references, huge announcements, odd element types, hostile records."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Iterator
from typing import Any

import torch

STORAGE = b"ctorch\nFloatStorage\n"
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"
Files = Iterator[tuple[str, bytes]]


def torch_zip(pickled: bytes, storages: dict[str, bytes], *, deflated: bool = False) -> bytes:
    """Return a file of `torch.save` with this pickle and these storages."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED) as archive:
        archive.writestr("x/data.pkl", pickled)
        archive.writestr("x/byteorder", "little")
        for key, data in storages.items():
            archive.writestr(f"x/data/{key}", data)
    return buffer.getvalue()


def tensor(size: str, stride: str, *, offset: str = "I0\n", storage: bytes = STORAGE, count: int = 4) -> bytes:
    """Return the opcodes of a tensor over storage "0"; `size` and `stride` are opcodes of tuples."""
    reference = b"(Vstorage\n" + storage + b"V0\nVcpu\nI%d\ntQ" % count
    return REBUILD + b"(" + reference + (offset + size + stride).encode("latin1") + b"I00\nNtR"


def state(value: bytes) -> bytes:
    """Return the pickle of a dict with one value under the key `w`."""
    return b"\x80\x02}Vw\n" + value + b"s."


def _numbers(values: list[int]) -> str:
    return "(" + "".join(f"I{value}\n" for value in values) + "t"


def pickles() -> Files:
    """Yield pickles that Python's own reader would not survive."""
    yield "a dict in itself", b"\x80\x02}q\x00Vself\nh\x00s."
    yield "two dicts in each other", b"\x80\x02}q\x00}q\x01Va\nh\x00sVb\nh\x01s0h\x00Va\nh\x01s."
    yield "a list in itself", b"\x80\x02}Vw\n]q\x00h\x00as."
    yield "wrappers without end", b"\x80\x02}q\x00Vparams\nh\x00s."
    pairs = b"\x80\x02)q\x00" + b"".join(b"h%ch%c\x86q%c" % (n, n, n + 1) for n in range(60))
    yield "nested tuples as a key", pairs + b"}h\x3cI1\ns."
    yield "nested tuples as a value", pairs + b"}Vw\nh\x3cs."
    yield "nested tuples in a set", pairs + b"0\x8f(h\x3c\x90."
    yield "nested tuples in a frozenset", pairs + b"0(h\x3c\x91."
    yield "nested tuples in an OrderedDict", pairs + b"0ccollections\nOrderedDict\n((h\x3cI1\ntltR."
    lists = b"\x80\x02}q\x00" + b"".join(b"}(Va\nh%cVb\nh%cuq%c" % (n, n, n + 1) for n in range(60))
    yield "nested dicts that share parts", lists + b"."
    yield "lists inside each other", b"\x80\x02" + b"]" * 5000 + b"a" * 4999 + b"."
    yield "tuples inside each other", b"\x80\x02)" + b"\x85" * 100_000 + b"."
    text = b"\x80\x02X" + struct.pack("<I", 50_000) + b"a" * 50_000 + b"q\x000"
    yield "a text encoded again and again", text + b"(" + b"c_codecs\nencode\nh\x00Vlatin1\n\x86R" * 5000 + b"l."
    yield (
        "a list copied again and again",
        b"\x80\x02](" + b"N" * 9999 + b"eq\x000(" + (b"c__builtin__\nlist\nh\x00\x85R" * 5000 + b"l."),
    )
    yield "a state for a plain dict", b"\x80\x02}q\x00}Va\nI1\nsb."
    yield "attributes of an OrderedDict", state(b"ccollections\nOrderedDict\n)R}V__class__\nI1\nsb")
    yield "items of an OrderedDict replaced", state(b"ccollections\nOrderedDict\n)R}Vitems\nI1\nsb")
    yield "a state for a storage", b"\x80\x02(Vstorage\n" + STORAGE + b"V0\nVcpu\nI4\ntQ(I1\nI2\nI3\nI4\nI5\nlb."
    yield "a state for a function", b"\x80\x02" + REBUILD + b"}Va\nI1\nsb."
    yield "items for a byte array", b"\x80\x05\x96" + struct.pack("<Q", 4) + b"abcd(I1\nI2\ne."
    yield "a byte array longer than the file", b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b"abcd."
    yield "bytes longer than the file", b"\x80\x04\x8e" + struct.pack("<Q", 1 << 40) + b"abcd."
    yield "a text longer than the file", b"\x80\x04\x8d" + struct.pack("<Q", 1 << 34) + b"abcd."
    yield "a number longer than the file", b"\x80\x02\x8b" + struct.pack("<i", 1 << 30) + b"abcd."
    yield "a number of 100,000 digits", b"\x80\x02L" + b"9" * 100_000 + b"L\n."
    yield "a frame longer than the file", b"\x80\x04\x95" + struct.pack("<Q", 1 << 50) + b"}."
    yield "a memo index of two thousand million", b"\x80\x02}r\xff\xff\xff\x7f."
    yield "an extension code", b"\x80\x02\x82\x01."
    yield "an out-of-band buffer", b"\x80\x05\x97."
    yield "code of the system", b"\x80\x02cos\nsystem\nVtrue\n\x85R."
    yield "code through a deep name", b"\x80\x04\x8c\x05torch\x8c\x0fserialization.os\x93."
    yield "code through INST", b"(Vtrue\nios\nsystem\n."
    yield "code through OBJ", b"\x80\x02(cos\nsystem\nVtrue\no."
    yield "code through NEWOBJ", b"\x80\x02csubprocess\nPopen\nVtrue\n\x85\x81."
    yield "a name with a line break", b"\x80\x04\x8c\x04os\n\x1b\x8c\x06system\x93."
    yield (
        "colliding integers as keys",
        b"\x80\x02}("
        + (b"".join(b"\x8a\x0a" + (n * ((1 << 61) - 1)).to_bytes(10, "little") + b"N" for n in range(20_000)) + b"u."),
    )
    yield "a stack that is empty", b"\x80\x02."
    yield "a mark that is missing", b"\x80\x02e."
    nested = pickle.dumps(torch.serialization.MAGIC_NUMBER, 2)
    load = b"ctorch.storage\n_load_from_bytes\nB" + struct.pack("<I", len(nested)) + nested + b"\x85R"
    yield "a nested file that is cut", b"\x80\x03" + load + b"."
    yield "a reference with a count without end", b"\x80\x02(Vstorage\n" + STORAGE + b"V0\nVcpu\nF1e999\ntQ."
    array = b"cnumpy.core.multiarray\n_reconstruct\n)R(I1\n%scnumpy\ndtype\nV%s\n\x85RI00\nC\x04abcdtb"
    for name, shape, code in [
        ("of 2**60 values", b"I%d\n\x85" % (1 << 60), b"f4"),
        ("of negative size", b"I-4\n\x85", b"f4"),
        ("of objects", b"I1\n\x85", b"O8"),
        ("of a million columns", b"I1\n\x85", b"(1000000,1000000)f4"),
        ("of texts as sizes", b"Vaaaa\n\x85", b"f4"),
    ]:
        yield f"an array {name}", state(array % (shape, code))


def tensors() -> Files:
    """Yield files of `torch.save` whose tensors are not what they announce."""
    four = struct.pack("<4f", 1, 2, 3, 4)
    one = "I1\n\x85"
    shapes: list[tuple[str, bytes]] = [
        ("of 2**40 values with stride 0", tensor(f"I{1 << 40}\n\x85", "I0\n\x85")),
        ("of 2**62 times 2**62 values", tensor(f"I{1 << 62}\nI{1 << 62}\n\x86", "I0\nI0\n\x86")),
        ("of 5,000 dimensions", tensor(_numbers([1] * 5000), _numbers([1] * 5000))),
        ("of negative size", tensor("I-1\n\x85", one)),
        ("of negative stride", tensor(one, "I-1\n\x85")),
        ("behind its storage", tensor("I4\n\x85", one, offset="I3\n")),
        ("with a negative offset", tensor("I4\n\x85", one, offset="I-3\n")),
        ("with a text as size", tensor("Vaaaaaaaa\nI1000000000\n\x86", "I1\nI1\n\x86")),
        ("with truth as size", tensor("I01\n\x85", one)),
        ("with an endless size", tensor("F1e999\n\x85", one)),
        ("with fewer strides than sizes", tensor("I2\nI2\n\x86", one)),
        ("whose size is no tuple", tensor("I4\n", one)),
        ("over a text", REBUILD + b"(Vabc\nI0\nI1\n\x85I1\n\x85I00\nNtR"),
        ("over another tensor", REBUILD + b"(" + tensor(one, one) + b"I0\nI1\n\x85I1\n\x85I00\nNtR"),
        ("of a storage that is not in the file", tensor(one, one).replace(b"V0\n", b"V7\n")),
        ("of a storage outside the folder", tensor(one, one).replace(b"V0\n", b"V../../etc/passwd\n")),
    ]
    for name in ("QInt8Storage", "QUInt8Storage", "Float8_e4m3fnStorage", "NoStorage"):
        shapes.append((f"of {name}", tensor(one, one, storage=b"ctorch\n%s\n" % name.encode())))
    for name in ("float8_e5m2", "qint8", "bits8", "quint4x2"):
        call = b"ctorch._utils\n_rebuild_tensor_v3\n(" + b"(Vstorage\nctorch\nUntypedStorage\nV0\nVcpu\nI4\ntQ"
        shapes.append((f"of dtype {name}", call + b"I0\nI1\n\x85I1\n\x85I00\nN" + b"ctorch\n%s\ntR" % name.encode()))
    for name in (
        "_rebuild_sparse_tensor",
        "_rebuild_qtensor",
        "_rebuild_meta_tensor_no_storage",
        "_rebuild_wrapper_subclass",
    ):
        shapes.append((f"through {name}", b"ctorch._utils\n%s\n(I1\nI2\nI3\nI4\ntR" % name.encode()))
    for name, value in shapes:
        yield f"a tensor {name}", torch_zip(state(value), {"0": four})
    view = tensor(f"I{1 << 22}\n\x85", "I0\n\x85")
    yield (
        "10,000 tensors that repeat one value",
        torch_zip(b"\x80\x02}(" + b"".join(b"V%d\n" % n + view for n in range(10_000)) + b"u.", {"0": four}),
    )
    small = tensor(one, one)
    yield (
        "110,000 tensors",
        torch_zip(
            b"\x80\x02" + small + b"q\x000}(" + b"".join(b"V%d\nh\x00" % n for n in range(110_000)) + b"u.", {"0": four}
        ),
    )


def archives() -> Files:
    """Yield zip files that are no plain file of `torch.save`."""
    one = state(tensor("I4\n\x85", "I1\n\x85"))
    four = struct.pack("<4f", 1, 2, 3, 4)
    yield "deflated storages", torch_zip(one, {"0": bytes(50 << 20)}, deflated=True)
    yield "no pickle", torch_zip(one, {}).replace(b"data.pkl", b"data.pkk")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x/data.pkl", one)
        archive.writestr("y/data.pkl", one)
    yield "two pickles", buffer.getvalue()
    whole = torch_zip(one, {"0": four})
    where = whole.rindex(b"PK\x01\x02")
    yield (
        "a storage that announces 4 GB",
        (whole[: where + 20] + struct.pack("<II", 0xFFFFFFF0, 0xFFFFFFF0) + whole[where + 28 :]),
    )
    yield "a value that is not finite", torch_zip(one, {"0": struct.pack("<4f", 1, 2, float("nan"), 4)})
    yield "big-endian numbers", whole.replace(b"little", b"bigbig")
    yield "an archive cut in half", whole[: len(whole) // 2]
    yield "an empty file", b""
    yield "a web page", b"<!DOCTYPE html><html></html>"


def safetensors() -> Files:
    """Yield safetensors files with hostile headers and records."""
    for name, header in _headers():
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        yield name, struct.pack("<Q", len(text)) + text + struct.pack("<4f", 1, 2, 3, 4)
    yield "a header longer than the file", struct.pack("<Q", 1 << 60) + b'{"w":{}}'
    yield "a header of 2**63 bytes", struct.pack("<Q", 1 << 63) + b'{"w":{}}'


def _headers() -> Iterator[tuple[str, Any]]:
    def entry(**other: Any) -> dict[str, Any]:
        return {"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16], **other}}

    yield "5,000 dimensions", entry(shape=[1] * 4999 + [4])
    yield "float8", entry(dtype="F8_E4M3", shape=[16])
    yield "an unknown type", entry(dtype="F3")
    yield "a size that overflows", entry(shape=[1 << 62, 1 << 62])
    yield "a negative size", entry(shape=[-4])
    yield "offsets behind the file", entry(data_offsets=[0, 1 << 50], shape=[1 << 48])
    yield "offsets in the wrong order", entry(data_offsets=[16, 0])
    yield "the same bytes twice", {**entry(), "v": entry()["w"]}
    yield "a header of lists", b"{" + b'"a":[' * 50_000
    yield "a header that is no UTF-8", b'{"\xff\xfe":1}'
    yield "110,000 tensors", {f"{n}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for n in range(110_000)}
    yield "a name of control characters", {"\x1b[2J\x00\n": entry()["w"]}
    yield "a name of lone surrogates", b'{"\\ud800":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}'
    good = {"network": "imdn", "options": {}, "scales": [4]}
    for name, record in [
        ("NaN", '{"network":"imdn","options":{"width":NaN},"scales":[4]}'),
        ("infinite scales", '{"network":"imdn","options":{},"scales":[1e999]}'),
        ("10**400", '{"network":"imdn","options":{"width":1' + "0" * 400 + '},"scales":[4]}'),
        ("10**5000", '{"network":"imdn","options":{"width":1' + "0" * 5000 + '},"scales":[4]}'),
        ("deep nesting", '{"a":' * 100_000),
        ("deep options", '{"network":"imdn","options":{"w":' + "[" * 900 + "]" * 900 + '},"scales":[4]}'),
        ("lone surrogates", '{"network":"\\ud800","options":{},"scales":[4]}'),
        ("a million scales", json.dumps({**good, "scales": list(range(1_000_000))})),
        ("a list for a record", "[]"),
        ("options of a list", json.dumps({**good, "options": []})),
        ("a network of a million blocks", json.dumps({**good, "options": {"blocks": 1_000_000}})),
        ("options that do not exist", json.dumps({**good, "options": {"__class__": 1}})),
        ("a network that does not exist", json.dumps({**good, "network": "../../etc"})),
        ("a scale that does not exist", json.dumps({**good, "scales": [7]})),
    ]:
        yield f"a record of {name}", {"__metadata__": {"srbench": record}, **entry()}
