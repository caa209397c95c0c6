"""The loop: exact resume, time budget, averaged weights."""

import dataclasses
import itertools
import json
import time

import pytest
import torch
from torch import nn

from praxino.training.loop import Loop, LoopSettings, generator
from praxino.training.optimizers import Muon, adamw


class Killed(Exception):
    pass


class Net(nn.Module):
    """A matrix for Muon, a kernel kept channels-last, and biases for AdamW."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.kernel = nn.Conv3d(4, 8, 3, padding=1).to(memory_format=torch.channels_last_3d)
        self.matrix = nn.Linear(8, 8)
        self.frozen = nn.Linear(2, 2).requires_grad_(False)

    def forward(self, x):
        return self.matrix(self.kernel(x).mean((2, 3, 4)).tanh())


def make(folder, settings, killed_at=None):
    net, events = Net(), []

    def loss(step):
        if step == killed_at:
            raise Killed
        chance = generator(5, step)
        x = torch.randn(3, 4, 2, 4, 4, generator=chance)
        return (net(x) - torch.randn(3, 8, generator=chance)).square().mean()

    optimizers = [
        Muon([net.matrix.weight], 0.02),
        adamw([net.kernel.weight], 0.01),
        adamw([net.kernel.bias, net.matrix.bias], 0.01),
    ]
    return net, Loop(net, optimizers, loss, settings, folder=folder, on_event=events.append), events


STEPS = LoopSettings(0, max_steps=14, warmup_steps=3, ema_decay=0.9, checkpoint_seconds=0.0, log_every=5)


@pytest.mark.parametrize("killed_at", [1, 8, 13])
def test_a_killed_run_goes_on_loss_for_loss(tmp_path, killed_at):
    straight, broken = [], []
    whole, loop, _ = make(tmp_path / "whole", STEPS)
    loop.run(on_losses=straight.append)
    _, loop, _ = make(tmp_path / "broken", STEPS, killed_at)
    with pytest.raises(Killed):
        loop.run(on_losses=broken.append)
    resumed, loop, events = make(tmp_path / "broken", STEPS)
    loop.run(resume=True, on_losses=broken.append)
    assert broken == straight
    assert len(set(straight)) == 14
    assert events[0] == f"resumed at step {killed_at}"
    for (name, a), b in zip(whole.named_parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b), name
    files = [(tmp_path / name / "state-14.safetensors").read_bytes() for name in ("whole", "broken")]
    assert files[0] == files[1]  # weights, averages, momentum and AdamW's moments


def test_a_finished_run_taken_up_again_trains_no_more(tmp_path):
    net, loop, _ = make(tmp_path, STEPS)
    loop.run()
    again, loop, _ = make(tmp_path, STEPS, killed_at=14)
    loop.run(resume=True)
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), again.parameters(), strict=True))


def test_without_resume_a_run_begins_anew(tmp_path):
    losses = []
    for _ in range(2):
        _, loop, _ = make(tmp_path, STEPS)
        loop.run(on_losses=losses.append)
    assert losses[:14] == losses[14:]


def test_only_the_last_checkpoint_stays(tmp_path):
    _, loop, _ = make(tmp_path, STEPS)
    loop.run()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["progress.json", "state-14.safetensors"]
    assert json.loads((tmp_path / "progress.json").read_text())["step"] == 14


def test_the_averaged_weights_are_left_in_the_module(tmp_path):
    net, loop, _ = make(tmp_path, STEPS)
    seen = []
    averages = {name: p.detach().clone() for name, p in net.named_parameters() if p.requires_grad}
    loop.run(on_losses=lambda loss: seen.append({n: p.detach().clone() for n, p in net.named_parameters()}))
    for step, weights in enumerate(seen, 1):
        decay = min(0.9, (step + 1) / (step + 10))
        averages = {name: decay * old + (1 - decay) * weights[name] for name, old in averages.items()}
    for name, average in averages.items():
        torch.testing.assert_close(net.get_parameter(name).detach(), average, rtol=1e-5, atol=1e-7)
    assert torch.equal(net.frozen.weight, Net().frozen.weight)


def test_the_budget_counts_seconds_but_not_those_of_a_machine_asleep(tmp_path):
    settings = dataclasses.replace(STEPS, seconds=40.0, max_steps=None, checkpoint_seconds=1e9)
    _, loop, _ = make(tmp_path, settings)
    ticks = itertools.chain([0, 2, 4, 5000], itertools.count(5003, 3))
    loop.clock = lambda: next(ticks)
    progress = loop.run()
    assert progress.active_seconds == 2 + 2 + 10 + 9 * 3
    assert progress.step == 12


def test_slow_steps_are_reported_with_the_seconds_that_are_left(tmp_path):
    _, loop, events = make(tmp_path, STEPS)
    ticks = itertools.count(0, 30)
    loop.clock = lambda: next(ticks)
    loop.run()
    assert len(events) == 14
    assert events[3].startswith("step 4 of 14, loss ") and events[3].endswith(", about 300 s left")


def test_the_rate_warms_up_holds_and_falls_to_the_floor(tmp_path):
    _, loop, _ = make(tmp_path, dataclasses.replace(STEPS, max_steps=100, warmup_steps=10, decay_from=0.5, floor=0.02))
    rates = []
    for step in range(101):
        loop.progress.step = step
        rates.append(loop.schedule())
    assert rates[:10] == pytest.approx([(i + 1) / 10 for i in range(10)])
    assert rates[10:51] == [1.0] * 41
    assert rates[75] == pytest.approx(0.5)
    assert rates[100] == 0.02
    assert rates[50:] == sorted(rates[50:], reverse=True)


def test_two_steps_never_share_their_chance():
    drawn = {torch.rand(1, generator=generator(seed, step)).item() for seed in range(3) for step in range(50)}
    assert len(drawn) == 150


def test_a_budget_of_processor_time_is_not_spent_by_waiting(tmp_path):
    _, loop, _ = make(tmp_path, dataclasses.replace(STEPS, max_steps=None, seconds=1.0, is_processor_time=True))
    assert loop.clock is time.process_time
    assert make(tmp_path, STEPS)[1].clock is time.monotonic
