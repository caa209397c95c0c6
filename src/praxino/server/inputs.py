"""Pictures and clips that callers send: taken in, looked at, kept by content, and found again by their owner.

    inputs/<first two digits>/<SHA-256>.<extension>     under the results folder, which servers and workers share

A file is on disk, whole and readable, before its row is written. A request names it by the id of its row, as a data
URL or by a web address; never by a path.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import os
import re
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote_to_bytes

from sqlalchemy import Row, delete, insert, select, update

from praxino.errors import UserError
from praxino.jobs.database import Database
from praxino.jobs.job import StoreUnavailable
from praxino.jobs.tables import uploads
from praxino.server import fetch
from praxino.server.inspection import inspect
from praxino.server.settings import ServerSettings

logger = logging.getLogger(__name__)

ID = re.compile(r"upload_[0-9a-f]{32}")
DAY_SECONDS = 86_400
SWEEP_SECONDS = 3600.0
_CHUNK = 1 << 20
_PART = ".part"
_LOCK = "uploads"
"""Files are put in place, and removed, by one server at a time."""


@dataclass(frozen=True)
class Upload:
    """A picture or clip of one owner."""

    id: str
    owner: str
    sha256: str
    extension: str
    num_bytes: int
    width: int
    height: int
    num_frames: int
    created_at: float


class Inputs:
    """The inputs of a database and its folder. Blocking: fetching and looking take seconds.

    Args:
        database: where rows are.
        root: the folder; made when missing.
        settings: the limits.
    """

    def __init__(self, database: Database, root: Path, settings: ServerSettings) -> None:
        self._database = database
        self._root = root
        self._settings = settings
        root.mkdir(parents=True, exist_ok=True)

    def path(self, upload: Upload) -> Path:
        """Where an upload's file lies."""
        return self._root / upload.sha256[:2] / f"{upload.sha256}.{upload.extension}"

    def find(self, owner: str, upload_id: str) -> Upload:
        """An upload of an owner. Raises UserError when there is none of that id, or it is somebody else's."""
        with self._database.reading() as connection:
            row = connection.execute(_one(owner, upload_id)).one_or_none()
        if row is None:
            raise UserError(f"there is no upload {upload_id[:60]!r}; send the picture again.")
        return _upload(row)

    def take(self, owner: str, text: str, said: str) -> Upload:
        """The upload that a request's text stands for: an upload's id, a data URL, or a web address.

        Args:
            owner: who asks.
            text: as it was sent.
            said: what messages call it, as in "image".

        Raises:
            UserError: it is none of these, cannot be had, or is no readable picture or clip.
        """
        if ID.fullmatch(text):
            return self._used(self.find(owner, text))
        if text[:5].lower() == "data:":
            with self._receiving() as file:
                file.write(_decoded(text, said, self._settings.max_file_bytes))
                return self._keep(owner, file, said)
        if text[:7].lower() == "http://" or text[:8].lower() == "https://":
            with self._receiving() as file:
                fetch.download(text, file, said, self._bounds())
                return self._keep(owner, file, said)
        raise UserError(
            f"{said} is {text[:100]!r}; it must be an upload's id (POST /api/v1/uploads), a data URL, or an http(s) "
            "URL. Files of the server cannot be named."
        )

    def receive(self, owner: str, source: IO[bytes], said: str) -> Upload:
        """Keep what an open file holds. Raises UserError when it is too large or no readable picture or clip."""
        with self._receiving() as file:
            while chunk := source.read(_CHUNK):
                if file.tell() + len(chunk) > self._settings.max_file_bytes:
                    raise fetch.too_large(said, self._settings.max_file_bytes)
                file.write(chunk)
            return self._keep(owner, file, said)

    def sweep_hourly(self, stopped: threading.Event) -> None:
        """Sweep now and every hour until `stopped` is set. A sweep that cannot be done is told in the log."""
        while True:
            try:
                self.sweep()
            except (StoreUnavailable, OSError) as problem:
                logger.warning("old uploads stay for now: %s", problem)
            if stopped.wait(SWEEP_SECONDS):
                return

    def sweep(self) -> int:
        """Remove the uploads that nobody has used for long; how many there were."""
        for left_over in self._root.glob(f"*{_PART}"):
            if left_over.stat().st_mtime < time.time() - DAY_SECONDS:
                left_over.unlink(missing_ok=True)
        with self._database.writing() as connection:
            self._database.serialize(connection, _LOCK)
            before = self._database.moment(connection).now - self._settings.keep_upload_days * DAY_SECONDS
            old = connection.execute(delete(uploads).where(uploads.c.used_at < before).returning(uploads)).all()
            digests = {row.sha256 for row in old}
            needed = select(uploads.c.sha256).where(uploads.c.sha256.in_(digests))
            kept = set(connection.execute(needed).scalars())
            for row in old:
                if row.sha256 not in kept:
                    self.path(_upload(row)).unlink(missing_ok=True)
        return len(old)

    def _bounds(self) -> fetch.Bounds:
        settings = self._settings
        return fetch.Bounds(
            settings.fetch_seconds, settings.allow_private, settings.max_file_bytes, settings.max_redirects
        )

    @contextmanager
    def _receiving(self) -> Iterator[IO[bytes]]:
        """A file of no name yet, which goes away with the block unless it was given one."""
        with tempfile.NamedTemporaryFile(dir=self._root, suffix=_PART, delete=False) as file:
            try:
                yield file
            finally:
                Path(file.name).unlink(missing_ok=True)

    def _keep(self, owner: str, file: IO[bytes], said: str) -> Upload:
        if file.tell() == 0:
            raise UserError(f"{said} is empty; send a picture or a clip.")
        file.flush()
        os.fsync(file.fileno())
        file.seek(0)
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()  # pyright: ignore[reportArgumentType]
        upload_id = "upload_" + hashlib.sha256(f"{owner} {sha256}".encode()).hexdigest()[:32]
        with self._database.reading() as connection:
            known = connection.execute(_one(owner, upload_id)).one_or_none()
        if known is not None:
            return self._used(_upload(known))
        temporary = Path(file.name)
        facts = inspect(temporary, said, self._settings.max_decoded_bytes, self._settings.inspect_seconds)
        size = temporary.stat().st_size
        with self._database.writing() as connection:
            self._database.serialize(connection, _LOCK)
            now = self._database.moment(connection).now
            values = {"owner": owner, "sha256": sha256, "num_bytes": size, "created_at": now, "used_at": now}
            upload = Upload(upload_id, created_at=now, **_without_time(values), **vars(facts))
            self.path(upload).parent.mkdir(exist_ok=True)
            temporary.replace(self.path(upload))
            if connection.execute(_one(owner, upload_id)).one_or_none() is None:
                connection.execute(insert(uploads).values(id=upload_id, **values, **vars(facts)))
        return upload

    def _used(self, upload: Upload) -> Upload:
        with self._database.writing() as connection:
            now = self._database.moment(connection).now
            connection.execute(update(uploads).where(uploads.c.id == upload.id).values(used_at=now))
        return upload


def _one(owner: str, upload_id: str) -> Any:
    return select(uploads).where(uploads.c.id == upload_id, uploads.c.owner == owner)


def _without_time(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if not name.endswith("_at")}


def _upload(row: Row[Any]) -> Upload:
    return Upload(**{name: value for name, value in row._mapping.items() if name != "used_at"})


def _decoded(url: str, said: str, max_bytes: int) -> bytes:
    """What a data URL (RFC 2397) holds. Raises UserError."""
    head, comma, body = url.partition(",")
    if not comma:
        raise UserError(f"{said} is a data URL without data; write data:image/png;base64,...")
    if len(body) > max_bytes * 2:
        raise fetch.too_large(said, max_bytes)
    try:
        data = unquote_to_bytes(body)
        if head.lower().endswith(";base64"):
            data = base64.b64decode(data + b"=" * (-len(data) % 4), validate=True)
    except (binascii.Error, ValueError) as problem:
        raise UserError(f"{said} is a data URL that is not valid base64: {problem}.") from problem
    if len(data) > max_bytes:
        raise fetch.too_large(said, max_bytes)
    return data
