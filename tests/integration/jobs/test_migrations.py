"""Tables are made by migrations, by one process at a time, and are those that the code declares."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from praxino.errors import UserError
from praxino.jobs import database, tables
from praxino.jobs.store import Store


def test_migrations_make_the_tables_that_are_declared(store):
    with store._database.reading() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), tables.metadata)
    assert differences == []


def test_the_newest_migration_is_named():
    config = Config()
    config.set_main_option("script_location", str(database.MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [tables.REVISION]


def test_many_open_an_empty_database_at_once(url):
    with ThreadPoolExecutor(6) as pool:
        stores = list(pool.map(Store, [url] * 6))
    assert len({store.store_id() for store in stores}) == 1
    for store in stores:
        store.close()


def test_an_empty_database_is_told_to_those_who_only_look(url):
    with pytest.raises(UserError, match="holds no jobs yet; start a worker on it first: praxino worker"):
        Store(url, migrate=False)


def test_tables_of_a_newer_praxino_are_refused(store, url):
    with store._database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(UserError, match="written by a newer Praxino"):
        Store(url)
    with pytest.raises(UserError, match="has tables of revision 9999"):
        Store(url, migrate=False)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "not a database: 'nonsense'; use sqlite:///FILE or postgresql://HOST/NAME"),
        ("mysql://box/jobs", "not a database that keeps jobs: mysql"),
        ("sqlite://", "not a database that keeps jobs: sqlite"),
        ("sqlite:////proc/nowhere/jobs.sqlite", "/proc/nowhere/jobs.sqlite cannot be created"),
    ],
)
def test_urls_that_will_not_do(url, message):
    with pytest.raises(UserError, match=message):
        Store(url)


def test_what_is_committed_is_on_disk(store):
    with store._database.reading() as connection:
        if store._database.is_sqlite:
            assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
            assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 2, "FULL"
            assert connection.execute(text("PRAGMA foreign_keys")).scalar_one() == 1
        else:
            assert connection.execute(text("SHOW synchronous_commit")).scalar_one() == "on"
