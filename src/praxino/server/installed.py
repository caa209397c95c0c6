"""The installed model that a client's name means: its own name, or the Hub repository that it was published in."""

from __future__ import annotations

from praxino.errors import UserError
from praxino.request import Request
from praxino.weights import catalog
from praxino.weights.source import Source

DEFAULT_MODEL = Request().model


def installed_models() -> list[catalog.Entry]:
    """The models that are on this machine. Blocking: it reads their headers."""
    return [entry for entry in catalog.entries() if entry.path is not None]


def find_installed(name: str) -> catalog.Entry | None:
    """The installed model of a name or a Hub repository (owner/name); None when there is none. Blocking.

    Raises:
        UserError: several models of that repository are installed.
    """
    installed = installed_models()
    if exact := [entry for entry in installed if entry.name == name]:
        return exact[0]
    same = [entry for entry in installed if (source := Source.of(entry.variant)) and source.repo == name]
    if len(same) > 1:
        raise UserError(f"{name} is several models here; name one of them: {', '.join(entry.name for entry in same)}.")
    return same[0] if same else None
