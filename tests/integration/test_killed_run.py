"""A run that is killed in the middle of denoising goes on, by the same command, and ends in the same bytes."""

import json
import os
import signal
import subprocess
import sys

import pytest

from praxino.families import families

STEPS = 30


@pytest.fixture(scope="module")
def miniature(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    families()["ltx-video"].miniature(folder)
    return folder


def command(miniature, scheduler, output, *more):
    return [
        *(sys.executable, "-m", "praxino", "a dog", "-m", str(miniature), "--seed", "3", "--steps", str(STEPS)),
        *("--scheduler", scheduler, "-o", str(output), "--json", *more),
    ]


def denoised_steps(stream):
    for line in stream:
        event = json.loads(line)
        if event.get("stage") == "denoise":
            yield event["step"]


@pytest.mark.parametrize("scheduler", ["euler", "dpm++-2m", "euler-ancestral"])
def test_killed_and_run_again(miniature, tmp_path, scheduler):
    environment = {**os.environ, "PRAXINO_CHECKPOINT_SECONDS": "0", "OMP_NUM_THREADS": "1"}
    state = tmp_path / "state"
    output = tmp_path / "out.gif"
    doomed = command(miniature, scheduler, output, "--checkpoint", str(state))
    with subprocess.Popen(doomed, stdout=subprocess.PIPE, text=True, env=environment) as child:
        for step in denoised_steps(child.stdout):
            if step >= STEPS // 2 and (state / "state.safetensors").exists():
                child.send_signal(signal.SIGKILL)
                break
        assert child.wait() == -signal.SIGKILL
    assert not output.exists()

    again = subprocess.run(doomed, capture_output=True, text=True, env=environment, check=True)
    steps = list(denoised_steps(again.stdout.splitlines()))
    assert steps[0] > 1, "it began anew"
    assert steps[-1] == STEPS
    assert not state.exists(), "a finished run leaves no state behind"

    straight = tmp_path / "straight.gif"
    subprocess.run(command(miniature, scheduler, straight), capture_output=True, env=environment, check=True)
    assert output.read_bytes() == straight.read_bytes()
