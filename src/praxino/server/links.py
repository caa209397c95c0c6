"""Links that carry their own permission: signed, for one file, and only for a while. Knows no HTTP."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from urllib.parse import quote, urlencode

from sqlalchemy import insert, select

from praxino.jobs.database import Database
from praxino.jobs.tables import facts

SECRET_FACT = "server_secret"


def server_secret(database: Database) -> bytes:
    """32 random bytes that every server of a database shares; drawn when the first one asks."""
    wanted = select(facts.c.value).where(facts.c.name == SECRET_FACT)
    with database.writing() as connection:
        database.serialize(connection, SECRET_FACT)
        found = connection.execute(wanted).scalar_one_or_none()
        if found is None:
            found = secrets.token_hex(32)
            connection.execute(insert(facts).values(name=SECRET_FACT, value=found))
    return bytes.fromhex(found)


class Links:
    """Makes links and checks them.

    Args:
        secret: the servers' common secret.
        seconds: how long a link holds.
    """

    def __init__(self, secret: bytes, seconds: float) -> None:
        self._key = hmac.digest(secret, b"links", "sha256")
        self._seconds = seconds

    def make(self, path: str) -> tuple[str, float]:
        """A link to a path of this server.

        Args:
            path: absolute, as in /api/v1/files/...; not quoted.

        Returns:
            The path, quoted, with its permission; and when that ends, in seconds since 1970.
        """
        expires = int(time.time() + self._seconds)
        query = urlencode({"expires": expires, "signature": self._signature(path, expires)})
        return f"{quote(path)}?{query}", expires

    def allows(self, path: str, expires: str, signature: str) -> bool:
        """Whether a permission is genuine, for this path, and has not ended."""
        if not expires.isascii() or not expires.isdecimal() or len(expires) > 12 or int(expires) < time.time():
            return False
        return hmac.compare_digest(self._signature(path, int(expires)).encode(), signature.encode())

    def _signature(self, path: str, expires: int) -> str:
        return hmac.new(self._key, f"{expires}\n{path}".encode(), hashlib.sha256).hexdigest()
