"""A worker process with the stub engine: what `praxino worker --incarnation` is to the real one."""

import argparse
import logging
import os
import signal
import socket
import sys
import time
from pathlib import Path

from praxino.jobs.files import ResultFolder
from praxino.jobs.job import WorkerInfo, new_id
from praxino.jobs.retry import RetryPolicy
from praxino.jobs.store import Store
from praxino.jobs.supervisor import HAND_BACK_SIGNAL, take_pipe
from praxino.jobs.worker import Worker

sys.path.insert(0, str(Path(__file__).parent))
from stub import StubExecutor


def main(
    url,
    results,
    lease_seconds,
    incarnation=None,
    hang_seconds=60.0,
    supervised=False,
    jump_seconds=0.0,
    crash_attempts=3,
):
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(process)d %(message)s")
    if jump_seconds:
        _jump_soon(jump_seconds)
    lives = take_pipe() if supervised else None
    policy = RetryPolicy(first_delay_seconds=0.05, crash_attempts=crash_attempts)
    store = Store(url, policy=policy, lease_seconds=lease_seconds)
    folder = ResultFolder(Path(results), store.store_id())
    info = WorkerInfo(incarnation or new_id(), "cpu", socket.gethostname(), os.getpid())

    def beat():
        if lives is not None and not lives():
            worker.hand_back()

    worker = Worker(store, folder, StubExecutor(), info, beat=beat, hang_seconds=hang_seconds)
    asked = []

    def handle(number, frame):
        (worker.hand_back if asked else worker.drain)()
        asked.append(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)
    signal.signal(HAND_BACK_SIGNAL, lambda number, frame: worker.hand_back())
    worker.run()


def _jump_soon(seconds):
    """Half a second from now, every look at this process's wall clock is off by so much."""
    right, jumps_at = time.time, time.monotonic() + 0.5

    def wrong():
        return right() + (seconds if time.monotonic() > jumps_at else 0.0)

    time.time, time.time_ns = wrong, lambda: int(wrong() * 1e9)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--url")
    parser.add_argument("--results")
    parser.add_argument("--lease-seconds", type=float)
    parser.add_argument("--hang-seconds", type=float, default=60.0)
    parser.add_argument("--incarnation")
    parser.add_argument("--supervised", action="store_true")
    main(**vars(parser.parse_args()))
