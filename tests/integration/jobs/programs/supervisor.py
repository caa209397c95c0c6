"""A supervisor of stub workers: what `praxino worker` is to real ones."""

import argparse
import logging
import signal
import sys
from pathlib import Path

from praxino.jobs.retry import RetryPolicy
from praxino.jobs.store import Store
from praxino.jobs.supervisor import Supervisor


def main(url, results, lease_seconds, hang_seconds, silence_seconds, drain_seconds, num_workers):
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(process)d %(message)s")
    store = Store(url, policy=RetryPolicy(first_delay_seconds=0.05), lease_seconds=lease_seconds)
    program = [sys.executable, str(Path(__file__).with_name("worker.py")), "--supervised", "--url", url]
    program += ["--results", results, "--lease-seconds", str(lease_seconds), "--hang-seconds", str(hang_seconds)]
    commands = {f"cpu:{number}": program for number in range(num_workers)}
    supervisor = Supervisor(store, commands, silence_seconds=silence_seconds, drain_seconds=drain_seconds)
    signal.signal(signal.SIGTERM, lambda number, frame: supervisor.drain())
    supervisor.run()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--url")
    parser.add_argument("--results")
    parser.add_argument("--lease-seconds", type=float)
    parser.add_argument("--hang-seconds", type=float, default=60.0)
    parser.add_argument("--silence-seconds", type=float, default=10.0)
    parser.add_argument("--drain-seconds", type=float, default=10.0)
    parser.add_argument("--num-workers", type=int, default=1)
    main(**vars(parser.parse_args()))
