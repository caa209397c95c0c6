"""Runs as processes: several that train together, stopped politely, killed, and the command around them."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time

import pytest
from safetensors.torch import load_file

PATIENCE_SECONDS = 240


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


def losses(folder):
    return [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def learnt(folder):
    return load_file(folder / "pytorch_lora_weights.safetensors")


@pytest.mark.slow
def test_two_processes_are_one_with_twice_the_batch(settings):
    """To float32 rounding: the two halves of a batch are summed up apart, and Adam divides small sums by themselves."""
    in_float32 = {"ATEN_CPU_CAPABILITY": "avx2"}
    path, alone = settings("alone", batch=4)
    ended(start("praxino", "train", str(path), "--device", "cpu", **in_float32))
    path, both = settings("both", batch=2)
    launch = ("torch.distributed.run", "--nproc_per_node", "2", "--master_port", str(free_port()))
    ended(start(*launch, "-m", "praxino", "train", str(path), "--device", "cpu", **in_float32))
    one, two = learnt(alone), learnt(both)
    assert one.keys() == two.keys()
    for name, value in one.items():
        assert (two[name] - value).abs().max() < 1e-4, name


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
            'data = "."\nmodel = "mochi-1-preview"\nmethod = "dora"\n',
            "method is 'dora', which mochi does not read back",
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
