"""Where Praxino keeps things and what the environment may set. Knows nothing of what is kept there."""

from __future__ import annotations

import os
import re
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
    Setting(
        "PRAXINO_MEMORY_BUDGET",
        "",
        "memory that loaded models may take between runs, as in 12GB; half of the device's when empty",
    ),
    Setting("PRAXINO_ANSWERS", "2GB", "disk that kept answers of text encoders may take, as in 500MB; 0MB keeps none"),
    Setting("PRAXINO_WITHOUT", "", "means of speed that are not used, as in answers,reuse; --explain names them"),
    Setting(
        "PRAXINO_REUSE",
        "",
        "how quality fast leaves steps out, as in first-block/0.08; the best that is known when empty",
    ),
    Setting("PRAXINO_CHECKPOINT_SECONDS", "10", "least time between two saves with --checkpoint"),
    Setting("PRAXINO_HISTORY", "on", "off: files that are written are not noted in the history"),
    Setting(
        "PRAXINO_DATABASE",
        "",
        "where jobs are kept: sqlite:///FILE or postgresql://HOST/NAME; in PRAXINO_HOME when empty",
    ),
    Setting(
        "PRAXINO_RESULTS", "", "folder of the jobs' files, shared by servers and workers; in PRAXINO_HOME when empty"
    ),
    Setting(
        "PRAXINO_STORE",
        "",
        "where finished files are kept, as in s3://bucket/praxino, by fsspec; in PRAXINO_RESULTS when empty",
    ),
    Setting("PRAXINO_KEEP_DAYS", "", "days until a job that has ended is deleted, with its files; never when empty"),
    Setting("PRAXINO_API_KEY", "", "key for the server that --server names"),
    Setting(
        "PRAXINO_REWRITER", "", "chat model that --rewrite asks, by OpenAI's protocol, as in http://127.0.0.1:11434/v1"
    ),
    Setting("PRAXINO_REWRITER_MODEL", "", "its name there"),
    Setting("PRAXINO_REWRITER_KEY", "", "its key, where it wants one"),
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


def memory_budget_bytes() -> int | None:
    """Bytes that loaded models may take between runs; None where a share of the device's memory decides.

    Raises:
        UserError: PRAXINO_MEMORY_BUDGET is not an amount of memory.
    """
    return _amount("PRAXINO_MEMORY_BUDGET") if value("PRAXINO_MEMORY_BUDGET") else None


def answers_folder() -> Path:
    """Where answers of text encoders are kept. It is not created here."""
    return home() / "answers"


def answers_bytes() -> int:
    """Bytes that they may take.

    Raises:
        UserError: PRAXINO_ANSWERS is not an amount of disk.
    """
    return _amount("PRAXINO_ANSWERS")


def compiled_folder() -> Path:
    """Where compiled code of networks is kept. It is not created here."""
    return home() / "compiled"


def paces_file() -> Path:
    """Where it is kept what steps took on this machine."""
    return home() / "paces.json"


def calibrations_file() -> Path:
    """Where it is kept what may be left out of which checkpoint's steps."""
    return home() / "calibrations.json"


def reuse() -> str:
    """The cache of steps that is asked for, and its bound; empty when none is."""
    return value("PRAXINO_REUSE")


def without() -> tuple[str, ...]:
    """The means of speed that are switched off."""
    return tuple(name.strip() for name in value("PRAXINO_WITHOUT").split(",") if name.strip())


def _amount(name: str) -> int:
    text = value(name)
    match = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?) ?([kMGT]B)", text)
    if match is None:
        raise UserError(f"{name} is {text[:60]!r}; write an amount, as in 500MB, 12GB or 0MB.")
    return int(float(match[1]) * 1000 ** ("kMGT".index(match[2][0]) + 1))


def history_is_kept() -> bool:
    """Whether files that are written are noted in the history.

    Raises:
        UserError: PRAXINO_HISTORY is neither on nor off.
    """
    text = value("PRAXINO_HISTORY")
    if text.lower() not in ("on", "off"):
        raise UserError(f"PRAXINO_HISTORY is {text!r}; allowed are on and off.")
    return text.lower() == "on"


def database_url() -> str:
    """Where jobs are kept: PRAXINO_DATABASE, or a SQLite file in `home()`."""
    return value("PRAXINO_DATABASE") or f"sqlite:///{home() / 'jobs.sqlite'}"


def results_folder() -> Path:
    """The folder of the jobs' files: PRAXINO_RESULTS, or one in `home()`. It is not created here."""
    chosen = value("PRAXINO_RESULTS")
    return Path(chosen).expanduser() if chosen else home() / "jobs"


def keep_seconds() -> float | None:
    """How long jobs that have ended are kept; None is for ever.

    Raises:
        UserError: PRAXINO_KEEP_DAYS is not a number of days.
    """
    text = value("PRAXINO_KEEP_DAYS")
    if not text:
        return None
    try:
        days = float(text)
    except ValueError:
        days = -1.0
    if not 0 <= days < 1e6:
        raise UserError(f"PRAXINO_KEEP_DAYS is {text!r}; it must be a number of days, 0 or more.")
    return days * 86_400
