"""`praxino models`: which there are, what one can do, and tiny ones to try things with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from praxino.cli.app import Commands
from praxino.cli.wording import aligned, amount, columns
from praxino.errors import UserError

if TYPE_CHECKING:
    from praxino.weights.catalog import Entry


@click.group("models", cls=Commands)
def command() -> None:
    """List models, show one, or write a tiny one."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="print a JSON list")
def list_models(as_json: bool) -> None:
    """List the models that are here, and those known of."""
    from praxino.weights.catalog import entries

    found = entries()
    if as_json:
        _print_json([summary(entry) for entry in found])
        return
    table = [["NAME", "FAMILY", "HERE", "TASKS"]]
    for entry in found:
        here = "yes" if entry.path is not None else "no"
        table.append([entry.name, entry.family.name, here, ", ".join(entry.variant.tasks)])
    click.echo(columns(table))


@command.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="print a JSON object")
def show_model(name: str, as_json: bool) -> None:
    """Show what the model NAME can do.

    NAME may be a folder. Tells tasks, defaults, licence, where the model is, and the words it knows.
    """
    from praxino.weights.catalog import find

    entry = find(name)
    if as_json:
        _print_json(details(entry))
    else:
        click.echo(aligned(rows(entry)))


@command.command("miniature")
@click.argument("family")
@click.argument("folder")
def miniature(family: str, folder: str) -> None:
    """Write a tiny model of FAMILY into FOLDER.

    Its weights are random: it draws noise, in a second, to try flags and scripts with.
    """
    import difflib

    from praxino.families import families

    known, path = families(), Path(folder)
    if family not in known:
        nearest = difflib.get_close_matches(family, known, n=1)
        fix = f"did you mean {nearest[0]}?" if nearest else f"there are {', '.join(sorted(known))}."
        raise UserError(f"there is no family {family!r}; {fix}")
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UserError(f"{path} is there already; give a new or empty folder.")
    known[family].miniature(path)
    click.echo(f'wrote {path}; try it: praxino "anything" -m {path}', err=True)


def summary(entry: Entry) -> dict[str, Any]:
    """What a list says of a model."""
    return {
        "name": entry.name,
        "family": entry.family.name,
        "variant": entry.variant.name,
        "title": entry.variant.title,
        "tasks": list(entry.variant.tasks),
        "installed": entry.path is not None,
    }


def details(entry: Entry) -> dict[str, Any]:
    """All there is to say of a model."""
    from praxino.weights.fingerprint import size_bytes

    variant = entry.variant
    return {
        **summary(entry),
        "path": str(entry.path) if entry.path is not None else None,
        "size_bytes": size_bytes(entry.path) if entry.path is not None else None,
        "source": variant.source,
        "licence": variant.licence,
        "width": variant.width,
        "height": variant.height,
        "num_frames": variant.num_frames,
        "fps": variant.fps,
        "steps": variant.steps,
        "guidance": max(phase.scale for phase in variant.guidance_phases),
        "vocabulary": vocabulary(entry),
    }


def vocabulary(entry: Entry) -> dict[str, list[str]] | None:
    """The names that the model knows, by kind; None when it reads any text or is not here."""
    from praxino.vocabulary import KINDS, Vocabulary

    if not entry.variant.vocabulary or entry.path is None:
        return None
    words = Vocabulary.read(entry.path / entry.variant.vocabulary)
    return {kind: words.names(kind) for kind in KINDS}


def rows(entry: Entry) -> list[tuple[str, str]]:
    """`details` for people."""
    told = details(entry)
    length = f"{told['num_frames']} frames at {told['fps']:g} fps"
    table = [
        ("name", told["name"]),
        ("title", told["title"]),
        ("family", f"{told['family']}, {told['variant']}"),
        ("tasks", ", ".join(told["tasks"])),
        ("draws", f"{told['width']}x{told['height']}, {length}, unless told otherwise"),
        ("steps", f"{told['steps']}, guidance {told['guidance']:g}"),
        ("licence", told["licence"]),
        ("source", told["source"]),
        ("folder", f"{told['path']} ({amount(told['size_bytes'])})" if told["path"] else "not on this machine"),
    ]
    table += [(f"knows {kind}", ", ".join(names)) for kind, names in (told["vocabulary"] or {}).items()]
    return [(name, value) for name, value in table if value]


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
