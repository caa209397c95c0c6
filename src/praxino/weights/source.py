"""Where a checkpoint is published: a Hub repository, a revision, a file or folder in it. Knows no network, no disk."""

from __future__ import annotations

import re
from dataclasses import dataclass

from praxino.families import Part, Variant

_WORD = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?"
_WRITTEN = re.compile(rf"(?P<repo>{_WORD}/{_WORD})(?:/(?P<inside>[^@\\]+?))?/?(?:@(?P<revision>[^@\s\\]+))?")


@dataclass(frozen=True)
class Source:
    """Written as owner/name, owner/name/file-or-folder, or either with @revision."""

    repo: str
    """owner/name."""
    inside: str = ""
    """A file or folder of the repository; "" for all of it."""
    revision: str = "main"
    """Branch, tag or commit."""

    @classmethod
    def parse(cls, text: str) -> Source | None:
        """Read how a source is written; None when the text cannot be one."""
        found = _WRITTEN.fullmatch(text)
        if found is None or any(part in text for part in ("--", "..", "//")):
            return None
        return cls(found["repo"], found["inside"] or "", found["revision"] or "main")

    @classmethod
    def of(cls, variant: Variant) -> Source | None:
        """Where a variant is published; None when nowhere (it ships in the package, or was made by hand)."""
        written = cls.parse(variant.source)
        return cls(written.repo, written.inside, variant.revision) if written is not None else None

    @classmethod
    def of_part(cls, part: Part) -> Source:
        """Where a part of a variant is published.

        Raises:
            ValueError: its family does not name it as a source is written.
        """
        written = cls.parse(part.source)
        if written is None:
            raise ValueError(f"{part.source!r} names no Hub repository")
        return written

    def __str__(self) -> str:
        """As `parse` reads it."""
        inside = f"/{self.inside}" if self.inside else ""
        return self.repo + inside + (f"@{self.revision}" if self.revision != "main" else "")
