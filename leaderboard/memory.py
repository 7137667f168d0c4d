"""What a build remembers in its output, so that the next one redoes only what changed: entries, pages, verdicts.

It lives in one SQLite file and may be deleted at any time: the next build then makes everything again.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from leaderboard.entries import Entry, Group, Mean, Values, means_from_json, means_to_json
from srbench.errors import ResultsError

MEMORY_NAME = ".srbench-site"
"""The file in OUTPUT; its presence marks a folder as a built site."""

_TABLES = """
CREATE TABLE IF NOT EXISTS code (version TEXT);
CREATE TABLE IF NOT EXISTS entries (digest TEXT PRIMARY KEY, means TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS scores (digest TEXT, part TEXT, n INTEGER, data BLOB, PRIMARY KEY (digest, part))
    WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pages (path TEXT PRIMARY KEY, inputs TEXT) WITHOUT ROWID;
"""


class Memory:
    """The remembered state of an output folder.

    `facts` are small texts by key (verdicts of comparisons, rows of tables); a fact that a build does not ask for is
    forgotten at its end. Raises ResultsError where the file cannot be used.
    """

    def __init__(self, output: Path, version: str) -> None:
        self._path = output / MEMORY_NAME
        self._database = self._opened(version)
        self.pages: dict[str, str] = dict(self._database.execute("SELECT path, inputs FROM pages"))
        self._facts: dict[str, str] = dict(self._database.execute("SELECT key, value FROM facts"))
        self._means: dict[str, str] = dict(self._database.execute("SELECT digest, means FROM entries"))
        self._asked: set[str] = set()
        self._learnt: dict[str, str] = {}

    def entries(self) -> set[str]:
        """The digests of the entries that are remembered."""
        return set(self._means)

    def means(self, digest: str) -> dict[Group, Mean] | None:
        """The means of an entry, None for one that is new."""
        kept = self._means.get(digest)
        return None if kept is None else means_from_json(json.loads(kept))

    def keep_entry(self, entry: Entry, values: Mapping[Group, Values]) -> None:
        """Remember an entry's means and the scores behind them."""
        kept = json.dumps(means_to_json(entry.means))
        self._database.execute("INSERT OR REPLACE INTO entries VALUES (?, ?)", (entry.digest, kept))
        rows = [(entry.digest, _part(group), part.shape[1], part.tobytes()) for group, part in values.items()]
        self._database.executemany("INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?)", rows)

    def forget_entries(self, digests: Iterable[str]) -> None:
        """Drop entries that are gone, with their scores."""
        gone = [(digest,) for digest in digests]
        self._database.executemany("DELETE FROM entries WHERE digest = ?", gone)
        self._database.executemany("DELETE FROM scores WHERE digest = ?", gone)

    def values(self, digest: str, group: Group) -> Values:
        """The scores behind a mean; see `leaderboard.entries.Values`."""
        found = self._database.execute(
            "SELECT n, data FROM scores WHERE digest = ? AND part = ?", (digest, _part(group))
        ).fetchone()
        if found is None:
            raise ResultsError(f"{self._path}: expected an entry's scores in it, got none; delete it and build again")
        return np.frombuffer(found[1], np.float64).reshape(2, found[0])

    def fact(self, key: str) -> str | None:
        """What was learnt under a key, now or in the last build."""
        self._asked.add(key)
        return self._learnt.get(key) or self._facts.get(key)

    def learn(self, key: str, value: str) -> None:
        """Remember a text that is a function of its key."""
        self._asked.add(key)
        self._learnt[key] = value

    def begin_pages(self, paths: Iterable[str]) -> None:
        """Forget pages before they are written or removed: a build that is killed then does them again."""
        self._database.executemany("DELETE FROM pages WHERE path = ?", [(path,) for path in paths])
        self._database.commit()

    def finish(self, pages: Mapping[str, str]) -> None:
        """Remember the pages that were written, and drop the facts that nobody asked for."""
        self._database.executemany("INSERT OR REPLACE INTO pages VALUES (?, ?)", pages.items())
        stale = [(key,) for key in self._facts if key not in self._asked]
        self._database.executemany("DELETE FROM facts WHERE key = ?", stale)
        self._database.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", self._learnt.items())
        self._database.commit()

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def _opened(self, version: str) -> sqlite3.Connection:
        try:
            return self._prepared(version)
        except sqlite3.DatabaseError:  # damaged, or made by another version: it only saves time
            self._path.unlink(missing_ok=True)
        try:
            return self._prepared(version)
        except sqlite3.DatabaseError as error:
            raise ResultsError(f"{self._path}: expected a file to keep the build's state in, got {error}") from error

    def _prepared(self, version: str) -> sqlite3.Connection:
        database = sqlite3.connect(self._path)
        database.executescript(_TABLES)
        known = database.execute("SELECT version FROM code").fetchone()
        if known != (version,):  # other code may see other things in the same entries
            for table in ("code", "entries", "scores", "facts"):
                database.execute(f"DELETE FROM {table}")
            database.execute("INSERT INTO code VALUES (?)", (version,))
            database.commit()
        return database


def digest_of(*parts: str) -> str:
    """A short hash of texts; unlike lists of texts differ in it."""
    hashed = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        hashed.update(len(data).to_bytes(8, "big") + data)
    return hashed.hexdigest()[:24]


def _part(group: Group) -> str:
    return "\t".join(map(str, group))
