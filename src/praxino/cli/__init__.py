"""The `praxino` command: the only room that prints, prompts or exits.

Commands are imported when they are called for, and whatever is slow to import (numpy, media, torch) inside them.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import sys
import threading
from collections.abc import Sequence

QUIET_LIBRARIES = {
    "TQDM_DISABLE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "DIFFUSERS_VERBOSITY": "error",
    "HF_HUB_VERBOSITY": "error",
}
"""Environment that keeps libraries from writing over the command's own display; what the user has set stays."""


ALLOCATIONS = 50_000
"""Between two searches for unused objects: importing torch makes many, and none is unused."""


def program() -> None:
    """Be the process `praxino`: run its command line and end.

    Python takes half a second to take torch apart at the end, which nothing waits for.
    """
    gc.set_threshold(ALLOCATIONS, 20, 20)
    try:
        main()
    except SystemExit as ended:
        if "torch" not in sys.modules or not isinstance(ended.code, int):
            raise
        _leave(ended.code)


def _leave(code: int) -> None:
    """End the process at once, after all that Python promises to wait for."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 a model or this program failed, 2 bad input, 130 cancelled."""
    from praxino.cli.outcome import run
    from praxino.cli.terminal import forgive_encoding

    for name, value in QUIET_LIBRARIES.items():
        os.environ.setdefault(name, value)
    forgive_encoding(sys.stdout, sys.stderr)
    sys.exit(run(sys.argv[1:] if args is None else list(args)))
