"""Opens SQLite or PostgreSQL, and holds everything in which the two differ. Knows no table but Alembic's own.

Clocks. Wall-clock times are the database's: on PostgreSQL the server's, on SQLite those of the one machine it is on.
Leases are measured by a clock that cannot jump where there is one: SQLite's users share a machine, hence its monotonic
clock. That one begins anew when the machine does; a lease that ends later than it could have been given is over.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, inspect, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from praxino.errors import UserError
from praxino.jobs.job import StoreUnavailable
from praxino.jobs.tables import REVISION

SQLITE_WAIT_SECONDS = 60.0
"""How long a writer waits for another. Longer than a lease: a stopped holder of the lock is killed by then."""
MIGRATIONS = Path(__file__).parent / "migrations"
MIGRATION_LOCK = 0x70726178
"""Key of the advisory lock under which one process at a time changes tables."""


class Moment(NamedTuple):
    """The time, read inside a transaction."""

    now: float
    """Seconds since 1970."""
    clock: float
    """Seconds, for leases and delays alone."""


class Database:
    """An open database.

    Args:
        url: of SQLite or PostgreSQL.
        idle_seconds: how long a process may stop in the middle of a transaction; PostgreSQL ends its session then, and
            frees the rows that it held. SQLite cannot: the one writer that stopped has to be killed.

    Raises:
        UserError: the URL is not one of SQLite or PostgreSQL, or its driver is not installed.
    """

    def __init__(self, url: str, idle_seconds: float) -> None:
        self.url = _parse(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._writer = threading.Lock()
        self._engine = _sqlite(self.url) if self.is_sqlite else _postgresql(self.url, idle_seconds)

    def __str__(self) -> str:
        return self.url.render_as_string(hide_password=True)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads. Raises StoreUnavailable."""
        with self._told(), self._engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is on disk when the block has ended. Raises StoreUnavailable.

        SQLite has one writer at a time: threads of this process queue up here, fairly, rather than poll the file.
        """
        with self._told():
            if not self.is_sqlite:
                with self._engine.begin() as connection:
                    yield connection
                return
            with self._writer, self._engine.connect() as connection:
                connection = connection.execution_options(writes=True)
                with connection.begin():
                    yield connection

    def moment(self, connection: Connection) -> Moment:
        """The time by the database's clocks."""
        if self.is_sqlite:
            return Moment(time.time(), time.monotonic())
        now = float(connection.execute(select(func.extract("epoch", func.clock_timestamp()))).scalar_one())
        return Moment(now, now)

    def serialize(self, connection: Connection, name: str) -> None:
        """Let one transaction at a time go on under `name`, until it ends."""
        if not self.is_sqlite:
            connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))

    def migrate(self) -> None:
        """Bring the tables up to date; one process at a time does it.

        Raises:
            UserError: they were written by a newer Praxino.
            StoreUnavailable: the database cannot be reached.
        """
        if self._revision() == REVISION:
            return
        with self.writing() as connection:
            if not self.is_sqlite:
                connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
                connection.execute(select(func.pg_advisory_xact_lock(MIGRATION_LOCK)))
            _upgrade(connection)

    def check_tables(self) -> None:
        """Raise UserError unless the tables are those of this Praxino."""
        found = self._revision()
        if found is None:
            raise UserError(f"{self} holds no jobs yet; start a worker on it first: praxino worker")
        if found != REVISION:
            raise UserError(
                f"{self} has tables of revision {found}, this Praxino reads {REVISION}; "
                "upgrade Praxino, or start its worker once: praxino worker"
            )

    def _revision(self) -> str | None:
        with self.reading() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, InterfaceError, PoolTimeout) as problem:
            raise StoreUnavailable(f"the database {self} cannot be used: {_cause(problem)}") from problem
        except DBAPIError as problem:
            if not problem.connection_invalidated:
                raise
            raise StoreUnavailable(f"the database {self} went away: {_cause(problem)}") from problem


def _cause(problem: Exception) -> str:
    return " ".join(str(getattr(problem, "orig", None) or problem).split())[:300]


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as problem:
        raise UserError(f"not a database: {url[:60]!r}; use sqlite:///FILE or postgresql://HOST/NAME.") from problem
    backend = parsed.get_backend_name()
    if backend in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    if backend != "sqlite" or parsed.database in (None, "", ":memory:"):
        raise UserError(f"not a database that keeps jobs: {backend}; use sqlite:///FILE or postgresql://HOST/NAME.")
    return parsed.set(drivername="sqlite+pysqlite")


def _sqlite(url: URL) -> Engine:
    try:
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise UserError(f"{url.database} cannot be created: {problem.strerror}; name another file.") from problem
    engine = create_engine(url, connect_args={"timeout": SQLITE_WAIT_SECONDS}, pool_timeout=SQLITE_WAIT_SECONDS)

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, record: Any) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgresql(url: URL, idle_seconds: float) -> Engine:
    idle_milliseconds = round(max(idle_seconds, 1.0) * 1000)
    own = f"-c idle_in_transaction_session_timeout={idle_milliseconds} -c lock_timeout=60s -c synchronous_commit=on"
    options = f"{url.query.get('options', '')} {own}"
    arguments = {
        "connect_timeout": 10,
        "options": options,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "tcp_user_timeout": 20_000,
    }
    try:
        return create_engine(
            url, connect_args=arguments, pool_size=10, max_overflow=20, pool_timeout=60, pool_pre_ping=True
        )
    except ImportError as problem:
        raise UserError("PostgreSQL needs its driver; install it: pip install 'praxino[postgres]'") from problem


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as problem:
        raise UserError(f"the jobs were written by a newer Praxino ({problem}); upgrade this one.") from problem
