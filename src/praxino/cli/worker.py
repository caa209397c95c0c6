"""`praxino worker`: draws the jobs of a queue. The place where queue and engine are joined.

The command itself supervises and never imports torch; it starts itself once more for each device, with --incarnation.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from praxino import settings
from praxino.cli.options import Scalar
from praxino.errors import UserError

if TYPE_CHECKING:
    from praxino.engine.drawn import Drawn
    from praxino.events import OnStep, StepEvent
    from praxino.jobs.files import ResultFolder
    from praxino.jobs.store import Store
    from praxino.jobs.supervisor import Supervisor
    from praxino.jobs.vitals import Vitals
    from praxino.jobs.worker import Task, Worker
    from praxino.recipe import Recipe

logger = logging.getLogger(__name__)

DRAIN_SECONDS = 20.0
HANG_SECONDS = 1800.0


@click.command("worker")
@click.option("--device", "devices", multiple=True, metavar="NAME", help="work on this one; may be given again")
@click.option("--database", metavar="URL", help="the queue, instead of PRAXINO_DATABASE")
@click.option("--results", metavar="FOLDER", help="the shared folder of files, instead of PRAXINO_RESULTS")
@click.option(
    "--drain-seconds",
    type=Scalar("--drain-seconds", float),
    default=DRAIN_SECONDS,
    metavar="N",
    help=f"after SIGTERM, let jobs go on for so long before they are handed back [default {DRAIN_SECONDS:g}]",
)
@click.option(
    "--hang-seconds",
    type=Scalar("--hang-seconds", float),
    default=HANG_SECONDS,
    metavar="N",
    help=f"give up an attempt that ends no step for so long [default {HANG_SECONDS:g}]",
)
@click.option("--incarnation", hidden=True)
def command(
    devices: tuple[str, ...],
    database: str | None,
    results: str | None,
    drain_seconds: float,
    hang_seconds: float,
    incarnation: str | None,
) -> None:
    """Draw the jobs of a queue: one process for each device, started anew when it dies.

    The first Ctrl-C or SIGTERM lets the jobs in hand go on for a while, the second hands them back at their next step.
    They go on from there in another worker.
    """
    for name, given in (("--drain-seconds", drain_seconds), ("--hang-seconds", hang_seconds)):
        if not 0 <= given < 1e9:
            raise UserError(f"{name} is {given:g}; it must be a number of seconds, 0 or more.")
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s: %(message)s")
    logging.getLogger("alembic").setLevel(logging.WARNING)
    name_queue(database, results)
    if incarnation is not None:
        _work(devices[0], incarnation, hang_seconds)
        return
    store, folder = open_queue()
    with closing(store):
        supervisor = new_supervisor(store, devices or every_device(), drain_seconds, hang_seconds)
        _on_signals((signal.SIGTERM, signal.SIGINT), supervisor.drain, supervisor.hand_back)
        with house_kept(store, folder):
            supervisor.run()


def name_queue(database: str | None, results: str | None) -> None:
    """Make what was given on the command line this process's settings, and those of the processes it starts."""
    if database:
        os.environ["PRAXINO_DATABASE"] = database
    if results:
        os.environ["PRAXINO_RESULTS"] = str(Path(results).expanduser().resolve())


def open_queue() -> tuple[Store, ResultFolder]:
    """The queue and its folder, as the settings name them; made when missing.

    Raises:
        UserError: one of them cannot be used, or they do not belong together.
        StoreUnavailable: the database cannot be reached.
    """
    from praxino.jobs.files import ResultFolder
    from praxino.jobs.job import JobState
    from praxino.jobs.store import Store
    from praxino.jobs.stored import StoredResults

    store = Store(settings.database_url())
    try:
        has_results = store.counts()[JobState.SUCCEEDED] > 0
        root, url = settings.results_folder(), settings.value("PRAXINO_STORE")
        if url:
            return store, StoredResults(root, store.store_id(), url, has_results=has_results)
        return store, ResultFolder(root, store.store_id(), has_results=has_results)
    except BaseException:
        store.close()
        raise


def new_supervisor(
    store: Store, devices: Collection[str], drain_seconds: float = DRAIN_SECONDS, hang_seconds: float = HANG_SECONDS
) -> Supervisor:
    """A supervisor of one worker process for each device.

    Raises:
        UserError: there is no such device.
    """
    from praxino.engine.machine import this_machine
    from praxino.jobs.supervisor import Supervisor

    program = [sys.executable, "-m", "praxino", "worker", "--hang-seconds", str(hang_seconds)]
    commands = {device: [*program, "--device", this_machine(device).device] for device in devices}
    return Supervisor(store, commands, drain_seconds=drain_seconds)


def every_device() -> list[str]:
    """The device that the settings name, else every one that this machine can use. Imports no torch."""
    from praxino.engine.machine import this_machine

    best = this_machine().device
    if best != "cuda" or settings.value("PRAXINO_DEVICE"):
        return [best]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    count = len(visible.split(",")) if visible else len(list(Path("/proc/driver/nvidia/gpus").glob("*")))
    return [f"cuda:{index}" for index in range(max(count, 1))]


@contextmanager
def house_kept(store: Store, folder: ResultFolder) -> Iterator[None]:
    """While the block runs, a thread keeps rows and files in step."""
    from praxino.jobs.janitor import sweep_hourly

    stopped = threading.Event()
    work = (store, folder, settings.keep_seconds(), stopped)
    janitor = threading.Thread(target=sweep_hourly, args=work, name="janitor", daemon=True)
    janitor.start()
    try:
        yield
    finally:
        stopped.set()
        janitor.join()


def _work(device: str, incarnation: str, hang_seconds: float) -> None:
    """Be the worker of one device."""
    from praxino.jobs.job import WorkerInfo
    from praxino.jobs.supervisor import HAND_BACK_SIGNAL, take_pipe
    from praxino.jobs.vitals import Vitals
    from praxino.jobs.worker import Worker

    lives = take_pipe()
    store, folder = open_queue()
    info = WorkerInfo(incarnation, device, socket.gethostname(), os.getpid())

    def beat() -> None:
        if not lives():
            worker.hand_back()

    executor = LocalExecutor(device, Vitals(folder.root, incarnation, lambda: device_bytes(device)), folder.root)
    worker: Worker = Worker(store, folder, executor, info, beat=beat, hang_seconds=hang_seconds)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _on_signals((HAND_BACK_SIGNAL,), worker.hand_back, worker.hand_back)
    _on_signals((signal.SIGTERM,), worker.drain, worker.hand_back)
    worker.run()


def _on_signals(numbers: Collection[int], first: Callable[[], None], again: Callable[[], None]) -> None:
    asked: list[int] = []

    def handle(number: int, frame: object) -> None:
        (again if asked else first)()
        asked.append(number)

    for number in numbers:
        signal.signal(number, handle)


class LocalExecutor:
    """Runs jobs with this machine's engine, which keeps models in memory; shows how it goes.

    Args:
        device: cpu, cuda:1, ...
        vitals: where it tells how it goes.
        root: the shared folder, in which a job's recipe names what it does not hold.
    """

    def __init__(self, device: str, vitals: Vitals, root: Path) -> None:
        self._device = device
        self._vitals = vitals
        self._root = root

    def loaded(self) -> Collection[str]:
        """The models that are kept in memory."""
        from praxino.engine import loaded

        return loaded.models()

    def run(self, task: Task, on_step: OnStep) -> Any:
        """Draw n samples. Errors as `praxino.jobs.worker.Executor` says."""
        from praxino.engine.preview import PreviewFile
        from praxino.jobs.files import PREVIEW
        from praxino.jobs.telling import local_sources
        from praxino.recipe import Recipe

        recipe = Recipe.from_json(local_sources(task.recipe, self._root))
        preview, before = PreviewFile(task.state / PREVIEW), self.loaded()

        def shown(event: StepEvent) -> None:
            if event.note:
                logger.warning("%s", event.note)
            elif event.stage == "load" and recipe.model not in before:
                self._vitals.loaded(recipe.model)
            self._vitals.step(event, recipe.model)
            preview.show(event)
            on_step(event)

        result = self._draw(recipe, task, shown)
        self._vitals.save()
        return result

    def _draw(self, recipe: Recipe, task: Task, on_step: OnStep) -> tuple[Recipe, list[Drawn]]:
        """The recipe as it was drawn, and the samples. The attempt after one that ran out of memory changes pixels."""
        from praxino.engine import fitting
        from praxino.engine.run import draw

        if task.smaller_plan:
            less = fitting.smaller(recipe) or recipe
            return fitting.draw_as_fits(less, on_step, checkpoint=task.state, device=self._device)
        recipe = fitting.settled(recipe, self._device)
        return recipe, draw(recipe, on_step, checkpoint=task.state, device=self._device)

    def save(self, drawn: Any, task: Task, folder: Path) -> None:
        """Write the clips, named after the prompt, each with the recipe inside that it was drawn by."""
        from praxino.engine.output import default_path, save_clips
        from praxino.recipe import Recipe

        as_drawn, clips = drawn
        recipe = dataclasses.replace(Recipe.from_json(task.recipe), plan=as_drawn.plan)
        save_clips(clips, recipe, default_path(recipe.prompt, recipe.encoding.format, folder, recipe.n))


def device_bytes(device: str) -> int | None:
    """The most memory of a CUDA device that this process has taken; None before torch is there, and elsewhere."""
    torch = sys.modules.get("torch")
    if torch is None or not device.startswith("cuda"):
        return None
    return torch.cuda.max_memory_reserved(device)
