"""Looks with a name: a style rewrites the prompt and fills in what a Request leaves open.

Knows Requests and TOML files; knows no model. The built-in styles are data, in builtin.toml; a user's own are in
PRAXINO_HOME/styles.toml, or in any file of that form.
"""

from praxino.styles.dress import Dressed, dress
from praxino.styles.shelf import every, find
from praxino.styles.style import Style

__all__ = ["Dressed", "Style", "dress", "every", "find"]
