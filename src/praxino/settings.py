"""Where Praxino keeps things and what the environment may set. Knows nothing of what is kept there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from praxino.errors import UserError


@dataclass(frozen=True)
class Setting:
    """One environment variable: its name, default and meaning."""

    name: str
    default: str
    help: str


SETTINGS = (
    Setting("PRAXINO_HOME", "", "folder of models, caches and data; the platform's own data folder when empty"),
    Setting("PRAXINO_DEVICE", "", "device to run on, such as cpu, cuda, cuda:1 or mps; the best one found when empty"),
    Setting("PRAXINO_CHECKPOINT_SECONDS", "10", "least time between two saves with --checkpoint"),
    Setting("PRAXINO_DEBUG", "", "any value: show the traceback of unexpected errors"),
)
_DEFAULTS = {setting.name: setting.default for setting in SETTINGS}


def value(name: str) -> str:
    """An environment setting, or its default."""
    return os.environ.get(name, "") or _DEFAULTS[name]


def home() -> Path:
    """The folder of models, caches and data. It is not created here."""
    if chosen := value("PRAXINO_HOME"):
        return Path(chosen).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("praxino", appauthor=False))


def checkpoint_seconds() -> float:
    """Least time between two saves of a run's state.

    Raises:
        UserError: PRAXINO_CHECKPOINT_SECONDS is not a number of seconds.
    """
    text = value("PRAXINO_CHECKPOINT_SECONDS")
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e6:
        raise UserError(f"PRAXINO_CHECKPOINT_SECONDS is {text!r}; it must be a number of seconds, 0 or more.")
    return seconds
