"""The process that answers HTTP: an app behind uvicorn, on a socket, until it is told to stop or its parent is gone."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from praxino.errors import UserError

BACKLOG = 256
MAX_CONNECTIONS = 1000
"""More are answered with 503."""
CLOSE_SECONDS = 5
"""How long answers in hand may go on when the server closes."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any that is free.

    Raises:
        UserError: the address is not this machine's, or the port is taken.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
        # Connections inherit it. Without it, an answer in two parts waits for the client's delayed acknowledgement.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening
    except (OSError, UnicodeError) as problem:
        cause = getattr(problem, "strerror", None) or str(problem)
        raise UserError(f"cannot listen on {host} port {port}: {cause}; choose another --port or --host.") from problem


def serve(app: FastAPI, listening: socket.socket, on_started: Callable[[], None]) -> None:
    """Answer until SIGTERM or SIGINT, or until standard input ends: whoever started this process is gone then."""
    server = _Server(app, on_started)
    threading.Thread(target=_watch_parent, args=(server,), name="parent", daemon=True).start()
    server.run(sockets=[listening])


class _Server(uvicorn.Server):
    """Says when it has started, and ends streams of events when it closes."""

    def __init__(self, app: FastAPI, on_started: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                limit_concurrency=MAX_CONNECTIONS,
                timeout_graceful_shutdown=CLOSE_SECONDS,
            )
        )
        self._app = app
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.closing.set()
        await super().shutdown(sockets)


def _watch_parent(server: uvicorn.Server) -> None:
    while sys.stdin.buffer.read(4096):
        pass
    server.should_exit = True
