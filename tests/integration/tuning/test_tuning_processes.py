"""Runs as processes: several that train together, stopped politely, killed, and the command around them."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from safetensors.torch import load_file

from praxino.errors import UserError
from praxino.training.tuning.run import Run, train
from praxino.training.tuning.settings import read

PATIENCE_SECONDS = 240
LORA_FILE = "pytorch_lora_weights.safetensors"


@pytest.fixture
def settings(tiny, clips, tmp_path):
    """Writes a TOML of a run; its path, and the run's folder."""

    def write(name, **wish):
        values = {"data": str(clips), "model": str(tiny), "out": str(tmp_path / name), "steps": 6, "rank": 4,
                  "size": "64x64", "learning_rate": 1e-2, "batch": 2, "seed": 5,
                  "image_share": 0.0, **wish}  # fmt: skip
        path = tmp_path / f"{name}.toml"
        path.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items()))
        return path, tmp_path / name

    return write


def start(*command, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", *command],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore", **environment},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def ended(process, code=0):
    told, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == code, told
    return told


def rows(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def losses(folder):
    return [row["loss"] for row in rows(folder)]


def learnt(folder):
    return load_file(folder / LORA_FILE)


LAUNCHERS = {
    "torchrun": ("torch.distributed.run", "--nproc_per_node", "2"),
    "fsdp": ("accelerate.commands.launch", "--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no",
             "--dynamo_backend", "no", "--use_fsdp", "--fsdp_version", "2"),
}  # fmt: skip
"""What starts two processes, without its port; the last splits the weights between them."""


def start_two(launcher, path, *more, **environment):
    port = ("--master_port" if launcher == "torchrun" else "--main_process_port", str(free_port()))
    return start(*LAUNCHERS[launcher], *port, "-m", "praxino", "train", str(path), "--device", "cpu", *more,
                 ATEN_CPU_CAPABILITY="avx2", **environment)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
@pytest.mark.parametrize("wish", [{"ema": 0.5}, {"method": "full", "learning_rate": 1e-4}], ids=["lora", "full"])
def test_two_processes_are_one_with_twice_the_batch(settings, launcher, wish):
    """To float32 rounding: the two halves of a batch are summed up apart, and Adam divides small sums by themselves."""
    more = {**wish, "validation": 0.3, "validate_every": 3, "samples": ["a square"], "sample_every": 6}
    path, alone = settings("alone", batch=4, **more)
    ended(start("praxino", "train", str(path), "--device", "cpu", ATEN_CPU_CAPABILITY="avx2"))
    path, both = settings("both", batch=2, **more)
    told = ended(start_two(launcher, path))
    assert ("2 processes, the weights split between them" in told) == (launcher == "fsdp")
    name = "model/transformer/diffusion_pytorch_model.safetensors" if "method" in wish else LORA_FILE
    one, two = load_file(alone / name), load_file(both / name)
    assert one.keys() == two.keys()
    for name, value in one.items():
        assert two[name].shape == value.shape and (two[name] - value).abs().max() < 1e-4, name
    assert np.allclose(losses(alone), losses(both), atol=1e-4)
    held = [[row["held_out_loss"] for row in rows(folder) if "held_out_loss" in row] for folder in (alone, both)]
    assert len(held[0]) == 2 and np.allclose(*held, atol=1e-4)
    assert [file.name for file in sorted((both / "samples").iterdir())] == ["step-000006-0.gif", "step-000006-0.png"]


@pytest.mark.slow
@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_sigterm_to_one_of_two_processes_stops_both_and_the_run_goes_on(settings, launcher):
    path, straight = settings("straight", steps=60)
    ended(start_two(launcher, path))
    path, broken = settings("broken", steps=60)
    launch = start_two(launcher, path)
    wait_for_line(broken, launch, 3)
    second = next(child for child in psutil.Process(launch.pid).children() if child.environ().get("RANK") == "1")
    second.send_signal(signal.SIGTERM)
    assert "stopped and saved; go on with" in ended(launch)
    assert 3 <= len(losses(broken)) < 60
    ended(start_two(launcher, path, "--resume"))
    assert losses(broken) == losses(straight)
    assert all((learnt(broken)[name] == value).all() for name, value in learnt(straight).items())


@pytest.mark.parametrize(
    ("environment", "wish", "said"),
    [
        ({"FSDP_VERSION": "1"}, {}, "add --fsdp_version 2 to accelerate launch"),
        ({}, {"optimizer": "muon"}, "under FSDP choose adamw"),
        ({}, {"method": "dora"}, "under FSDP learn a LoRA"),
        ({}, {"dtype": "float8"}, "under FSDP choose bfloat16"),
    ],
)
def test_what_is_not_split_between_processes_is_said(settings, environment, wish, said, monkeypatch):
    asked = {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", **environment}
    for name, value in asked.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("accelerate.PartialState", lambda cpu: SimpleNamespace(num_processes=2, process_index=0))
    path, folder = settings("run", **wish)
    with pytest.raises(UserError, match=said):
        train(Run(read(path)))
    assert not folder.exists()


def wait_for_line(folder, process, steps):
    """Wait until a run has come so far."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not (folder / "metrics.jsonl").exists() or len(losses_so_far(folder)) < steps:
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.01)


def losses_so_far(folder):
    return (folder / "metrics.jsonl").read_bytes().splitlines()


def test_sigterm_saves_and_the_run_goes_on(settings):
    path, straight = settings("straight", steps=150)
    first = start("praxino", "train", str(path), "--device", "cpu")
    path, broken = settings("broken", steps=150)
    second = start("praxino", "train", str(path), "--device", "cpu")
    wait_for_line(broken, second, 3)
    second.send_signal(signal.SIGTERM)
    assert "stopped and saved; go on with" in ended(second)
    assert 3 <= len(losses(broken)) < 150
    ended(start("praxino", "train", str(path), "--resume", "--device", "cpu"))
    ended(first)
    assert losses(broken) == losses(straight)
    assert all((learnt(broken)[name] == value).all() for name, value in learnt(straight).items())


@pytest.mark.slow
def test_killed_at_thirty_random_times(settings):
    """Each time it goes on from a whole save, and ends as an undisturbed run does."""
    path, straight = settings("straight", steps=600, save_every=5)
    ended(start("praxino", "train", str(path), "--device", "cpu"))
    path, broken = settings("broken", steps=600, save_every=5)
    chance, kills = random.Random(0), 0
    process = start("praxino", "train", str(path), "--device", "cpu")
    while kills < 30:
        reached = len(losses_so_far(broken)) if (broken / "metrics.jsonl").exists() else 0
        wait_for_line(broken, process, min(reached + chance.randrange(1, 15), 590))
        time.sleep(chance.random() * 0.05)
        process.kill()
        process.communicate()
        kills += 1
        process = start("praxino", "train", str(path), "--resume", "--device", "cpu")
        time.sleep(0.5)
    ended(process)
    assert losses(broken) == losses(straight)


def test_the_way_of_a_newcomer(tmp_path):
    """The clips, a file of settings, the check: none of it loads torch."""
    told = ended(start("praxino", "train", "example", str(tmp_path / "zib-clips")))
    assert "wrote 10 clips" in told
    toml = tmp_path / "zib.toml"
    ended(start("praxino", "train", "new", str(toml), "--data", "zib-clips"))
    text = toml.read_text()
    assert 'data = "zib-clips"' in text and "# the checkpoint to begin from" in text
    checked = ended(start("praxino", "train", "check", str(toml)))
    assert "10 examples of 64x64, 9 frames" in checked
    assert "is there already" in ended(start("praxino", "train", "example", str(tmp_path / "zib-clips")), 2)
    assert "is there already" in ended(start("praxino", "train", "new", str(toml)), 2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('data = "nowhere"\n', "there is no folder"),
        ('data = "."\n', "holds no clips"),
        ('data = "."\nstep = 4\n', "Do you mean 'steps'?"),
        ('data = "."\nmodel = "sdxl-turboo"\n', "sdxl-turbo"),
        (
            'data = "."\nmodel = "flux-dev"\nmin_snr = 5\n',
            "min_snr is of diffusion, and flux is taught by flow matching",
        ),
    ],
)
def test_refusals_come_before_torch(tmp_path, text, said):
    path = tmp_path / "mine" / "my.toml"
    path.parent.mkdir()
    path.write_text(text)
    code = (
        "import sys\nfrom praxino.cli import main\n"
        f"sys.argv = ['praxino', 'train', {str(path)!r}]\n"
        "try:\n    main()\nfinally:\n    assert 'torch' not in sys.modules, 'torch was imported'\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert ran.returncode == 2 and said in ran.stderr, ran.stderr
    assert sorted(file.name for file in path.parent.iterdir()) == ["my.toml"]
