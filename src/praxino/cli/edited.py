"""What a command goes on from: `last`, an id of the history, or a file. Shared by `edit` and `extend`."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from praxino.cli.options import Running, readable
from praxino.errors import UserError

if TYPE_CHECKING:
    from praxino.history import Entry
    from praxino.recipe import Recipe


@dataclass(frozen=True)
class Edited:
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


def edited_of(what: str, running: Running) -> Edited:
    """Find it.

    Raises:
        UserError: there is no such thing, it is changed, or no picture or clip.
    """
    from praxino.history import Journal

    if what == "last" or what.isdecimal():
        return _from_history(what, Journal())
    path = Path(readable(what, "WHAT")).expanduser()
    _check_readable(path)
    recipe = _recipe_of(path)
    return Edited(path, _noted(path, recipe, Journal()) if running.history else None, recipe)


def _check_readable(path: Path) -> None:
    from praxino.media import is_clip

    if not path.is_dir():
        is_clip(path)
    elif not first_of_folder(path).is_file():
        raise UserError(f"{path} is a folder without a picture {first_of_folder(path).name}; name a picture or a clip.")


def first_of_folder(path: Path) -> Path:
    """The first picture of a folder of frames."""
    return path / "0001.png"


def _from_history(what: str, journal: Any) -> Edited:
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
    return Edited(path, entry, _recipe_of(path))


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


def identity_of(edited: Edited) -> str:
    """See `Recipe.parent`."""
    from praxino.history import digest

    if edited.recipe is not None:
        return edited.recipe.identity()
    return edited.entry.identity if edited.entry else digest(edited.path)
