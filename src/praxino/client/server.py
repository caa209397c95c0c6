"""A server, as a program sees it. Connections that break are made anew; nothing is submitted twice."""

from __future__ import annotations

import contextlib
import hashlib
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from praxino.errors import JobError, PraxinoError, UserError
from praxino.picture_names import with_pictures
from praxino.request import Request

CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 45.0
"""A server says something at least every 15 seconds while it follows a job."""
PATIENCE_SECONDS = 120.0
"""How long a server may be away before it is given up."""
LONGEST_WAIT_SECONDS = 5.0
ENDINGS = ("succeeded", "failed", "cancelled")
BUSY = (429, 502, 503, 504)


@dataclass(frozen=True)
class JobEvent:
    """Something that happened to a job."""

    sequence: int
    kind: str
    """See `praxino.jobs.job.Event`."""
    data: Mapping[str, Any]


@dataclass(frozen=True)
class RemoteFile:
    """A file of a result."""

    name: str
    url: str
    num_bytes: int
    sha256: str


class Server:
    """A server at an address.

    Args:
        url: as in http://127.0.0.1:8008.
        key: an API key; "" for a server that wants none.
        patience_seconds: how long to wait for a server that has answered before.

    Raises:
        UserError: the address is no http or https URL.
    """

    def __init__(self, url: str, key: str = "", patience_seconds: float = PATIENCE_SECONDS) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        timeout = httpx2.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS)
        try:
            self._http = httpx2.Client(base_url=url, headers=headers, timeout=timeout)
        except (httpx2.InvalidURL, UnicodeError):
            self._http = httpx2.Client()
        if self._http.base_url.scheme not in ("http", "https") or not self._http.base_url.host:
            raise UserError(f"--server is {url[:100]!r}; it must be a URL, as in http://127.0.0.1:8008")
        self._patience_seconds = patience_seconds
        self._met = False

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def submit(self, request: Request) -> dict[str, Any]:
        """Queue a request whose pictures are files of this machine, or URLs; the job as the server shows it.

        When somebody interrupts it, the job is asked for once more, under the same idempotency key, and cancelled.

        Raises:
            UserError: the server refuses the request, or a picture's file cannot be read.
            JobError: the server cannot be reached, or is not one of Praxino.
        """
        sent = with_pictures(request, self._sent_picture)
        order = {"json": {"request": sent.to_json()}, "headers": {"Idempotency-Key": str(uuid.uuid4())}}
        try:
            return self._ask("POST", "/api/v1/jobs", **order)
        except KeyboardInterrupt:
            with contextlib.suppress(PraxinoError):
                self.cancel(self._ask("POST", "/api/v1/jobs", **order)["id"])
            raise

    def follow(self, job_id: str) -> Iterator[JobEvent]:
        """What happens to a job, from its beginning to its end; a broken connection is taken up where it broke.

        Raises:
            JobError: the server stays away.
        """
        seen = 0
        away = _Away(self._patience_seconds)
        while True:
            try:
                for event in self._events(job_id, seen):
                    seen = event.sequence
                    away = _Away(self._patience_seconds)
                    yield event
                    if event.kind in ENDINGS:
                        return
            except httpx2.TransportError as problem:
                away.wait(self._lost(job_id, problem))
            else:
                away.wait(f"job {job_id} cannot be followed: its events end before it does")

    def get(self, job_id: str) -> dict[str, Any]:
        """A job as the server shows it."""
        return self._ask("GET", f"/api/v1/jobs/{job_id}")

    def is_idle(self) -> bool:
        """Whether no job of the caller waits or is being drawn."""
        return not self._ask("GET", "/api/v1/jobs", params={"state": ["queued", "running"], "limit": 1})["jobs"]

    def cancel(self, job_id: str) -> dict[str, Any]:
        """Cancel a job."""
        return self._ask("POST", f"/api/v1/jobs/{job_id}/cancel")

    def preview(self, job_id: str) -> bytes | None:
        """The newest preview of a running job, a PNG; None when there is none, or no answer."""
        try:
            answer = self._http.get(f"/api/v1/jobs/{job_id}/preview")
        except httpx2.TransportError:
            return None
        return answer.content if answer.status_code == 200 else None

    def files(self, job_id: str) -> list[RemoteFile]:
        """The files of a job that has succeeded, in the order of their names."""
        told = self._ask("GET", f"/api/v1/jobs/{job_id}/result")["files"]
        found = [RemoteFile(one["name"], one["url"], one["num_bytes"], one["sha256"]) for one in told]
        return sorted(found, key=lambda file: file.name)

    def download(self, file: RemoteFile, path: Path) -> None:
        """Write a file to a path; it is whole, and the one that was meant, when this returns.

        Raises:
            JobError: it cannot be had, or is another one.
        """
        digest = hashlib.sha256()
        temporary = path.with_name(f".{path.name}.part")
        try:
            with temporary.open("wb") as stream, self._http.stream("GET", f"/api/v1/files/{file.name}") as answer:
                if answer.status_code != 200:
                    answer.read()
                    raise _refused(answer)
                for chunk in answer.iter_bytes():
                    digest.update(chunk)
                    stream.write(chunk)
            if digest.hexdigest() != file.sha256:
                raise JobError(f"{file.name} was changed on its way; fetch it again.")
            temporary.replace(path)
        except httpx2.TransportError as problem:
            raise JobError(f"{file.name} cannot be fetched from {self._http.base_url}: {problem}") from problem
        finally:
            temporary.unlink(missing_ok=True)

    def _sent_picture(self, name: str, said: str) -> str:
        """The id of an upload for a file of this machine; URLs stay as they are."""
        if name.lower().startswith(("http://", "https://", "data:")):
            return name
        path = Path(name).expanduser()
        try:
            content = path.read_bytes()
        except (OSError, ValueError) as problem:
            cause = getattr(problem, "strerror", None) or "no file name"
            raise UserError(f"{said}: {name[:200]} cannot be read: {cause}.") from problem
        return self._ask("POST", "/api/v1/uploads", files={"file": (path.name, content)})["id"]

    def _events(self, job_id: str, seen: int) -> Iterator[JobEvent]:
        headers = {"Last-Event-ID": str(seen)} if seen else {}
        with self._http.stream("GET", f"/api/v1/jobs/{job_id}/events", headers=headers) as answer:
            if answer.status_code in BUSY:
                raise httpx2.ReadError(f"the server answered with status {answer.status_code}")
            if answer.status_code != 200:
                answer.read()
                raise _refused(answer)
            for event in httpx2.EventSource(answer):
                data = event.json()
                assert isinstance(data, dict)
                yield JobEvent(int(event.id), event.event, data)

    def _ask(self, method: str, path: str, **sent: Any) -> dict[str, Any]:
        """The JSON of an answer. A server that answered before, and is away now, is asked again for a while."""
        away = _Away(self._patience_seconds if self._met else 0.0)
        while True:
            try:
                answer = self._http.request(method, path, **sent)
            except httpx2.TransportError as problem:
                away.wait(f"the server at {self._http.base_url} cannot be reached: {problem}")
                continue
            if answer.status_code in (502, 503, 504):
                away.wait(f"the server at {self._http.base_url} is not available: status {answer.status_code}")
                continue
            if not answer.is_success:
                raise _refused(answer)
            self._met = True
            return _json(answer)

    def _lost(self, job_id: str, problem: Exception) -> str:
        return (
            f"the server at {self._http.base_url} cannot be reached any more: {problem}\n"
            f"The job {job_id} goes on there; ask for it again later."
        )


class _Away:
    """Waits for a server, longer each time, until the patience is over."""

    def __init__(self, patience_seconds: float) -> None:
        self._until = time.monotonic() + patience_seconds
        self._wait = 0.1

    def wait(self, message: str) -> None:
        """Sleep. Raises JobError with the message when the patience is over."""
        if time.monotonic() + self._wait > self._until:
            raise JobError(message)
        time.sleep(self._wait)
        self._wait = min(self._wait * 2, LONGEST_WAIT_SECONDS)


def _json(answer: httpx2.Response) -> dict[str, Any]:
    try:
        told = answer.json()
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise JobError(f"{answer.request.url} does not answer like a Praxino server.")
    return told


def _refused(answer: httpx2.Response) -> UserError | JobError:
    """The error that a server's answer is."""
    kind = UserError if answer.status_code < 500 else JobError
    try:
        error = answer.json()["error"]
        return kind("\n".join(filter(None, (error["message"], error.get("fix")))))
    except (ValueError, KeyError, TypeError):
        return kind(f"{answer.request.url} answered with status {answer.status_code}.")
