"""Several GPUs for one job: `--gpus`, and what a process other than the first does.

Under torchrun the processes are there already, and it watches over them; `--gpus` has `praxino.cli.ranks` start them.
"""

from __future__ import annotations

import os

import click

from praxino import settings
from praxino.accel.launched import RENDEZVOUS, count_launched, rank_here
from praxino.errors import UserError

MOST = 64


def is_follower() -> bool:
    """Whether this process is another than the first of those that draw a job."""
    return rank_here() > 0


def takes_several(count: int | None) -> bool:
    """Whether several processes draw this, where so many were asked for."""
    return (count or 1) > 1 or count_launched() > 1


def follow(device: str | None) -> None:
    """Draw what the first rank draws, in silence, and end. Ctrl-C is the first rank's to hear."""
    import signal
    import threading

    from praxino.cli.outcome import FAILED
    from praxino.engine.together import follow as draw_along

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if RENDEZVOUS in os.environ:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    raise click.exceptions.Exit(0 if draw_along(device) else FAILED)


def spread(count: int | None, device: str | None) -> None:
    """Run this command as so many processes, and end as the first of them does; go on where there is nothing to do.

    Raises:
        UserError: the number, or the device, will not do.
    """
    if count is None or count == 1:
        return
    if not 1 <= count <= MOST:
        raise UserError(f"--gpus must be 1 to {MOST}, got {count}.")
    if (launched := count_launched()) > 1:
        if launched != count:
            raise UserError(f"--gpus is {count}, but {launched} processes were launched; leave --gpus out.")
        return
    _check_device(device)
    from praxino.cli.ranks import run_as_ranks

    raise click.exceptions.Exit(run_as_ranks(count, click.get_current_context().meta["args"], device))


def _check_device(device: str | None) -> None:
    from praxino.engine.machine import this_machine

    found = this_machine(device).device
    if found not in ("cuda", "cpu"):
        raise UserError(f"--gpus takes the first GPUs of this machine; got --device {found}. Leave --device out.")
    if found == "cpu" and not (device or settings.value("PRAXINO_DEVICE")):
        raise UserError("--gpus: this machine has no GPU. Leave it out; --device cpu has processes in their place.")


def _end_with_parent() -> None:
    """The parent never writes to this process; when it is gone, its end of the pipe is."""
    import sys

    sys.stdin.buffer.read()
    os._exit(1)
