"""`praxino styles`: looks with a name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from praxino.cli.app import Commands
from praxino.cli.wording import aligned, columns
from praxino.request import flag

if TYPE_CHECKING:
    from praxino.styles import Style


@click.group("styles", cls=Commands)
def command() -> None:
    """List styles, or show one.

    A style is put on with --style NAME.
    """


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="print a JSON list")
def list_styles(as_json: bool) -> None:
    """List the styles that are built in, and your own."""
    from praxino.styles.shelf import every, own_file

    found = list(every().values())
    if as_json:
        click.echo(json.dumps([_plain(style) for style in found], indent=2, ensure_ascii=False))
        return
    click.echo(columns([["NAME", "FROM", "ABOUT"], *([s.name, _origin(s), s.about] for s in found)]))
    click.echo(f"yours go to {own_file()}; see how one is written: praxino styles show sticker", err=True)


@command.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="print a JSON object")
def show_style(name: str, as_json: bool) -> None:
    """Show what the style NAME says and sets.

    NAME may be FILE.toml#NAME.
    """
    from praxino.styles import find

    style = find(name)
    if as_json:
        click.echo(json.dumps(_plain(style), indent=2, ensure_ascii=False))
        return
    values = [(f"{field} ({flag(field)})", _shown(value)) for field, value in style.fields.items()]
    told = [("name", style.name), ("about", style.about), ("from", _origin(style)), ("prompt", style.prompt), *values]
    click.echo(aligned([(what, value) for what, value in told if value]))


def _origin(style: Style) -> str:
    return style.origin or "built in"


def _shown(value: Any) -> str:
    return (
        ", ".join(map(str, value)) if isinstance(value, tuple) else str(value).lower() if value is True else str(value)
    )


def _plain(style: Style) -> dict[str, Any]:
    return {
        **{"name": style.name, "about": style.about, "origin": style.origin, "prompt": style.prompt},
        "fields": {name: list(value) if isinstance(value, tuple) else value for name, value in style.fields.items()},
    }
