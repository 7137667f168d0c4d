"""`python -m fuzz.run_attacks`: try every attack and its mutations, count the outcomes in SECURITY.md.

Each kind has a worker process. An attack counts as hung after `SECONDS`, and as over memory where it makes the worker
grow by more than `BYTES`. A worker that hangs or dies is replaced.
"""

from __future__ import annotations

import multiprocessing
import random
import resource
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from fuzz import attacks
from fuzz.attacks import ATTACKS, checkpoints, documents, pictures, tables
from fuzz.readers import READERS
from srbench.errors import SrbenchError

SECONDS, BYTES = 20.0, 1 << 30
MUTATIONS = 6
"""Mutations of each attack; none is made of files over `LARGEST`."""
GOOD_MUTATIONS = 20
LARGEST = 200_000
_ADDRESSES = 12 << 30
OUTCOMES = ("refused with a message", "read harmlessly", "crashed", "hung", "over memory")
_PAGE = Path(__file__).parents[1] / "SECURITY.md"
_START, _END = "<!-- attacks -->", "<!-- end of attacks -->"
# Linux counts the largest resident size in kilobytes, macOS in bytes.
_UNIT = 1 if sys.platform == "darwin" else 1024


def good_files() -> dict[str, list[bytes]]:
    """Return files that are accepted, by kind: mutations of them get further than those of refused ones."""
    one = checkpoints.state(checkpoints.tensor("I4\n\x85", "I1\n\x85"))
    onnx = {"onnx": [networks.good_network()]} if (networks := getattr(attacks, "networks", None)) else {}
    return {
        **onnx,
        "tensors": [checkpoints.torch_zip(one, {"0": bytes(16)})],
        "table": [tables.packed(tables.good_table(), compression=name) for name in ("none", "snappy")],
        "picture": [pictures.saved(kind) for kind in ("PNG", "JPEG", "BMP")],
        "sample": [pictures.saved(kind, lossless=True) for kind in ("PNG", "WEBP")],
        "unpacking": [documents.zipped({"a/b.txt": b"text", "c": bytes(1000)})],
    }


def attacks_of(kind: str) -> Iterator[bytes]:
    """Yield the attacks of a kind, each once, with mutations by a fixed seed."""
    luck = random.Random(kind)
    files = [data for _, data in ATTACKS[kind]()]
    good = good_files().get(kind, [])
    mutated = [(data, MUTATIONS) for data in files] + [(data, GOOD_MUTATIONS) for data in good]
    changed = [_mutation(data, luck) for data, count in mutated if 0 < len(data) <= LARGEST for _ in range(count)]
    yield from dict.fromkeys([*files, *changed])


def _mutation(data: bytes, luck: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(luck.choice((1, 1, 2, 8))):
        at = luck.randrange(len(out))
        match luck.randrange(4):
            case 0:
                out[at] ^= 1 << luck.randrange(8)
            case 1:
                out[at] = luck.choice((0, 0x7F, 0x80, 0xFF))
            case 2:
                del out[at + 1 : at + 1 + luck.randrange(16)]
            case _:
                out[at:at] = out[at : at + luck.randrange(1, 32)]
    return bytes(out)


def _work(kind: str, pipe: Connection) -> None:
    if sys.platform == "linux":  # a mutation may ask for more than the machine has
        resource.setrlimit(resource.RLIMIT_AS, (_ADDRESSES, _ADDRESSES))
    with tempfile.TemporaryDirectory() as folder:
        while True:
            data: bytes = pipe.recv_bytes()
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            try:
                READERS[kind](data, Path(folder))
                outcome = "read harmlessly"
            except SrbenchError:
                outcome = "refused with a message"
            except Exception as error:  # noqa: BLE001 (that is what is looked for)
                sys.stderr.write(f"{kind}: {type(error).__name__}: {str(error)[:200]}\n")
                outcome = "crashed"
            if (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * _UNIT > BYTES:
                outcome = "over memory"
            pipe.send(outcome)


def outcomes(kind: str) -> Counter[str]:
    """Return how many attacks of a kind ended in which way."""
    found: Counter[str] = Counter()
    worker, pipe = _started(kind)
    for data in attacks_of(kind):
        pipe.send_bytes(data)
        try:
            outcome = pipe.recv() if pipe.poll(SECONDS) else "hung"
            broken = outcome == "hung"
        except EOFError:
            outcome, broken = "crashed", True
        found[outcome] += 1
        if broken:
            worker.kill()
            worker, pipe = _started(kind)
    worker.kill()
    return found


def _started(kind: str) -> tuple[multiprocessing.Process, Connection]:
    ours, theirs = multiprocessing.Pipe()
    worker = multiprocessing.Process(target=_work, args=(kind, theirs), daemon=True)
    worker.start()
    theirs.close()
    return worker, ours


def main() -> int:
    """Try all attacks and write the table; return 1 where one crashed, hung or took too much memory."""
    found = {kind: outcomes(kind) for kind in ATTACKS}
    rows = [[kind, str(count.total()), *(str(count[name]) for name in OUTCOMES)] for kind, count in found.items()]
    total: Counter[str] = sum(found.values(), Counter())
    rows.append(["all", str(total.total()), *(str(total[name]) for name in OUTCOMES)])
    lines = ["| kind | tried | " + " | ".join(OUTCOMES) + " |", "|---" * (len(OUTCOMES) + 2) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    page = _PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(_START)
    _, _, after = rest.partition(_END)
    _PAGE.write_text(f"{before}{_START}\n\n" + "\n".join(lines) + f"\n\n{_END}{after}", encoding="utf-8")
    sys.stdout.write("\n".join(lines) + "\n")
    return int(any(total[name] for name in ("crashed", "hung", "over memory")))


if __name__ == "__main__":
    sys.exit(main())
