"""Keeps the process that answers HTTP running: started anew, at the same port, when it dies."""

from __future__ import annotations

import json
import logging
import subprocess
import threading
from collections.abc import Callable, Sequence

from praxino.errors import JobError, UserError

logger = logging.getLogger(__name__)

FIRST_RESTART_SECONDS = 0.5
LONGEST_RESTART_SECONDS = 30.0
END_SECONDS = 10.0


class Keeper:
    """One child process that answers HTTP.

    Args:
        command: makes the command line of a child that listens at a port. It prints one JSON object when it answers,
            {"port": N}, or when it cannot, {"problem": "..."}; it ends when its standard input does.
    """

    def __init__(self, command: Callable[[int], Sequence[str]]) -> None:
        self._command = command
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep, name="keeper", daemon=True)
        self.port = 0

    def start(self, port: int) -> None:
        """Start the child and wait until it answers; `port` is the real one then.

        Args:
            port: 0 takes any that is free.

        Raises:
            UserError: the child says that it cannot listen there.
            JobError: it ended without a word.
        """
        self.port = self._start(port)
        self._thread.start()

    def stop(self) -> None:
        """End the child: it finishes the answers in hand."""
        self._stopping.set()
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
        self._thread.join()
        self._bury()

    def _start(self, port: int) -> int:
        command = list(self._command(port))
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        self._process = process
        assert process.stdout is not None
        line = process.stdout.readline()
        told = json.loads(line) if line else {}
        if "port" not in told:
            self._bury()
            if "problem" in told:
                raise UserError(told["problem"])
            raise JobError(f"the server process ended with code {process.returncode} before it answered; see its log.")
        logger.info("answering on port %d, process %d", told["port"], process.pid)
        return told["port"]

    def _bury(self) -> None:
        """Wait for the child's end, and close what led to it."""
        if (process := self._process) is not None:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
            process.wait()

    def _keep(self) -> None:
        delay = FIRST_RESTART_SECONDS
        while True:
            assert self._process is not None
            code = self._process.wait()
            if self._stopping.is_set():
                return
            logger.error("the server process ended with code %d; starting it anew", code)
            self._bury()
            if self._stopping.wait(delay):
                return
            try:
                self._start(self.port)
                delay = FIRST_RESTART_SECONDS
            except (UserError, JobError) as problem:
                logger.error("%s", problem)
                delay = min(delay * 2, LONGEST_RESTART_SECONDS)
