"""The models that a name can mean: the bundled one, folders under PRAXINO_HOME/models, and any folder on disk."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from praxino.errors import UserError
from praxino.families import Family, Variant, families
from praxino.settings import home


@dataclass(frozen=True)
class Entry:
    """One model, present or only known of."""

    name: str
    family: Family
    variant: Variant
    path: Path | None
    """None when it is known but not on this machine."""

    def require_path(self) -> Path:
        """The model's folder or file.

        Raises:
            UserError: the model is not on this machine.
        """
        if self.path is None:
            raise UserError(
                f"the model {self.name!r} is not on this machine. Download {self.variant.source} "
                "and give its folder: -m FOLDER, "
                f"or put it at {home() / 'models' / self.name}"
            )
        return self.path


def bundled_folder() -> Path:
    """The folder of the models that ship in the package."""
    return Path(str(files("praxino"))) / "assets"


def entries() -> list[Entry]:
    """Every known model: installed ones first, then what the families know of."""
    found: dict[str, Entry] = {}
    for folder in (bundled_folder(), home() / "models"):
        if folder.is_dir():
            for path in sorted(folder.iterdir()):
                if (entry := _identify(path, path.stem if path.is_file() else path.name)) is not None:
                    found.setdefault(entry.name, entry)
    for family in families().values():
        for variant in family.variants.values():
            found.setdefault(variant.name, Entry(variant.name, family, variant, None))
    return list(found.values())


def find(name: str) -> Entry:
    """The model of a name, or in a folder or file.

    Raises:
        UserError: there is none; the message has the nearest names.
    """
    known = {entry.name: entry for entry in entries()}
    if name in known:
        return known[name]
    path = Path(name).expanduser()
    try:
        exists = path.exists()
    except (OSError, ValueError):
        exists = False
    if exists:
        if (entry := _identify(path, name)) is not None:
            return entry
        raise UserError(
            f"{name} holds no checkpoint that is known here; a diffusers folder with a model_index.json or a "
            f".safetensors file of one of these families is: {', '.join(sorted(families()))}."
        )
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(sorted(known))}."
    raise UserError(f"there is no model {name[:200]!r}; {hint}\nSee: praxino models list")


def locate(name: str) -> Path:
    """Where a companion lies: a folder or file, or what is kept under that name beside the models.

    Raises:
        UserError: it is not on this machine.
    """
    for path in (Path(name).expanduser(), home() / "models" / name.replace("/", "--")):
        if path.exists():
            return path
    raise UserError(
        f"{name[:200]} is not on this machine: no such file or folder.\nFetch it: praxino models pull {name}"
    )


def _identify(path: Path, name: str) -> Entry | None:
    for family in families().values():
        if (variant := family.identify(path)) is not None:
            return Entry(name, family, variant, path)
    return None
