"""`praxino edit`: the next turn of a conversation about a picture. Each result knows what it was made from."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from praxino.cli.generate import Origin, draw_request, named_format, output_option
from praxino.cli.options import GroupedCommand, Running, readable, request_of, request_options, running_options
from praxino.errors import UserError

if TYPE_CHECKING:
    from praxino.families import Variant
    from praxino.history import Entry
    from praxino.recipe import Recipe

EDITS = ("instruction-editing", "image-to-image", "image-to-video")
"""Tasks that begin with a picture, the likeliest meant first."""
TAKEN = ("image", "first", "video")
"""Fields that `edit` fills in itself."""


@dataclass(frozen=True)
class _Edited:
    """What WHAT turned out to be."""

    path: Path
    entry: Entry | None
    """None where no history is kept."""
    recipe: Recipe | None
    """None when the file has none inside."""

    @property
    def model(self) -> str:
        """The model that drew it; "" when not known."""
        if self.entry is not None:
            return self.entry.model
        return self.recipe.model if self.recipe else ""


def edit(running: Running, what: str, output: str | None, **params: Any) -> None:
    """Change a picture: draw PROMPT from it.

    WHAT is `last` (the newest of the history), an id of the history, or a file. The model is the one that drew it,
    unless -m names another. Any point of a chain can be edited again: see praxino history.
    """
    if params["prompt"] is None:
        raise UserError(f'say what to change: praxino edit {what[:200]} "make it watercolour"')
    edited = _edited(what, running)
    model = params["model"] or edited.model or None
    picture, notes = _picture(edited.path, model, params)
    request = request_of({**named_format(params, output), **picture, "model": model})
    origin = Origin(_identity(edited), edited.entry.id if edited.entry else None, notes)
    draw_request(request, output, running, origin)


def _edited(what: str, running: Running) -> _Edited:
    from praxino.history import Journal

    if what == "last" or what.isdecimal():
        return _from_history(what, Journal())
    path = Path(readable(what, "WHAT")).expanduser()
    _check_readable(path)
    recipe = _recipe_of(path)
    return _Edited(path, _noted(path, recipe, Journal()) if running.history else None, recipe)


def _check_readable(path: Path) -> None:
    from praxino.media import is_clip

    if not path.is_dir():
        is_clip(path)
    elif not _first_of_folder(path).is_file():
        raise UserError(
            f"{path} is a folder without a picture {_first_of_folder(path).name}; name a picture or a clip."
        )


def _first_of_folder(path: Path) -> Path:
    return path / "0001.png"


def _from_history(what: str, journal: Any) -> _Edited:
    from praxino.cli.history import entry_of
    from praxino.history import digest

    entry = journal.last() if what == "last" else entry_of(int(what), journal)
    if entry is None:
        raise UserError('there is no last one: the history is empty. Name a file: praxino edit cat.png "..."')
    path = Path(entry.path)
    if not path.exists():
        raise UserError(
            f"{path}, which is {entry.id} in the history, is gone; if you have it elsewhere, name the file."
        )
    if digest(path) != entry.sha256:
        raise UserError(
            f"{path} is no longer {entry.id}: something else has been written there since.\n"
            f"To edit what is there now, name it: praxino edit {path} ..."
        )
    return _Edited(path, entry, _recipe_of(path))


def _recipe_of(path: Path) -> Recipe | None:
    """The recipe inside a file; None when there is none that can be read: any picture can be edited."""
    from praxino.engine.output import read_recipe

    try:
        return read_recipe(path)
    except UserError:
        return None


def _noted(path: Path, recipe: Recipe | None, journal: Any) -> Entry | None:
    """The file's entry in the history, where it is put if it is not there yet; None if the history is out of order."""
    from praxino.history import digest, found

    try:
        if known := journal.of_file(path, digest(path)):
            return known
        entry = found(path, recipe)
        return dataclasses.replace(entry, id=journal.add([entry])[0])
    except UserError:
        return None


def _identity(edited: _Edited) -> str:
    """See `Recipe.parent`."""
    from praxino.history import digest

    if edited.recipe is not None:
        return edited.recipe.identity()
    return edited.entry.identity if edited.entry else digest(edited.path)


def _picture(path: Path, model: str | None, params: dict[str, Any]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The Request's field for what is edited, and what to tell of it.

    A clip goes to a model that changes clips; of one for any other model, the first frame is taken.
    """
    from praxino import media
    from praxino.request import Request
    from praxino.weights.catalog import find

    variant = find(model or Request().model).variant
    if path.is_dir():
        return {"image": str(_first_of_folder(path))}, (f"{path}: its first frame is taken",)
    clip = media.is_clip(path)
    if clip and _changes_clips(variant):
        return {"video": str(path)}, ()
    if not (params["mask"] or params["expand"]):
        _check_edits(variant)
    if clip:
        return {"image": f"{path}#frame=0"}, (f"{path} is a clip: its first frame is taken",)
    return {"image": str(path)}, ()


def _changes_clips(variant: Variant) -> bool:
    return "video-to-video" in variant.tasks and "extend" not in variant.steering


def _check_edits(variant: Variant) -> None:
    from praxino.weights.catalog import entries

    if any(task in EDITS for task in variant.tasks):
        return
    able = {task: [e for e in entries() if task in e.variant.tasks] for task in EDITS}
    here = [f"{entry.name} ({task})" for task, found in able.items() for entry in found if entry.path is not None]
    others = [f"{entry.name} ({task})" for task, found in able.items() for entry in found if entry.path is None]
    raise UserError(
        f"{variant.name} cannot change a picture; it does {', '.join(variant.tasks)}. Name one that can with -m.\n"
        f"Here: {', '.join(here[:8]) or 'none'}. To be fetched: {', '.join(others[:8]) or 'none'}."
    )


command = click.command("edit", cls=GroupedCommand)(running_options(edit))
command.params = [
    click.Argument(["what"], metavar="WHAT"),
    output_option,
    *(option for option in request_options() if option.name not in TAKEN),
    *command.params,
]
