"""What a stream can show: whether it is a terminal, how large, its colours and its characters."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TextIO

TRUECOLOR_TERMS = ("xterm-kitty", "xterm-ghostty", "alacritty", "foot", "wezterm", "contour")
"""Values of TERM whose terminals draw 24-bit colours even when COLORTERM is lost (over ssh, say)."""


@dataclass(frozen=True)
class Terminal:
    """A stream's abilities."""

    tty: bool
    moves: bool
    """The cursor can be moved with ANSI sequences."""
    truecolor: bool
    unicode: bool
    columns: int
    rows: int


def examine(stream: TextIO, environ: Mapping[str, str] = os.environ) -> Terminal:
    """Find out what `stream` can show; nothing is written to it."""
    tty = stream.isatty()
    term = environ.get("TERM", "")
    moves = tty and term != "dumb" and (bool(term) or os.name == "nt")
    size = shutil.get_terminal_size()
    return Terminal(
        tty=tty,
        moves=moves,
        truecolor=moves and not environ.get("NO_COLOR") and _truecolor(term, environ),
        unicode=_speaks_unicode(stream),
        columns=size.columns,
        rows=size.lines,
    )


def forgive_encoding(*streams: Any) -> None:
    """Let no character raise: UTF-8 streams give file names back byte for byte, others print "?"."""
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="surrogateescape" if _speaks_unicode(stream) else "replace")


def _truecolor(term: str, environ: Mapping[str, str]) -> bool:
    return (
        environ.get("COLORTERM", "").lower() in ("truecolor", "24bit")
        or term in TRUECOLOR_TERMS
        or term.endswith("-direct")
        or "WT_SESSION" in environ
    )


def _speaks_unicode(stream: Any) -> bool:
    return (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "").startswith("utf")
