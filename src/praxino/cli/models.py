"""`praxino models`: which there are, what one can do, and tiny ones to try things with; the rest is in model_files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from praxino.cli import model_files
from praxino.cli.app import Commands
from praxino.cli.memory import peaks, peaks_in_words
from praxino.cli.wording import aligned, amount, columns
from praxino.errors import UserError

if TYPE_CHECKING:
    from praxino.weights.catalog import Entry
    from praxino.weights.records import Record


@click.group("models", cls=Commands)
def command() -> None:
    """List models, fetch, check or remove one."""


for subcommand in (model_files.pull, model_files.import_model, model_files.verify, model_files.remove):
    command.add_command(subcommand)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="print a JSON list")
def list_models(as_json: bool) -> None:
    """List the models that are here, and those known of.

    HERE says how: bundled, imported, placed by hand in PRAXINO_HOME/models, or pulled. DOWNLOAD is about what a pull
    takes.
    """
    from praxino.weights import records
    from praxino.weights.catalog import entries

    found, others = entries(), [record for record in records.every() if record.kind != "model"]
    if as_json:
        _print_json([summary(entry) for entry in found] + [other_summary(record) for record in others])
        return
    table = [["NAME", "FAMILY", "HERE", "DOWNLOAD", "TASKS"]]
    for entry in found:
        cells = entry.name, entry.family.name, entry.kept or "no", _download(entry), ", ".join(entry.variant.tasks)
        table.append(list(cells))
    click.echo(columns(table))
    if others:
        click.echo("\n" + columns([["BESIDE MODELS", "KIND", "WHAT"], *([r.name, r.kind, r.about] for r in others)]))


@command.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="print a JSON object")
def show_model(name: str, as_json: bool) -> None:
    """Show what the model NAME can do.

    NAME may be a folder, or a Hub repository that was pulled. Tells tasks, defaults, licence and its restrictions,
    where the model is, and the words it knows.
    """
    from praxino.weights.catalog import find

    entry = find(name)
    if as_json:
        _print_json(details(entry))
    else:
        click.echo(aligned(rows(entry)))


@command.command("miniature")
@click.argument("name", metavar="FAMILY|MODEL")
@click.argument("folder")
def miniature(name: str, folder: str) -> None:
    """Write a tiny model of FAMILY into FOLDER.

    Its weights are random: it draws noise, in a second, to try flags and scripts with. That of a MODEL does the tasks
    of that one.
    """
    import difflib

    from praxino.families import families

    known, path = families(), Path(folder)
    models = {variant.name: family.name for family in known.values() for variant in family.variants.values()}
    if name not in known and name not in models:
        nearest = difflib.get_close_matches(name, [*known, *models], n=1)
        fix = f"did you mean {nearest[0]}?" if nearest else f"there are {', '.join(sorted(known))}."
        raise UserError(f"there is no family or model {name!r}; {fix}")
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UserError(f"{path} is there already; give a new or empty folder.")
    if name in known:
        known[name].miniature(path)
    else:
        known[models[name]].miniature(path, like=name)
    here = path if len(path.parts) > 1 else f"./{path}"  # a name alone might be that of a model
    click.echo(f'wrote {path}; try it: praxino "anything" -m {here}', err=True)


def summary(entry: Entry) -> dict[str, Any]:
    """What a list says of a model."""
    from praxino.weights.download import download_bytes

    return {
        "name": entry.name,
        "family": entry.family.name,
        "variant": entry.variant.name,
        "title": entry.variant.title,
        "tasks": list(entry.variant.tasks),
        "installed": entry.path is not None,
        "here": entry.kept,
        "kind": "model",
        "source": entry.variant.source,
        "revision": entry.variant.revision if entry.variant.source else "",
        "licence": entry.variant.licence,
        "restrictions": entry.variant.restrictions,
        "gated": entry.variant.gated,
        "download_bytes": download_bytes(entry.variant),
    }


def other_summary(record: Record) -> dict[str, Any]:
    """What a list says of an imported LoRA or part, which no model of its own is."""
    return {"name": record.name, "installed": True, "here": "imported", "kind": record.kind, "title": record.about}


def details(entry: Entry) -> dict[str, Any]:
    """All there is to say of a model."""
    variant = entry.variant
    return {
        **summary(entry),
        "path": str(entry.path) if entry.path is not None else None,
        "size_bytes": measured_bytes(entry),
        "width": variant.width,
        "height": variant.height,
        "num_frames": variant.num_frames,
        "fps": variant.fps,
        "steps": variant.steps,
        "guidance": max(phase.scale for phase in variant.guidance_phases),
        "max_text_tokens": variant.max_text_tokens,
        "vocabulary": vocabulary(entry),
        "steering": list(variant.steering),
        "parts": [part.source for part in variant.parts.values()],
        "memory": {"gpu": peaks(entry, "cuda"), "cpu": peaks(entry, "cpu")},
    }


def measured_bytes(entry: Entry) -> int | None:
    """The size of a model's own files; None when it is not here."""
    from praxino.weights.fingerprint import size_bytes
    from praxino.weights.verify import holding

    if entry.path is None:
        return None
    return holding(entry.name).num_bytes if entry.kept == "pulled" else size_bytes(entry.path)


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
        ("reads", f"{told['max_text_tokens']} tokens of a prompt" if told["max_text_tokens"] else "no prompt"),
        ("steered by", ", ".join(told["steering"])),
        ("memory on a GPU", peaks_in_words(told["memory"]["gpu"])),
        ("memory on a CPU", peaks_in_words(told["memory"]["cpu"])),
        ("licence", told["licence"]),
        ("restrictions", told["restrictions"]),
        ("source", told["source"] + (f", revision {told['revision']}" if told["source"] else "")),
        ("put together with", ", ".join(told["parts"])),
        ("download", _download(entry)),
        ("gated", "accept its licence on the Hub, then set HF_TOKEN or run: hf auth login" if told["gated"] else ""),
        (
            "here",
            f"{told['here']}, {told['path']} ({amount(told['size_bytes'])})" if told["path"] else _not_here(entry),
        ),
    ]
    table += [(f"knows {kind}", ", ".join(names)) for kind, names in (told["vocabulary"] or {}).items()]
    return [(name, value) for name, value in table if value]


def _download(entry: Entry) -> str:
    from praxino.weights.download import download_bytes

    num_bytes = download_bytes(entry.variant)
    return f"about {amount(num_bytes)}" if num_bytes else ""


def _not_here(entry: Entry) -> str:
    return f"not on this machine; fetch it: praxino models pull {entry.name}"


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))
