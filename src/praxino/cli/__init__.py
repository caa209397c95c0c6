"""The `praxino` command: the only room that prints, prompts or exits.

Commands are imported when they are called for, and whatever is slow to import (numpy, media, torch) inside them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

QUIET_LIBRARIES = {
    "TQDM_DISABLE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "DIFFUSERS_VERBOSITY": "error",
    "HF_HUB_VERBOSITY": "error",
}
"""Environment that keeps libraries from writing over the command's own display; what the user has set stays."""


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 a model or this program failed, 2 bad input, 130 cancelled."""
    from praxino.cli.outcome import run
    from praxino.cli.terminal import forgive_encoding

    for name, value in QUIET_LIBRARIES.items():
        os.environ.setdefault(name, value)
    forgive_encoding(sys.stdout, sys.stderr)
    sys.exit(run(sys.argv[1:] if args is None else list(args)))
