"""`praxino history`: what was written on this machine, and what came from what."""

from __future__ import annotations

import dataclasses
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from praxino.cli.app import Commands
from praxino.cli.options import Scalar
from praxino.cli.terminal import examine
from praxino.cli.wording import aligned, columns
from praxino.errors import UserError

if TYPE_CHECKING:
    from praxino.history import Entry, Journal, Node

SHOWN = 50
"""Entries listed unless told otherwise."""
_PROMPT_CHARACTERS = 60


class History(Commands):
    """A group that lists when none of its commands is named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click's, with `list` put in front of its own options."""
        listing = not args or (args[0].startswith("-") and args[0] not in ctx.help_option_names)
        return super().parse_args(ctx, ["list", *args] if listing else args)


@click.group("history", cls=History, subcommand_metavar="[OPTIONS] | COMMAND ...", options_metavar="")
def command() -> None:
    """Show what was written here, as trees of edits.

    An id of it can be edited again: praxino edit ID "make it watercolour"
    """


@command.command("list")
@click.option("--limit", type=Scalar("--limit", int), default=SHOWN, help=f"the newest N; 0: all  [default {SHOWN}]")
@click.option("--match", default="", metavar="TEXT", help="those with TEXT in prompt, file or model")
@click.option("--json", "as_json", is_flag=True, help="print a JSON list")
def list_entries(limit: int, match: str, as_json: bool) -> None:
    """List the newest files, each below what it was made from."""
    from praxino.history import Journal, forest, newest

    if limit < 0:
        raise UserError(f"--limit is {limit}; it must be 0 (all) or more.")
    entries = Journal().entries()
    shown = newest(entries, limit, match)
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(entry) for entry in shown], indent=2, ensure_ascii=False))
    elif shown:
        click.echo(columns(tree_rows(forest(shown), examine(sys.stdout).unicode)))
        if len(shown) < len(entries) and not match:
            click.echo(f"{len(entries) - len(shown)} older ones; see them with --limit 0", err=True)
    else:
        click.echo("nothing here yet" if not entries else f"nothing has {match[:60]!r} in it", err=True)


@command.command("show")
@click.argument("id", type=Scalar("ID", int))
@click.option("--json", "as_json", is_flag=True, help="print a JSON object")
def show_entry(id: int, as_json: bool) -> None:
    """Show the entry ID, what it came from and what came from it."""
    from praxino.history import Journal

    journal = Journal()
    entry = entry_of(id, journal)
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(entry), indent=2, ensure_ascii=False))
    else:
        click.echo(aligned(rows(entry, journal.entries())))


@command.command("forget")
@click.argument("ids", type=Scalar("ID", int), nargs=-1, metavar="ID...")
@click.option("--all", "everything", is_flag=True, help="all entries")
def forget(ids: tuple[int, ...], everything: bool) -> None:
    """Wipe entries out of the history.

    The files that they tell of stay where they are.
    """
    from praxino.history import Journal

    if bool(ids) == everything:
        raise UserError("say which: praxino history forget ID..., or --all")
    journal = Journal()
    gone = [entry.id for entry in journal.entries()] if everything else [entry_of(id, journal).id for id in ids]
    if gone:
        journal.forget(gone)
    click.echo(f"forgot {len(gone)} {'entry' if len(gone) == 1 else 'entries'}", err=True)


def entry_of(id: int, journal: Journal) -> Entry:
    """The entry of an id. Raises UserError when there is none."""
    entry = journal.get(id)
    if entry is None:
        raise UserError(f"there is no {id} in the history; see: praxino history")
    return entry


def tree_rows(trees: list[Node], unicode: bool) -> list[list[str]]:
    """Id and prompt, indented below what it was made from, then time and file."""
    table = []
    for tree in trees:
        for way, node in tree.walk():
            entry = node.entry
            prompt = " ".join(entry.prompt.split())[:_PROMPT_CHARACTERS] or "(no prompt)"
            table.append([f"{branch(way, unicode)}{entry.id}  {prompt}", _local(entry.time), _near(entry.path)])
    return table


def branch(way: tuple[bool, ...], unicode: bool) -> str:
    """The lines in front of a node; `way` as of `Node.walk`."""
    if not way:
        return ""
    down, side, corner = ("\u2502  ", "\u251c\u2500 ", "\u2514\u2500 ") if unicode else ("|  ", "|- ", "`- ")
    return "".join("   " if last else down for last in way[:-1]) + (corner if way[-1] else side)


def rows(entry: Entry, entries: list[Entry]) -> list[tuple[str, str]]:
    """All there is to tell about an entry."""
    parent = next((f"{other.id}  {other.prompt}" for other in entries if other.id == entry.parent), "")
    children = [f"{other.id}  {other.prompt}" for other in entries if other.parent == entry.id]
    table = [
        ("id", str(entry.id)),
        ("prompt", entry.prompt),
        ("file", entry.path + ("" if Path(entry.path).exists() else "  (gone)")),
        ("written", _local(entry.time)),
        ("model", entry.model),
        ("task", entry.task),
        ("pixels", entry.identity),
        ("made from", parent),
        *(("made of it" if index == 0 else "", child) for index, child in enumerate(children)),
    ]
    return [(name, value) for name, value in table if value]


def _local(time: str) -> str:
    return f"{datetime.fromisoformat(time).astimezone():%Y-%m-%d %H:%M}"


def _near(path: str) -> str:
    """A path as it is written from here."""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path
