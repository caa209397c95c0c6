"""The journal on disk: one SQLite file, safe for many processes. Knows entries, and nothing of what they are for.

Lines are only ever added, or forgotten. Every call opens and closes the file: nothing is held while a picture is drawn.
"""

from __future__ import annotations

import dataclasses
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from praxino.errors import UserError
from praxino.history.entry import Entry
from praxino.settings import home

FILE = "history.sqlite"
VERSION = 1
"""Raised whenever an older Praxino could no longer read what this one writes."""
_PATIENCE_SECONDS = 10.0
"""How long to wait for another process that is writing."""
_TABLE = """
CREATE TABLE IF NOT EXISTS entries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time TEXT NOT NULL,
    path BLOB NOT NULL,
    sha256 TEXT NOT NULL,
    identity TEXT NOT NULL,
    prompt TEXT NOT NULL,
    model BLOB NOT NULL,
    task TEXT NOT NULL,
    parent INTEGER
) STRICT
"""
"""Names of files are kept as bytes: they need not be text."""
_COLUMNS = tuple(field.name for field in dataclasses.fields(Entry))
_FILE_NAMES = ("path", "model")


class Journal:
    """What was written on this machine, oldest first.

    Every method raises UserError when the file cannot be read or written.
    """

    def __init__(self, path: Path | None = None) -> None:
        """`path` is PRAXINO_HOME/history.sqlite unless given; it need not exist."""
        self.path = path or home() / FILE

    def add(self, entries: Sequence[Entry]) -> list[int]:
        """Append entries, all or none; their ids are given here and returned."""
        names = _COLUMNS[1:]
        line = f"INSERT INTO entries ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
        with self._opened(create=True) as connection:
            return [int(connection.execute(line, _stored(entry)).lastrowid or 0) for entry in entries]

    def entries(self) -> list[Entry]:
        """All of them."""
        return self._select("ORDER BY id")

    def last(self) -> Entry | None:
        """The newest."""
        return next(iter(self._select("ORDER BY id DESC LIMIT 1")), None)

    def get(self, id: int) -> Entry | None:
        """The entry of that id."""
        return next(iter(self._select("WHERE id = ?", id)), None)

    def of_file(self, path: Path, sha256: str) -> Entry | None:
        """The newest whose file had these bytes; one that was written to `path` rather than to another."""
        order = "WHERE sha256 = ? ORDER BY path = ? DESC, id DESC LIMIT 1"
        return next(iter(self._select(order, sha256, os.fsencode(path.resolve()))), None)

    def of_identity(self, identity: str) -> Entry | None:
        """The newest with these pixels."""
        return next(iter(self._select("WHERE identity = ? ORDER BY id DESC LIMIT 1", identity)), None)

    def forget(self, ids: Sequence[int]) -> None:
        """Wipe entries out; what was made from one now comes from what that one came from. No other file is touched."""
        with self._opened(create=False) as connection:
            connection.execute("PRAGMA secure_delete = ON")
            for id in ids:
                connection.execute(
                    "UPDATE entries SET parent = (SELECT parent FROM entries WHERE id = ?) WHERE parent = ?", (id, id)
                )
                connection.execute("DELETE FROM entries WHERE id = ?", (id,))

    def _select(self, rest: str, *values: Any) -> list[Entry]:
        if not self.path.exists():
            return []
        with self._opened(create=False) as connection:
            if _version(connection) == 0:
                return []
            rows = connection.execute(f"SELECT {', '.join(_COLUMNS)} FROM entries {rest}", values).fetchall()
        return [_read(row) for row in rows]

    @contextmanager
    def _opened(self, create: bool) -> Iterator[sqlite3.Connection]:
        """A connection inside one transaction."""
        try:
            if create:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=_PATIENCE_SECONDS, isolation_level=None)
            try:
                self._begin(connection, create)
                yield connection
                connection.execute("COMMIT")
            finally:
                connection.close()
        except (sqlite3.Error, OSError, UnicodeError) as problem:
            raise UserError(
                f"the history {self.path} cannot be used: {problem}.\n"
                "Move it away to begin a new one, or leave it alone: PRAXINO_HISTORY=off"
            ) from problem

    def _begin(self, connection: sqlite3.Connection, create: bool) -> None:
        connection.execute("BEGIN IMMEDIATE" if create else "BEGIN")
        version = _version(connection)
        if version > VERSION:
            raise UserError(
                f"the history {self.path} has version {version}; this Praxino reads up to {VERSION}.\n"
                "Upgrade it: pip install --upgrade praxino"
            )
        if create and version == 0:
            connection.execute(_TABLE)
            connection.execute(f"PRAGMA user_version = {VERSION}")


def _version(connection: sqlite3.Connection) -> int:
    """0 while nothing has been written."""
    return connection.execute("PRAGMA user_version").fetchone()[0]


def _stored(entry: Entry) -> list[Any]:
    values = dataclasses.asdict(entry)
    return [os.fsencode(values[name]) if name in _FILE_NAMES else values[name] for name in _COLUMNS[1:]]


def _read(row: tuple[Any, ...]) -> Entry:
    values = dict(zip(_COLUMNS, row, strict=True))
    return Entry(**{**values, **{name: os.fsdecode(values[name]) for name in _FILE_NAMES}})
