"""API keys: made, looked up, listed and revoked. Their secrets are kept nowhere, only digests. Knows no HTTP."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, insert, select, update

from praxino.errors import UserError
from praxino.jobs.database import Database
from praxino.jobs.tables import api_keys

PREFIX = "prx_"
SCOPES = ("read", "write", "metrics")
"""read: jobs, results and models. write: submit, cancel, retry and upload. metrics: /metrics."""


@dataclass(frozen=True)
class KeyLimits:
    """What a key allows. None is without bound."""

    requests_per_minute: int | None = None
    credits_per_day: float | None = None
    """One credit is a million pixels times one denoising step. Reset at midnight UTC."""
    max_queued: int | None = None
    """Jobs of its owner that wait at a time."""
    max_priority: int = 0
    """The highest priority that its jobs may have."""


@dataclass(frozen=True)
class Key:
    """A key as it is listed."""

    id: str
    name: str
    owner: str
    scopes: tuple[str, ...]
    limits: KeyLimits
    created_at: float
    revoked_at: float | None


class Keys:
    """The keys of a database. Every method raises StoreUnavailable when it cannot be reached."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, name: str, owner: str, scopes: Sequence[str], limits: KeyLimits) -> tuple[Key, str]:
        """Make a key.

        Returns:
            The key, and its secret, which cannot be had again.

        Raises:
            UserError: a name, scope or limit is out of bounds.
        """
        _check(name, owner, scopes, limits)
        secret = PREFIX + secrets.token_urlsafe(32)
        values = {"id": secrets.token_hex(8), "name": name, "owner": owner, "scopes": list(scopes), **vars(limits)}
        with self._database.writing() as connection:
            now = self._database.moment(connection).now
            connection.execute(insert(api_keys).values(**values, digest=_digest(secret), created_at=now))
            return _key(connection.execute(select(api_keys).where(api_keys.c.id == values["id"])).one()), secret

    def find(self, secret: str) -> Key | None:
        """The key of a secret, unless it was revoked."""
        wanted = select(api_keys).where(api_keys.c.digest == _digest(secret), api_keys.c.revoked_at.is_(None))
        with self._database.reading() as connection:
            row = connection.execute(wanted).one_or_none()
        return _key(row) if row is not None else None

    def exist(self) -> bool:
        """Whether a key was ever made, revoked ones included."""
        with self._database.reading() as connection:
            return connection.execute(select(api_keys.c.id).limit(1)).first() is not None

    def list(self) -> list[Key]:
        """All keys, the oldest first."""
        with self._database.reading() as connection:
            return [_key(row) for row in connection.execute(select(api_keys).order_by(api_keys.c.created_at))]

    def revoke(self, key_id: str) -> None:
        """Make a key useless from now on. Raises UserError when there is none of that id, or it was revoked before."""
        one = update(api_keys).where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
        with self._database.writing() as connection:
            now = self._database.moment(connection).now
            if connection.execute(one.values(revoked_at=now)).rowcount == 0:
                raise UserError(f"there is no key {key_id[:40]!r} in use; see: praxino keys list")


def _check(name: str, owner: str, scopes: Sequence[str], limits: KeyLimits) -> None:
    for what, text in (("the key's name", name), ("the owner", owner)):
        if not 1 <= len(text) <= 200 or not (text.isprintable() and text.isascii()):
            raise UserError(f"{what} is {text[:60]!r}; it must be 1 to 200 printable ASCII characters.")
    if not scopes or not set(scopes) <= set(SCOPES):
        raise UserError(f"the scopes are {', '.join(scopes) or 'missing'}; allowed are {', '.join(SCOPES)}.")
    bounds = {"requests_per_minute": (1, 1e6), "credits_per_day": (0, 1e12), "max_queued": (1, 1e6)}
    for field, (least, most) in bounds.items():
        given = getattr(limits, field)
        if given is not None and not least <= given <= most:
            raise UserError(f"{field} is {given:g}; allowed is {least:g} to {most:g}.")
    if not -100 <= limits.max_priority <= 100:
        raise UserError(f"max_priority is {limits.max_priority}; allowed is -100 to 100.")


def _digest(secret: str) -> str:
    """Enough for a secret of 256 random bits: there is nothing to guess faster."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _key(row: Row[Any]) -> Key:
    limits = KeyLimits(row.requests_per_minute, row.credits_per_day, row.max_queued, row.max_priority)
    return Key(row.id, row.name, row.owner, tuple(row.scopes), limits, row.created_at, row.revoked_at)
