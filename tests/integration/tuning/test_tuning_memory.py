"""The memory that is foretold, beside what torch's profiler sees taken."""

import json
import subprocess
import sys

import pytest

from praxino.training.peers import Peers
from praxino.training.tuning import memory
from praxino.training.tuning.memory import Peak
from praxino.training.tuning.settings import Tuning

TWO_STEPS = """
import json, sys, warnings
import numpy as np
import torch
from pathlib import Path
from torch.profiler import ProfilerActivity, profile
from praxino.families import families
from praxino.training.tuning import adapters, memory
from praxino.training.tuning.buckets import Bucket
from praxino.training.tuning.objective import Encoded, Objective
from praxino.training.tuning.optimizer import optimizers
from praxino.training.tuning.settings import Tuning
from praxino.training.tuning.trainee import trainee

warnings.simplefilter("ignore")
name, folder, wish = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
family, learner, tuning = families()[name], trainee(name), Tuning(rank=4, batch=8, caption_dropout=0.0, **wish)
family.miniature(folder)
variant = family.identify(folder)
parts = family.load(folder, variant, "float32", "cpu")
network = learner.network(parts)
adapters.prepare(network, learner, tuning)
if tuning.checkpointing:
    network.enable_gradient_checkpointing()
frames = np.random.default_rng(0).integers(0, 256, (9, 64, 64, 3), dtype=np.uint8)
with torch.no_grad():
    clip, words = learner.encode(parts, frames), learner.read(parts, "a cat")
objective = Objective(learner, parts, network, variant, [Encoded(Bucket(9, 64, 64), clip, words)], words, tuning)
network.train()
told = memory.peak(objective.largest, network, network, tuning)
(optimizer,) = optimizers(network, tuning)
with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
    for number in range(2):
        optimizer.zero_grad()
        objective(number).backward()
        optimizer.step()
events = profiler.profiler.kineto_results.events()
taken = [event.nbytes() for event in sorted(events, key=lambda event: event.start_ns()) if event.name() == "[memory]"]
weights = sum(parameter.nbytes for parameter in network.parameters())
print(json.dumps([told.learning + told.activations, int(np.cumsum(taken).max()), told.weights, weights]))
"""


@pytest.mark.parametrize(
    ("name", "wish"),
    [("ltx-video", {}), ("hunyuan-video", {"checkpointing": True}), ("wan", {"method": "full"})],
    ids=["lora", "recomputed", "full"],
)
def test_what_is_foretold_is_taken(name, wish, tmp_path):
    """Within a fifth, in a process of its own: the profiler counts whatever else a process lets go."""
    ran = subprocess.run(
        [sys.executable, "-c", TWO_STEPS, name, str(tmp_path / "m"), json.dumps(wish)],
        capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    foretold, taken, weights, counted = json.loads(ran.stdout.splitlines()[-1])
    assert 0.8 * taken < foretold < 1.2 * taken
    assert counted <= weights < 1.1 * counted, "and buffers"


def test_what_is_too_much_is_told_with_what_would_help(monkeypatch):
    peak = Peak(2**30, 2**29, 2**29)
    assert str(peak) == "about 2 GiB: 1 of weights, 0.5 to learn with, 0.5 of activations"
    monkeypatch.setattr(memory, "memory_of", lambda device: type("Has", (), {"device_total": 3 * 2**29}))
    line = memory.told(peak, Peers("cpu"), Tuning(batch=2))
    assert line.endswith(
        'This machine\'s cpu has 1.5 GiB; try batch = 1, checkpointing = true, dtype = "float8", fewer frames.'
    )
    assert "try" not in memory.told(Peak(2**29, 0, 0), Peers("cpu"), Tuning())
