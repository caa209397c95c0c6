"""A `praxino serve` of this user on this machine draws for the commands: its workers have everything loaded.

It leaves a note where it can be reached; commands find it there. Only what comes out the same, to the byte, is drawn by
it: what is said in words alone, under the same settings, by the same version. In all other cases, and when it is busy
or does not answer, the command draws as if there were none. Imports no torch.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from praxino import __version__, settings
from praxino.cli.options import Running
from praxino.request import Request, options

logger = logging.getLogger(__name__)

NOTE = "serve.json"
DECISIVE = (
    "PRAXINO_DEVICE", "PRAXINO_MEMORY_BUDGET", "PRAXINO_WITHOUT", "PRAXINO_REUSE", "PRAXINO_REWRITER",
    "PRAXINO_REWRITER_MODEL",
)  # fmt: skip
"""Settings that what is drawn may depend on."""
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Addresses to listen at, and where this machine reaches them."""


@dataclass(frozen=True)
class Resident:
    """A server that draws here."""

    url: str
    wants_key: bool


@contextmanager
def noted(url: str, devices: Sequence[str], has_keys: bool) -> Iterator[None]:
    """While it holds, commands of this user find the server at `url`. One without workers leaves no note."""
    path = settings.home() / NOTE
    if not devices:
        yield
        return
    told = {"url": url, "wants_key": has_keys, "process": os.getpid(), **_circumstances()}
    try:
        _write(path, told)
    except OSError as problem:
        logger.warning("commands of this machine will not find the server: %s", problem)
    try:
        yield
    finally:
        if _read(path).get("process") == os.getpid():
            path.unlink(missing_ok=True)


def found(request: Request, running: Running) -> Resident | None:
    """The server that draws a request as this process would; None when there is none."""
    if running.checkpoint is not None or running.device is not None or not running.metadata:
        return None
    told = _read(settings.home() / NOTE)
    if not told or any(told.get(name) != value for name, value in _circumstances().items()):
        return None
    if not _is_alive(told.get("process")) or not says_all(request):
        return None
    return Resident(str(told.get("url")), told.get("wants_key") is True)


def says_all(request: Request) -> bool:
    """Whether a request is told in words: it names no file, whose name a recipe keeps, and no folder."""
    return all(_is_plain(name, value) for name, value in request.to_json().items())


def _is_plain(name: str, value: Any) -> bool:
    means = options()[name].metavar
    if "FILE" not in means and "FOLDER" not in means:
        return True
    return means.startswith("NAME") and bool(re.fullmatch(r"[\w-][\w.-]*", str(value))) and not Path(value).exists()


def _circumstances() -> dict[str, Any]:
    return {"version": __version__, "settings": {name: settings.value(name) for name in DECISIVE}}


def _is_alive(process: Any) -> bool:
    if not isinstance(process, int) or os.name != "posix":
        return isinstance(process, int)
    try:
        os.kill(process, 0)
    except OSError:
        return False
    return True


def _read(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _write(path: Path, told: dict[str, Any]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary.write_text(json.dumps(told), encoding="utf-8")
    temporary.replace(path)
