"""`praxino --gpus` and torchrun: one command, several processes, one file; and what ends one of them ends all."""

import contextlib
import json
import signal
import subprocess
import sys

import psutil
import pytest

from praxino.history import Journal

STEPS = 30


@pytest.fixture
def start(miniatures, environment, tmp_path):
    """Begin a command on the CPU; its options after "a dog"."""
    model = miniatures("ltx-video") / "ltx-video"
    begun = []

    def popen(*more, launcher=("-m", "praxino"), **own):
        command = [sys.executable, *launcher, "a dog", "-m", str(model), "--seed", "3", "--frames", "9", *more]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        home = {"PRAXINO_HOME": str(tmp_path / "home")}
        begun.append(subprocess.Popen(command, env={**environment, **home, **own}, cwd=tmp_path, **streams))
        return begun[-1]

    yield popen
    for process in begun:
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(process.pid).children(recursive=True):
                child.kill()
        process.kill()
        process.communicate()


def ended(process, code=0):
    out, said = process.communicate(timeout=120)
    assert process.returncode == code, said
    return out, said


def denoising(process, step):
    """Wait until a command with --json has drawn a step."""
    for line in process.stdout:
        event = json.loads(line)
        if event.get("stage") == "denoise" and event["step"] >= step:
            return


def ranks_of(process):
    return {int(child.environ()["RANK"]): child for child in psutil.Process(process.pid).children()}


def test_one_process_writes_one_file(start, tmp_path, monkeypatch):
    out, said = ended(start("--steps", "2", "--gpus", "2", "-o", "two.gif"))
    assert out.split() == ["two.gif"] and said.count("wrote two.gif") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "two.gif"]
    monkeypatch.setenv("PRAXINO_HOME", str(tmp_path / "home"))
    assert len(Journal().entries()) == 1


@pytest.mark.slow
def test_torchrun_draws_the_same_file(start, tmp_path):
    ended(start("--steps", "2", "--gpus", "2", "-o", "two.gif"))
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "praxino")
    out, said = ended(start("--steps", "2", "-o", "torchrun.gif", launcher=torchrun))
    assert out.split() == ["torchrun.gif"] and said.count("wrote torchrun.gif") == 1
    assert (tmp_path / "two.gif").read_bytes() == (tmp_path / "torchrun.gif").read_bytes()


@pytest.mark.slow
def test_a_cancelled_run_goes_on_and_ends_in_the_same_bytes(start, tmp_path):
    wish, always = ("--steps", str(STEPS), "--gpus", "2", "--json"), {"PRAXINO_CHECKPOINT_SECONDS": "0"}
    begun = start(*wish, "--checkpoint", "state", "-o", "out.gif", **always)
    denoising(begun, STEPS // 3)
    ranks = ranks_of(begun)
    begun.send_signal(signal.SIGTERM)
    _, said = ended(begun, 130)
    assert said.splitlines() == ["praxino: cancelled; nothing was written. The same command goes on from state"]
    assert not (tmp_path / "out.gif").exists() and (tmp_path / "state/state.safetensors").exists()
    assert not any(rank.is_running() for rank in ranks.values())
    out, _ = ended(start(*wish, "--checkpoint", "state", "-o", "out.gif", **always))
    events = [json.loads(line) for line in out.splitlines()]
    steps = [event["step"] for event in events if event.get("stage") == "denoise"]
    assert steps[0] > 1 and steps[-1] == STEPS
    ended(start(*wish, "-o", "straight.gif"))
    assert (tmp_path / "out.gif").read_bytes() == (tmp_path / "straight.gif").read_bytes()
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("killed", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_a_process_that_dies_ends_all(start, tmp_path, killed):
    begun = start("--steps", str(STEPS), "--gpus", "2", "--json", "-o", "out.gif")
    denoising(begun, 2)
    ranks = ranks_of(begun)
    ranks[killed].kill()
    _, said = ended(begun, 1 if killed else signal.SIGKILL)
    assert said.count("one of 2 processes ended") == killed and len(said.splitlines()) == killed
    assert not any(rank.is_running() for rank in ranks.values())
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


@pytest.mark.slow
def test_a_launcher_that_dies_leaves_nobody_behind(start):
    begun = start("--steps", "1000", "--gpus", "2", "--json", "-o", "out.gif")
    denoising(begun, 2)
    ranks = ranks_of(begun)
    begun.kill()
    psutil.wait_procs(ranks.values(), timeout=60)
    assert not any(rank.is_running() for rank in ranks.values())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--gpus", "0"], "--gpus must be 1 to 64, got 0."),
        (["--gpus", "2", "--server", "http://127.0.0.1:9"], "--gpus is about drawing on this machine"),
        (["--gpus", "2", "--device", "mps"], "mps"),
        (["--gpus", "2", "--explain", "--quality", "fast", "--steps", "40"], "quality fast leaves steps out"),
    ],
)
def test_what_cannot_be(start, tmp_path, options, said):
    _, told = ended(start(*options, "-o", "out.gif"), 2)
    assert said in told and len(told.splitlines()) <= 3
    assert not (tmp_path / "out.gif").exists()


def test_explain_says_how_it_is_shared(start):
    out, _ = ended(start("--gpus", "2", "--explain"))
    assert "2 GPUs draw it" in out and "2 passes of a step are made at the same time" in out
