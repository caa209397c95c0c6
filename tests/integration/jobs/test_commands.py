"""`praxino jobs` and `praxino worker` as people meet them, without an engine."""

import json
import subprocess
import sys

import pytest

from praxino.cli import outcome
from praxino.jobs.job import Progress, Reason, ResultFile, Submission


@pytest.fixture
def praxino(url, monkeypatch, capsys):
    """Run a command line in this process, on the queue of `store`."""
    monkeypatch.setenv("PRAXINO_DATABASE", url)

    def call(*args):
        code = outcome.run(list(args))
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def submit(store, prompt="a rocket", **fields):
    return store.submit(Submission({"prompt": prompt}, {"seed": 7}, "pocket", **fields)).job.id


def succeed(store, job_id):
    lease = store.claim("w1").lease
    store.heartbeat(lease, Progress("denoise", 2, 8))
    return store.complete(lease, [ResultFile(f"{job_id}/1/a-rocket.gif", "0" * 64, 2048)])


def test_list(praxino, store):
    first = submit(store, owner="ada")
    second = submit(store, prompt="a cat", owner="bob")
    store.cancel(second)
    code, out, _ = praxino("jobs", "list")
    lines = out.splitlines()
    assert code == 0 and len(lines) == 3
    assert lines[1].split() == [second, "cancelled", "bob", "pocket", "a", "cat"]
    assert praxino("jobs", "list", "--state", "queued", "--owner", "ada")[1].splitlines()[1].startswith(first)
    code, out, err = praxino("jobs", "list", "--limit", "1")
    assert err == f"more: praxino jobs list --after {second}\n"
    listed = json.loads(praxino("jobs", "list", "--after", second, "--json")[1])
    assert [job["id"] for job in listed["jobs"]] == [first]
    assert (listed["jobs"][0]["state"], listed["next"]) == ("queued", None)


def test_show(praxino, store, monkeypatch, tmp_path):
    monkeypatch.setenv("PRAXINO_RESULTS", str(tmp_path / "shared"))
    job_id = submit(store)
    assert "0 jobs" in praxino("jobs", "show", job_id)[1]
    succeed(store, job_id)
    out = praxino("jobs", "show", job_id)[1]
    assert f"{tmp_path}/shared/results/{job_id}/1/a-rocket.gif (2 kB)" in out
    assert "attempt 1  succeeded" in out
    told = json.loads(praxino("jobs", "show", job_id, "--json")[1])
    assert (told["recipe"], told["result"][0]["num_bytes"]) == ({"seed": 7}, 2048)
    assert told["attempt_history"][0]["outcome"] == "succeeded"


def test_watch(praxino, store):
    job_id = submit(store)
    succeed(store, job_id)
    code, out, _ = praxino("jobs", "watch", job_id)
    assert code == 0
    assert [line.split("  ", 1)[1] for line in out.splitlines()] == [
        "queued",
        "started  attempt 1",
        "progress  denoise 2/8",
        "succeeded",
    ]
    events = [json.loads(line) for line in praxino("jobs", "watch", job_id, "--json")[1].splitlines()]
    assert [event["sequence"] for event in events] == [1, 2, 3, 4]


def test_watch_tells_of_an_end_that_is_not_good(praxino, store):
    failed, cancelled = submit(store), submit(store)
    store.fail(store.claim("w1").lease, Reason.MODEL, "the weights are damaged")
    store.cancel(cancelled)
    code, _, err = praxino("jobs", "watch", failed)
    assert (code, err) == (1, f"praxino: job {failed} failed: the weights are damaged\n")
    assert praxino("jobs", "watch", cancelled)[0] == 130


def test_cancel_and_retry(praxino, store):
    job_id = submit(store)
    assert praxino("jobs", "cancel", job_id) == (0, f"{job_id} is cancelled\n", "")
    code, out, _ = praxino("jobs", "retry", job_id, "--json")
    assert (code, json.loads(out)["state"]) == (0, "queued")
    code, _, err = praxino("jobs", "retry", job_id)
    assert (code, err) == (2, f"praxino: job {job_id} is queued; only failed and cancelled jobs can be tried again.\n")
    store.claim("w1")
    assert praxino("jobs", "cancel", job_id)[1] == f"{job_id} is cancelling\n"


@pytest.mark.parametrize("command", ["show", "watch", "cancel", "retry"])
def test_unknown_ids(praxino, store, command):
    assert praxino("jobs", command, "nope") == (
        2,
        "",
        "praxino: there is no job 'nope'; see: praxino jobs list\n",
    )


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["jobs", "list", "--state", "lost"], "--state is 'lost'; allowed are queued, running, succeeded"),
        (["jobs", "list", "--limit", "0"], "--limit is 0; allowed is 1 to 1,000"),
        (["jobs", "list", "--database", "mysql://x/y"], "not a database that keeps jobs: mysql"),
        (["worker", "--drain-seconds", "-1"], "--drain-seconds is -1"),
        (["worker", "--device", "warp"], "there is no device 'warp'"),
    ],
)
def test_bad_input(praxino, store, args, message):
    code, out, err = praxino(*args)
    assert (code, out) == (2, "")
    assert message in err


def test_a_fresh_home_has_no_jobs(monkeypatch, capsys):
    monkeypatch.delenv("PRAXINO_DATABASE", raising=False)
    assert outcome.run(["jobs", "list"]) == 0
    assert capsys.readouterr().out.split() == ["ID", "STATE", "OWNER", "MODEL", "PROMPT"]


@pytest.mark.parametrize("args", [["--help"], ["jobs", "--help"], ["worker", "--help"], ["jobs", "list", "--help"]])
def test_help_needs_no_database(args):
    program = (
        f"import sys; from praxino.cli.outcome import run; run({args!r}); "
        "print([m for m in ('sqlalchemy', 'alembic', 'torch') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"


def test_the_store_needs_no_torch(tmp_path):
    program = (
        "import sys; from praxino.jobs.store import Store; import praxino.jobs.supervisor, praxino.jobs.janitor; "
        f"Store('sqlite:///{tmp_path / 'jobs.sqlite'}').close(); "
        "print([m for m in ('torch', 'diffusers', 'transformers', 'praxino.engine') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
