"""Forks servers and workers that are ready at once: the imports are done. Each is a process of its own, to be killed.

Reads lines of JSON from stdin, {"program", "arguments", "environment", "log"}, and answers with the process id.
"""

import importlib
import json
import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import server
import worker

from praxino.jobs import faults

PROGRAMS = {"server": server.main, "worker": worker.main}


def _be(asked):
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.update(asked["environment"])
    importlib.reload(faults)
    try:
        PROGRAMS[asked["program"]](**asked["arguments"])
    except BaseException:
        import traceback

        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def main():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in iter(sys.stdin.readline, ""):
        child = os.fork()
        if child == 0:
            _be(json.loads(line))
        print(child, flush=True)


main()
