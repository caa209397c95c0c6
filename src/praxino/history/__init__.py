"""What was written, and what it was made from: a small journal under PRAXINO_HOME.

Knows recipes and files by their digests; knows no model, no pixels and no terminal. A journal is a convenience: whoever
writes to it must be able to go on without it.
"""

from praxino.history.entry import Entry, digest, drawn, found
from praxino.history.journal import Journal
from praxino.history.tree import Node, forest, newest

__all__ = ["Entry", "Journal", "Node", "digest", "drawn", "forest", "found", "newest"]
