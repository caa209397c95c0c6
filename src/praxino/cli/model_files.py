"""`praxino models pull`, `import`, `verify` and `remove`: what brings models here, checks them and takes them away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from praxino.cli.interrupt import interruptible
from praxino.cli.transfer import Telling
from praxino.cli.wording import amount
from praxino.errors import Cancelled, ModelError, PraxinoError, UserError

if TYPE_CHECKING:
    from praxino.weights.pull import Plan
    from praxino.weights.verify import Finding

quiet_option = click.option("-q", "--quiet", is_flag=True, help="print the path and errors, nothing else")
json_option = click.option("--json", "as_json", is_flag=True, help="print events as JSON, one a line, on stdout")


@click.command("pull")
@click.argument("names", metavar="NAME|REPO...", nargs=-1, required=True)
@click.option("--revision", metavar="REV", help="branch, tag or commit of the repository")
@click.option("--from", "folder", metavar="FOLDER", help="take the files from a folder that was carried here")
@quiet_option
@json_option
def pull(names: tuple[str, ...], revision: str | None, folder: str | None, quiet: bool, as_json: bool) -> None:
    """Fetch models from the Hugging Face Hub.

    NAME is one that praxino models list shows, or a family of it; REPO is owner/name, also with a file or folder of it.
    What a model is put together from comes with it, from other repositories too.
    Files go into the Hugging Face cache, which other tools share. Interrupted, the same command goes on.
    """
    from praxino.weights import pull as pulling
    from praxino.weights.carried import Carried
    from praxino.weights.hub import Hub

    telling = Telling(quiet, as_json)
    with _outcome(telling, "cancelled; what has come is kept, and the same command goes on from it"):
        if revision is not None and len(names) > 1:
            raise UserError("--revision is of one model; pull them one by one.")
        planned = pulling.plan_whole(names, Carried(Path(folder)) if folder else Hub(), revision)
        for plan in planned:
            _announce(telling, plan)
        total = sum(plan.total_bytes for plan in planned)
        done = total - sum(plan.missing_bytes for plan in planned)
        with telling.counting("fetching", total, done, "checking hashes") as counting:
            paths = {plan.name: str(pulling.fetch(plan, counting.add)) for plan in planned}
        for plan in planned:
            if not plan.is_part:
                telling.event("pulled", name=plan.name, path=paths[plan.name])
                telling.say(f"{plan.name} is here: {paths[plan.name]}")
                telling.result(paths[plan.name])


def _announce(telling: Telling, planned: Plan) -> None:
    """Title, licence and size, before anything is fetched."""
    variant, listing = planned.variant, planned.transfer.listing
    restrictions = variant.restrictions if variant else ""
    telling.event(
        "plan",
        name=planned.name,
        source=str(planned.source),
        revision=listing.commit,
        licence=planned.licence,
        restrictions=restrictions,
        gated=planned.gated,
        num_files=len(planned.files),
        total_bytes=planned.total_bytes,
        missing_bytes=planned.missing_bytes,
    )
    telling.say(f"{variant.title if variant else planned.source}, revision {listing.commit[:12]}")
    telling.say(f"licence: {planned.licence or 'not stated; read the page of the repository'}")
    if restrictions:
        telling.say(f"restrictions: {restrictions}")
    if planned.gated:
        telling.say("gated: accept its licence on the Hub, then set HF_TOKEN or run: hf auth login")
    here = planned.total_bytes - planned.missing_bytes
    size = f"{_files(len(planned.files))}, {amount(planned.total_bytes)}"
    telling.say(size + (f", {amount(here)} of it here" if here else ""))


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


@click.command("import")
@click.argument("path", metavar="FILE|FOLDER")
@click.option("--name", required=True, metavar="NAME", help="what it is called from then on")
@click.option("--allow-pickle", is_flag=True, help="read .ckpt, .bin, .pt and .pth too, and keep them as safetensors")
@quiet_option
@json_option
def import_model(path: str, name: str, allow_pickle: bool, quiet: bool, as_json: bool) -> None:
    """Copy a model, a LoRA or a part of a model from this disk.

    FILE is a .safetensors checkpoint or LoRA of any tool's naming, FOLDER a model as diffusers writes them, or as the
    authors of Wan, CogVideoX or HunyuanVideo publish it.
    Pickled files can run programs; with --allow-pickle only their tensors are read.
    """
    from praxino.weights import records
    from praxino.weights.importing import take_in

    telling = Telling(quiet, as_json)
    with _outcome(telling, "cancelled; nothing was imported"):
        with telling.counting("copying", last="noting hashes") as counting:
            record = take_in(Path(path).expanduser(), name, allow_pickle=allow_pickle, on_bytes=counting.reach)
        kept = records.kept(name)
        telling.event("imported", name=name, kind=record.kind, about=record.about, path=str(kept))
        telling.say(f"imported {name}: {_as_told(record.kind)}{record.about}")
        telling.say(_how_to_use(record.kind, name))
        telling.result(str(kept))


def _as_told(kind: str) -> str:
    return {"model": "a model, ", "lora": "a LoRA, ", "part": ""}[kind]


def _how_to_use(kind: str, name: str) -> str:
    return {
        "model": f'try it: praxino "a red fox in the snow" -m {name}',
        "lora": f'lay it over a model: praxino "..." -m MODEL --lora {name}',
        "part": f"where an option takes a ControlNet, an embedding or another part, name it: {name}",
    }[kind]


@click.command("verify")
@click.argument("name")
@quiet_option
@json_option
def verify(name: str, quiet: bool, as_json: bool) -> None:
    """Read every file of NAME and compare it with its hash.

    Pulled files are compared with the Hub's hashes, imported ones with those noted at the import. Needs no network.
    """
    from praxino.weights import records
    from praxino.weights import verify as verifying

    telling = Telling(quiet, as_json)
    with _outcome(telling, "cancelled"):
        held = verifying.holding(name)
        with telling.counting("reading", held.num_bytes) as counting:
            finding = verifying.verify(name, counting.add)
        telling.event(
            "verified",
            name=name,
            well=finding.well,
            checked=len(finding.checked),
            damaged=finding.damaged,
            missing=finding.missing,
            unknown=finding.unknown,
        )
        if not finding.well:
            raise ModelError(_damage(name, finding, records.read(name) is not None))
        telling.say(_verified(name, finding, held.num_bytes))


def _damage(name: str, finding: Finding, imported: bool) -> str:
    wrong = [f"{path} is damaged" for path in finding.damaged] + [f"{path} is missing" for path in finding.missing]
    more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
    fix = f"Remove it and bring it in again: praxino models remove {name}"
    if not finding.damaged and not imported:
        fix = f"Fetch what is missing: praxino models pull {name}"
    return f"{name} is not as it was: {', '.join(wrong[:5])}{more}.\n{fix}"


def _verified(name: str, finding: Finding, num_bytes: int) -> str:
    unknown = f"; {len(finding.unknown)} have no hash to compare with" if finding.unknown else ""
    return f"{name} is as it must be: {_files(len(finding.checked))}, {amount(num_bytes)} read{unknown}"


@click.command("remove")
@click.argument("name")
@click.option("--dry-run", is_flag=True, help="only say what would be freed")
def remove(name: str, dry_run: bool) -> None:
    """Delete NAME from this disk.

    Of a pulled model, files that another one needs stay.
    """
    from praxino.weights.removal import remove as free

    freed = free(name, dry_run=dry_run)
    for path in freed.paths:
        click.echo(str(path))
    click.echo(f"{'would free' if dry_run else 'freed'} {amount(freed.num_bytes)}", err=True)


@contextmanager
def _outcome(telling: Telling, cancelled: str) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the block with a sentence; programs get failures as events too."""
    with interruptible():
        try:
            yield
        except KeyboardInterrupt:
            telling.event("failed", error=Cancelled.__name__, message=cancelled)
            raise Cancelled(cancelled) from None
        except PraxinoError as problem:
            telling.event("failed", error=type(problem).__name__, message=str(problem))
            raise
