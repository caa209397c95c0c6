"""The bench of `praxino serve`: real processes, SQLite, the bundled model.

    python bench/server.py

Accepted submissions per second over HTTP, what a job costs beyond drawing it directly in a warm process, and how late
200 watchers of one job's events hear of its end. Printed, and kept in bench/results/server.json. Needs an idle machine
to mean anything; decides no test.
"""

import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx2

RESULTS = Path(__file__).parent / "results" / "server.json"
NUM_SUBMITS = 500
NUM_CLIENTS = 16
NUM_JOBS = 30
NUM_WATCHERS = 200
REQUEST = {"prompt": "a rocket flying up on a blue background", "seed": 7}


class Server:
    """A `praxino serve` of its own, gone at the end of the block."""

    def __init__(self, home: Path, *options: str) -> None:
        environment = {**os.environ, "PRAXINO_HOME": str(home)}
        command = [sys.executable, "-m", "praxino", "serve", "--port", "0", "--json", *options]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, text=True
        )
        assert self._process.stdout is not None
        self.url = json.loads(self._process.stdout.readline())["url"]
        self.client = httpx2.Client(base_url=self.url, timeout=120)

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *problem: object) -> None:
        self.client.close()
        self._process.terminate()
        self._process.wait()

    def submit(self, client: httpx2.Client | None = None, **wish: Any) -> str:
        """The id of a new job."""
        answer = (client or self.client).post("/api/v1/jobs", json={"request": {**REQUEST, **wish}})
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def job(self, job_id: str) -> dict[str, Any]:
        """A job as the API shows it."""
        return self.client.get(f"/api/v1/jobs/{job_id}").json()

    def wait(self, job_id: str, every_seconds: float = 0.01) -> dict[str, Any]:
        """A job that has ended."""
        while (job := self.job(job_id))["state"] in ("queued", "running"):
            time.sleep(every_seconds)
        assert job["state"] == "succeeded", job
        return job


def submits(server: Server) -> dict[str, float]:
    """Submissions by clients at once, to a server whose machine draws nothing meanwhile."""
    clients = [httpx2.Client(base_url=server.url, timeout=120) for _ in range(NUM_CLIENTS)]

    def one(number: int) -> float:
        began = time.perf_counter()
        server.submit(clients[number % NUM_CLIENTS])
        return time.perf_counter() - began

    began = time.perf_counter()
    with ThreadPoolExecutor(NUM_CLIENTS) as pool:
        done = list(pool.map(one, range(NUM_SUBMITS)))
    taken = time.perf_counter() - began
    return {"per second": round(NUM_SUBMITS / taken, 1), **spread(done)}


def direct_seconds(folder: Path) -> float:
    """The median of drawing and writing the same clip in a process where the model is loaded."""
    import praxino

    seconds = []
    for number in range(NUM_JOBS + 2):
        began = time.perf_counter()
        praxino.generate(**REQUEST).save(folder / f"{number}.gif")
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[2:])


def overhead(server: Server, direct: float) -> dict[str, float]:
    """What a job costs beyond drawing its clip: in a full queue, by its own times, and waited for over HTTP."""
    server.wait(server.submit())
    ids = [server.submit() for _ in range(NUM_JOBS)]
    jobs = [server.wait(job_id, every_seconds=0.5) for job_id in ids]  # asking takes the processor from the worker
    each = (max(moment(job["finished_at"]) for job in jobs) - min(moment(job["started_at"]) for job in jobs)) / NUM_JOBS
    alone = []
    for _ in range(NUM_JOBS):
        began = time.perf_counter()
        server.wait(server.submit())
        alone.append(time.perf_counter() - began)
    return {
        "direct run, ms": round(direct * 1000, 1),
        "one of a full queue costs more, ms": round((each - direct) * 1000, 1),
        "one into an empty queue takes longer, ms": round((statistics.median(alone) - direct) * 1000, 1),
    }


def watched(server: Server) -> dict[str, float]:
    """How long after a job has ended each of its watchers hears of it."""
    job_id = server.submit(n=20)
    heard: list[float] = []
    ready = threading.Barrier(NUM_WATCHERS + 1)

    def watch() -> None:
        with (
            httpx2.Client(base_url=server.url, timeout=120) as client,
            client.stream("GET", f"/api/v1/jobs/{job_id}/events") as stream,
        ):
            ready.wait()
            for line in stream.iter_lines():
                if line.startswith("event: succeeded"):
                    heard.append(time.time())

    threads = [threading.Thread(target=watch) for _ in range(NUM_WATCHERS)]
    for thread in threads:
        thread.start()
    ready.wait()
    ended = moment(server.wait(job_id)["finished_at"])
    for thread in threads:
        thread.join()
    return {"watchers": len(heard), **spread([moment - ended for moment in heard])}


def moment(text: str) -> float:
    """A moment of the API in seconds."""
    return datetime.datetime.fromisoformat(text).timestamp()


def spread(seconds: list[float]) -> dict[str, float]:
    """Median and 99th percentile, in milliseconds."""
    ordered = sorted(seconds)
    return {
        "p50, ms": round(statistics.median(ordered) * 1000, 1),
        "p99, ms": round(ordered[int(len(ordered) * 0.99)] * 1000, 1),
    }


def main() -> None:
    """Measure, print and keep."""
    kept: dict[str, Any] = {
        "date": datetime.date.today().isoformat(),
        "machine": {"cpu": platform.machine(), "cores": os.cpu_count(), "load average": round(os.getloadavg()[0], 2)},
        "versions": {name: version(name) for name in ("praxino", "fastapi", "uvicorn", "torch")},
    }
    with tempfile.TemporaryDirectory() as place:
        direct = direct_seconds(Path(place))
        with Server(Path(place) / "home") as server:
            kept["overhead"] = overhead(server, direct)
            kept["events"] = watched(server)
        with Server(Path(place) / "another home", "--no-workers") as server:
            kept[f"submit, {NUM_CLIENTS} clients"] = submits(server)
    RESULTS.write_text(json.dumps(kept, indent=1) + "\n")
    print(json.dumps(kept, indent=1))


if __name__ == "__main__":
    main()
