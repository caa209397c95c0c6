"""How many threads a run on a CPU gets where its networks are so small that threads wait more than they compute.

Between two waits lie microseconds of work. A thread that another process keeps off its core for a moment holds up all
others: on a busy machine two threads take ten times as long as one. So a run gets no more threads than there are cores
that nobody uses; and only 1, 2 or 4, with which these networks give the same bits.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from praxino.accel.networks import Network

CHOICES = (4, 2, 1)
CHOSEN_BY_USER = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
RUNNING = Path("/proc/loadavg")
"""Its fourth field begins with how many threads, of all processes, compute just now; this one is among them."""
WAITING = Path("/proc/pressure/cpu")
"""The share of the last seconds in which some thread waited for a processor; not everywhere."""
CONTENDED_PERCENT = 5.0


@contextmanager
def sparing(found: list[Network], device: str) -> Iterator[None]:
    """While it holds, the networks of a run compute with as many threads as pay, if they all say `few_threads`."""
    small = device == "cpu" and all(getattr(network.module, "few_threads", False) for network in found)
    if not small or any(os.environ.get(name) for name in CHOSEN_BY_USER):
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(threads_for(min(_cores() - _others(), before)))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def threads_for(free_cores: int) -> int:
    """How many threads to use where so many cores are free."""
    return next((count for count in CHOICES if count <= free_cores), 1)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _others() -> int:
    """Threads of other processes that compute just now, and have for some seconds; 0 where that cannot be told."""
    try:
        running = int(RUNNING.read_text().split()[3].partition("/")[0]) - 1
    except (OSError, ValueError, IndexError):
        return 0
    return max(0, running) if _is_contended() else 0


def _is_contended() -> bool:
    """Whether work has waited for a processor lately: what computes for a moment, as a write does, is no rival."""
    try:
        some = dict(part.split("=") for part in WAITING.read_text().splitlines()[0].split()[1:])
        return float(some["avg10"]) >= CONTENDED_PERCENT
    except (OSError, ValueError, IndexError, KeyError):
        return True
