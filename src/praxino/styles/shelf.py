"""Where styles are found: in the package, in PRAXINO_HOME/styles.toml, or in a file that is named."""

from __future__ import annotations

import difflib
import tomllib
from functools import cache
from importlib.resources import files
from pathlib import Path

from praxino.errors import UserError
from praxino.settings import home
from praxino.styles.style import Style, read_style

MAX_FILE_BYTES = 1 << 20


def own_file() -> Path:
    """The user's own styles. It need not exist."""
    return home() / "styles.toml"


def every() -> dict[str, Style]:
    """All styles by name; one of the user's own stands in place of a built-in one of its name.

    Raises:
        UserError: the user's file cannot be read, or has something in it that is no style.
    """
    own = own_file()
    return {**_built_in(), **(_read(own) if own.exists() else {})}


def find(name: str) -> Style:
    """The style of a name, or of "FILE.toml#NAME".

    Raises:
        UserError: there is none; the message has the nearest names.
    """
    file, mark, inside = name.rpartition("#")
    known = _read(Path(file).expanduser()) if mark else every()
    wanted = inside if mark else name
    if wanted in known:
        return known[wanted]
    if not mark and Path(name).suffix == ".toml":
        raise UserError(f"--style {name[:200]}: name a style of that file, as in {name[:200]}#NAME")
    near = difflib.get_close_matches(wanted, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}."
    raise UserError(f"there is no style {wanted[:100]!r}{f' in {file}' if mark else ''}; {hint}")


@cache
def _built_in() -> dict[str, Style]:
    text = (files("praxino.styles") / "builtin.toml").read_text(encoding="utf-8")
    return {name: read_style(name, table, None) for name, table in tomllib.loads(text).items()}


def _read(path: Path) -> dict[str, Style]:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise UserError(f"{path} has more than {MAX_FILE_BYTES:,} bytes; that is no file of styles.")
        tables = tomllib.loads(path.read_bytes().decode())
    except OSError as problem:
        raise UserError(f"the styles {path} cannot be read: {problem.strerror}.") from problem
    except (ValueError, RecursionError) as problem:
        said = "it is nested too deeply" if isinstance(problem, RecursionError) else problem
        raise UserError(f"{path} is not TOML: {said}.") from problem
    return {name: read_style(name, table, path) for name, table in tables.items()}
