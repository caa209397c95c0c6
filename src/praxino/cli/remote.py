"""`praxino "..." --server URL`: a server draws, and its files come here. Looks like a run on this machine."""

from __future__ import annotations

import dataclasses
import io
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from praxino import settings
from praxino.cli.drawing import Report, note_down
from praxino.cli.generate import NO_ORIGIN, Origin
from praxino.cli.interrupt import interruptible
from praxino.cli.options import Running
from praxino.client.server import JobEvent, RemoteFile, Server
from praxino.errors import Cancelled, JobError, PraxinoError, UserError
from praxino.events import StepEvent
from praxino.request import Request

if TYPE_CHECKING:
    import numpy as np

    from praxino.cli.resident import Resident
    from praxino.recipe import Recipe

PREVIEW_SECONDS = 1.0
RESIDENT_PATIENCE_SECONDS = 2.0
"""A server of this machine that is away for longer is left: the command can draw by itself."""


def draw_remotely(
    request: Request, output: str | None, url: str, running: Running, origin: Origin = NO_ORIGIN
) -> list[Path]:
    """Have a server draw a request, and write its files at `output`, or under names of its own.

    What was edited is noted in the history alone: the files are the server's, to the byte.

    Raises:
        Cancelled: somebody pressed Ctrl-C; the job was cancelled, and nothing was written.
        PraxinoError: the server refuses, cannot be reached, or the job failed.
    """
    _check_running(running)
    path = Path(output) if output is not None else None
    request = _with_format(request, path)
    server = Server(url, settings.value("PRAXINO_API_KEY"))
    report = Report(running)
    began = time.monotonic()
    try:
        job_id = _run(server, request, report, origin.notes)
        written = _fetch(server, job_id, request, path)
    except PraxinoError as problem:
        report.failed(problem)
        raise
    finally:
        server.close()
    _tell(written, report, running, time.monotonic() - began, origin)
    return written


def draw_by_resident(request: Request, output: str | None, resident: Resident, running: Running) -> bool:
    """Have the server of this machine draw a request, if it can at once; whether it did. If not, why is told.

    Raises:
        Cancelled: somebody pressed Ctrl-C; the job was cancelled, and nothing was written.
        UserError: the output cannot be written.
    """
    path = Path(output) if output is not None else None
    request = _with_format(request, path)
    report, key, began = Report(running), settings.value("PRAXINO_API_KEY"), time.monotonic()
    if resident.wants_key and not key:
        report.warned(f"praxino serve at {resident.url} wants a key: set PRAXINO_API_KEY; drawing in this process")
        return False
    server = Server(resident.url, key, RESIDENT_PATIENCE_SECONDS)
    try:
        if not server.is_idle():
            report.warned(f"praxino serve at {resident.url} is busy; drawing in this process")
            return False
        job_id = _run(server, request, report, (f"drawn by praxino serve at {resident.url} (else: --local)",))
        written = _fetch(server, job_id, request, path)
    except (JobError, UserError) as problem:
        report.warned(f"praxino serve at {resident.url} does not draw it; drawing in this process ({problem})")
        return False
    finally:
        server.close()
    _tell(written, report, running, time.monotonic() - began, NO_ORIGIN)
    return True


def replay_remotely(recipe: Recipe, path: Path, url: str, running: Running) -> list[Path]:
    """Have a server draw a recipe again, and write its files at `path`.

    Raises:
        UserError: the recipe is none that a server can be asked for.
        JobError: the server decided otherwise, so the pixels are others; the message says what differs.
    """
    from praxino.engine.again import differences, wish_of
    from praxino.engine.output import read_recipe

    written = draw_remotely(wish_of(recipe), str(path), url, running)
    if found := differences(recipe, read_recipe(written[0])):
        raise JobError(
            f"{written[0]} is not what was to be drawn again: the server decided otherwise on {', '.join(found)}.\n"
            "It may hold another revision of the model; replay it on a machine that has the same."
        )
    return written


def _check_running(running: Running) -> None:
    """Refuse what is about a run on this machine. Raises UserError."""
    given = {"--checkpoint": running.checkpoint, "--device": running.device, "--gpus": running.gpus}
    given |= {"--no-metadata": not running.metadata}
    for flag, value in given.items():
        if value:
            raise UserError(f"{flag} is about drawing on this machine; leave it out with --server.")


def _with_format(request: Request, path: Path | None) -> Request:
    """The request, with the format that the output asks for. Raises UserError when it cannot be written."""
    if path is None:
        return request
    from praxino.engine.encoding import resolve_encoding
    from praxino.engine.output import sample_paths
    from praxino.media import check_output

    encoding = resolve_encoding(request, path, 2)
    for file in sample_paths(path, request.n, request.grid):
        check_output(file, encoding)
    return dataclasses.replace(request, format=encoding.format)


def _run(server: Server, request: Request, report: Report, notes: tuple[str, ...]) -> str:
    """Submit, and watch until it has succeeded; the job's id. Raises Cancelled, JobError."""
    with interruptible():
        job_id = None
        try:
            job = server.submit(request)
            job_id = job["id"]
            report.submitted(job_id, (*notes, *job["notes"]))
            _watch(server, job_id, report)
        except KeyboardInterrupt:
            if job_id is not None:
                server.cancel(job_id)
            raise Cancelled("cancelled; nothing was written") from None
        finally:
            report.close()
    return job_id


def _watch(server: Server, job_id: str, report: Report) -> None:
    steps = _Steps(server, job_id, report.shows_previews)
    for event in server.follow(job_id):
        if event.kind == "progress":
            report.step(steps.step(event.data))
        elif event.kind in ("queued", "returned", "retrying"):
            ahead = server.get(job_id)["position"]
            report.announce("waiting in the queue" + (f", {ahead} ahead" if ahead else ""))
        elif event.kind == "started":
            report.announce("loading")
        elif event.kind in ("failed", "cancelled"):
            raise _ending(job_id, event)


def _ending(job_id: str, event: JobEvent) -> PraxinoError:
    if event.kind == "cancelled":
        return Cancelled(f"job {job_id} was cancelled; nothing was written")
    message = str(event.data.get("message", ""))
    return UserError(message) if event.data.get("reason") == "user" else JobError(f"job {job_id} failed: {message}")


class _Steps:
    """Turns a server's progress into the engine's events, with a preview now and then."""

    def __init__(self, server: Server, job_id: str, previews: bool) -> None:
        self._server = server
        self._job_id = job_id
        self._previews = previews
        self._next_preview = 0.0
        self._frame: np.ndarray | None = None
        self._stage = ""
        self._began = time.monotonic()

    def step(self, told: Any) -> StepEvent:
        """The event that a server's progress amounts to."""
        if told["stage"] != self._stage:
            self._stage, self._began = told["stage"], time.monotonic()
        left, remaining = told["seconds_left"] or 0.0, told["num_steps"] - told["step"]
        seconds = left * told["step"] / remaining if remaining else time.monotonic() - self._began
        frame = self._preview()
        preview = None if frame is None else (lambda: frame)
        numbers = {name: told[name] for name in ("stage", "step", "num_steps", "sample", "num_samples")}
        return StepEvent(seconds=seconds, preview=preview, **numbers)

    def _preview(self) -> np.ndarray | None:
        if self._previews and self._stage == "denoise" and time.monotonic() >= self._next_preview:
            self._next_preview = time.monotonic() + PREVIEW_SECONDS
            if (png := self._server.preview(self._job_id)) is not None:
                self._frame = _decoded(png)
        return self._frame


def _decoded(png: bytes) -> np.ndarray:
    import numpy as np
    from PIL import Image

    with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
        return np.asarray(image.convert("RGB"))


def _fetch(server: Server, job_id: str, request: Request, named: Path | None) -> list[Path]:
    """Fetch every file; folders of frames become folders here. The files or folders written."""
    from praxino.engine.output import default_path, sample_paths
    from praxino.media import format_of

    outputs = _by_output(server.files(job_id))
    format = format_of(next(iter(outputs))) or "frames"
    path = named or default_path(request.prompt, format, Path(), len(outputs))
    paths = sample_paths(path, len(outputs), grid=False)
    for target, files in zip(paths, outputs.values(), strict=True):
        if format == "frames":
            _fetch_folder(server, files, target)
        else:
            server.download(files[0], target)
    return paths


def _fetch_folder(server: Server, files: Sequence[RemoteFile], target: Path) -> None:
    """Fetch a folder, whole or not at all; one that is there was checked to be a folder of frames, and goes."""
    with tempfile.TemporaryDirectory(prefix=".praxino-", dir=target.parent) as parent:
        folder = Path(parent) / target.name
        folder.mkdir()
        for file in files:
            server.download(file, folder / PurePosixPath(file.name).name)
        if target.exists():
            shutil.rmtree(target)
        folder.replace(target)


def _by_output(files: Sequence[RemoteFile]) -> dict[str, list[RemoteFile]]:
    """The files of each output, in order: a file alone, or a folder's. Their names are JOB/ATTEMPT/OUTPUT[/FILE]."""
    outputs: dict[str, list[RemoteFile]] = {}
    for file in files:
        outputs.setdefault(PurePosixPath(file.name).parts[2], []).append(file)
    return dict(sorted(outputs.items(), key=lambda item: (len(item[0]), item[0])))


def _tell(written: list[Path], report: Report, running: Running, seconds: float, origin: Origin) -> None:
    from praxino.engine.output import read_recipe

    recipe = dataclasses.replace(read_recipe(written[0]), parent=origin.identity)
    if len(written) > 1:
        recipe = dataclasses.replace(recipe, n=len(written))
    ids = note_down(recipe, written, origin.id, report) if running.history else []
    report.wrote(written, recipe, seconds, ids)
