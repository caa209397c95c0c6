"""Opens what a user named: every way in which a name can be wrong is said here, once. Knows no format."""

from __future__ import annotations

from pathlib import Path

from praxino.errors import UserError

HEAD_BYTES = 512


def head_of(path: Path) -> bytes:
    """The first bytes of a file that can be read.

    Raises:
        UserError: there is no such file, it is a folder, empty, or not readable.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except IsADirectoryError as problem:
        raise UserError(f"{path} is a folder; name a file in it.") from problem
    except (FileNotFoundError, NotADirectoryError) as problem:
        raise UserError(f"there is no file {path}; check its name and folder.") from problem
    except PermissionError as problem:
        raise UserError(f"{path} may not be read by this user; change its permissions: chmod u+r") from problem
    except (OSError, ValueError) as problem:
        raise UserError(f"{str(path)!r} cannot be read: {getattr(problem, 'strerror', None) or problem}.") from problem
    if not head:
        raise UserError(f"{path} is empty (0 bytes); copy or download it again.")
    return head
