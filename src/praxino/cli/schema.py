"""`praxino schema`: what a Request may hold, for programs."""

from __future__ import annotations

import json

import click

from praxino.request import json_schema


@click.command("schema")
def command() -> None:
    """Print the JSON Schema of a Request."""
    click.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
