"""`praxino keys`: who may use the server. Talks to the database itself; running servers notice at once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from praxino import settings
from praxino.cli.app import Commands
from praxino.cli.options import Scalar
from praxino.cli.wording import columns

if TYPE_CHECKING:
    from praxino.server.keys import Key, Keys

database_option = click.option("--database", metavar="URL", help="the queue, instead of PRAXINO_DATABASE")
json_option = click.option("--json", "as_json", is_flag=True, help="print JSON")


@click.group("keys", cls=Commands)
def command() -> None:
    """Create, list or revoke the API keys of a server."""


@command.command("create")
@click.argument("name")
@click.option("--owner", metavar="NAME", help="whose jobs it shows and makes [default: the key's name]")
@click.option("--scope", "scopes", multiple=True, metavar="SCOPE", help="read, write or metrics [default: read, write]")
@click.option("--rate", type=Scalar("--rate", int), metavar="N", help="requests a minute, to each server")
@click.option(
    "--credits", type=Scalar("--credits", float), metavar="N", help="a day: million pixels times steps, all frames"
)
@click.option("--max-queued", type=Scalar("--max-queued", int), metavar="N", help="jobs of its owner that may wait")
@click.option(
    "--max-priority", type=Scalar("--max-priority", int), default=0, metavar="N", help="of its jobs [default 0]"
)
@database_option
@json_option
def create(
    name: str, owner: str | None, scopes: tuple[str, ...], database: str | None, as_json: bool, **limits: Any
) -> None:
    """Make a key called NAME and print its secret, which is kept nowhere and cannot be shown again."""
    from praxino.server.keys import KeyLimits

    allowed = KeyLimits(limits["rate"], limits["credits"], limits["max_queued"], limits["max_priority"])
    with _opened(database) as keys:
        key, secret = keys.create(name, owner or name, scopes or ("read", "write"), allowed)
    if as_json:
        click.echo(json.dumps({**asdict(key), "secret": secret}))
        return
    click.echo(secret)
    click.echo(f"key {key.id} of {key.owner}: keep the line above, it cannot be shown again", err=True)


@command.command("list")
@database_option
@json_option
def list_keys(database: str | None, as_json: bool) -> None:
    """List the keys, the oldest first."""
    with _opened(database) as keys:
        found = keys.list()
    if as_json:
        click.echo(json.dumps([asdict(key) for key in found], indent=2))
        return
    table = [["ID", "NAME", "OWNER", "SCOPES", "LIMITS", "MADE", "STATE"]]
    click.echo(columns([*table, *(_row(key) for key in found)]))


@command.command("revoke")
@click.argument("key_id", metavar="ID")
@database_option
def revoke(key_id: str, database: str | None) -> None:
    """Make the key ID useless from now on."""
    with _opened(database) as keys:
        keys.revoke(key_id)
    click.echo(f"revoked {key_id}", err=True)


@contextmanager
def _opened(database: str | None) -> Iterator[Keys]:
    from praxino.jobs.store import Store
    from praxino.server.keys import Keys

    store = Store(database or settings.database_url())
    try:
        yield Keys(store.database)
    finally:
        store.close()


def _row(key: Key) -> list[str]:
    limits = key.limits
    told = {
        "a minute": limits.requests_per_minute,
        "credits a day": limits.credits_per_day,
        "waiting": limits.max_queued,
        "priority": limits.max_priority or None,
    }
    bounds = ", ".join(f"{value:g} {what}" for what, value in told.items() if value is not None)
    made = datetime.fromtimestamp(key.created_at).strftime("%Y-%m-%d")
    state = "revoked" if key.revoked_at is not None else "in use"
    return [key.id, key.name, key.owner, " ".join(key.scopes), bounds or "none", made, state]
