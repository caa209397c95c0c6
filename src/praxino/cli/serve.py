"""`praxino serve`: a queue, its workers and HTTP, in one command. Never imports torch; its workers do."""

from __future__ import annotations

import json
import logging
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from praxino.cli.options import Scalar
from praxino.cli.resident import EVERYWHERE, noted
from praxino.cli.worker import every_device, house_kept, name_queue, new_supervisor, open_queue
from praxino.errors import Cancelled, UserError

if TYPE_CHECKING:
    from praxino.jobs.supervisor import Supervisor
    from praxino.server.settings import ServerSettings

DEFAULT_PORT = 8008


@click.command("serve")
@click.option("--host", default="127.0.0.1", metavar="ADDRESS", help="where to listen [default 127.0.0.1]")
@click.option(
    "--port",
    type=Scalar("--port", int),
    default=DEFAULT_PORT,
    metavar="N",
    help=f"0 takes any that is free [default {DEFAULT_PORT}]",
)
@click.option("--device", "devices", multiple=True, metavar="NAME", help="work on this one; may be given again")
@click.option("--no-workers", is_flag=True, help="answer only; praxino worker draws, here or on other machines")
@click.option("--database", metavar="URL", help="the queue, instead of PRAXINO_DATABASE")
@click.option("--results", metavar="FOLDER", help="the shared folder of files, instead of PRAXINO_RESULTS")
@click.option("--public-url", default="", metavar="URL", help="what links begin with, as in https://draw.example")
@click.option("--allow-private", is_flag=True, help="fetch pictures from, and send webhooks to, private addresses too")
@click.option("--json", "as_json", is_flag=True, help="print the address as JSON")
@click.option("--child", hidden=True)
def command(
    port: int, database: str | None, results: str | None, as_json: bool, child: str | None, **options: Any
) -> None:
    """Serve HTTP, and draw: a worker for each device. Jobs survive whatever is killed.

    The first Ctrl-C or SIGTERM lets the jobs in hand go on for a while, the second hands them back at their next step.
    """
    from praxino.server.settings import ServerSettings

    if not 0 <= port <= 65_535:
        raise UserError(f"--port is {port}; allowed is 0 to 65,535.")
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s: %(message)s")
    for name in ("alembic", "uvicorn", "httpcore2", "httpx2"):
        logging.getLogger(name).setLevel(logging.WARNING)
    name_queue(database, results)
    if child is not None:
        _answer(child, port)
        return
    devices = [] if options["no_workers"] else list(options["devices"]) or every_device()
    settings = ServerSettings(options["host"], options["public_url"], options["allow_private"])
    _serve(settings, port, devices, as_json)


def _serve(settings: ServerSettings, port: int, devices: Sequence[str], as_json: bool) -> None:
    """Be the parent: of the process that answers, and of the workers. Raises Cancelled after Ctrl-C."""
    from praxino.plain import to_plain
    from praxino.server.keeper import Keeper
    from praxino.server.keys import Keys

    store, folder = open_queue()
    has_keys = Keys(store.database).exist()
    check_may_listen(settings.host, has_keys)
    supervisor = new_supervisor(store, devices)
    program = [sys.executable, "-m", "praxino", "serve", "--child", json.dumps(to_plain(settings))]
    keeper = Keeper(lambda at: [*program, "--port", str(at)])
    keeper.start(port)
    try:
        asked = _listen_to_signals(supervisor)
        with house_kept(store, folder), noted(reached_at(settings.host, keeper.port), devices, has_keys):
            _say_where(url_of(settings.host, keeper.port), devices, has_keys, as_json)
            supervisor.run()
    finally:
        keeper.stop()
    store.close()
    if signal.SIGINT in asked:
        raise Cancelled("stopped")


def check_may_listen(host: str, has_keys: bool) -> None:
    """Refuse to let other machines in without API keys. Raises UserError."""
    from praxino.server.auth import is_loopback

    if not has_keys and not is_loopback(host):
        raise UserError(
            f"--host is {host}, where other machines can reach this server, and it has no API keys.\n"
            "Make one first: praxino keys create NAME"
        )


def url_of(host: str, port: int) -> str:
    """The address of a server, to be typed."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def reached_at(host: str, port: int) -> str:
    """The address of a server, as this machine reaches it."""
    return url_of(EVERYWHERE.get(host, host), port)


def _listen_to_signals(supervisor: Supervisor) -> list[int]:
    """Drain at the first SIGTERM or SIGINT, hand back at the second; the list of those that came."""
    asked: list[int] = []

    def handle(number: int, frame: object) -> None:
        (supervisor.hand_back if asked else supervisor.drain)()
        asked.append(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)
    return asked


def _say_where(url: str, devices: Sequence[str], has_keys: bool, as_json: bool) -> None:
    if as_json:
        told = {"event": "serving", "url": url, "devices": list(devices), "keys": has_keys}
        click.echo(json.dumps(told))
        return
    workers = f"drawing on {', '.join(devices)}" if devices else "no workers"
    who = "API keys wanted" if has_keys else "open to this machine alone"
    click.echo(f"praxino serves {url}  ({workers}; {who})")


def _answer(settings_json: str, port: int) -> None:
    """Be the child: answer HTTP, and say so on standard output first."""
    from praxino.plain import from_plain
    from praxino.server.app import create_app
    from praxino.server.process import listen, serve
    from praxino.server.settings import ServerSettings

    settings = from_plain(ServerSettings, json.loads(settings_json))
    try:
        listening = listen(settings.host, port)
    except UserError as problem:
        click.echo(json.dumps({"problem": str(problem)}))
        return
    store, folder = open_queue()
    app = create_app(settings, store, folder)
    real_port = listening.getsockname()[1]
    serve(app, listening, lambda: click.echo(json.dumps({"port": real_port})))
    store.close()
