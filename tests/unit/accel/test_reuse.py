"""Reused steps, against EasyCache's own forward (H-EmbodVis/EasyCache at 313ae5f) written out for a toy network."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from praxino.accel.caches import Caching
from praxino.accel.reuse import reusing

STEPS = 24


class Toy(nn.Module):
    """Answers to latents, and to pictures that lie on channels behind them."""

    def __init__(self, form="tuple"):
        super().__init__()
        self.form, self.calls = form, 0
        self.weight = nn.Parameter(torch.tensor(0.9, dtype=torch.float64))

    def forward(self, hidden_states, timestep, text=0.0, return_dict=True):
        self.calls += 1
        x = hidden_states[:, :2]
        v = self.weight * torch.sin(x + timestep) + text
        return {"tuple": (v,), "sample": SimpleNamespace(sample=v), "two": (v, v)}[self.form]


def network(toy):
    return {"transformer": toy}


def easycache(toy, x, most_error, first, branches=(0.0,)):
    """The latents at the end, and which steps were computed."""
    k = previous_x = previous_v = computed_x = None
    error, computed, caches = 0.0, [], {}
    for step in range(STEPS):
        level = 1 - step / STEPS
        compute = step < first or step >= STEPS - 1 or k is None
        if compute:
            error = 0.0
        else:
            error += k * (x - previous_x).abs().mean() / previous_v.abs().mean()
            compute = not error < most_error
            error = 0.0 if compute else error
        previous_x = x.clone()
        answers = []
        for branch, text in enumerate(branches):
            if not compute:
                answers.append(x + caches[branch])
                continue
            v = toy.weight * torch.sin(x + level) + text
            caches[branch] = v - x
            answers.append(v)
            if branch == 0:
                if previous_v is not None:
                    k = (v - previous_v).abs().mean() / (x - computed_x).abs().mean()
                previous_v, computed_x = v.clone(), x.clone()
        computed += [step] if compute else []
        x = x - sum(answers) / STEPS
    return x, computed


def run(toy, x, reuse=None, branches=(0.0,), begin=0, in_dict=False):
    for step in range(begin, STEPS):
        level = torch.tensor([1 - step / STEPS], dtype=torch.float64)
        found = [toy(x, timestep=level, text=text, return_dict=in_dict) for text in branches]
        x = x - sum(one.sample if in_dict else one[0] for one in found) / STEPS
        if reuse is not None and step == STEPS // 2:
            reuse.saved = x, {name: tensor.clone() for name, tensor in reuse.state().items()}
    return x


@pytest.fixture
def x():
    return torch.randn(1, 2, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("branches", [(0.0,), (0.0, 0.3, -0.1)])
@pytest.mark.parametrize("most_error", [0.1, 0.3, 0.9])
def test_it_computes_the_steps_that_easycache_does_and_ends_where_it_does(x, most_error, branches):
    toy = Toy()
    wanted, computed = easycache(toy, x, most_error, 5, branches)
    with torch.no_grad(), reusing(network(toy), Caching("easy", most_error, 5), STEPS) as reuse:
        found = run(toy, x, branches=branches)
    assert toy.calls == reuse.num_computed == len(computed) * len(branches)
    assert 0 < len(computed) < STEPS
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)


@torch.no_grad()
def test_without_room_for_error_every_step_is_computed(x):
    toy = Toy()
    plain = run(toy, x)
    with reusing(network(toy), Caching("easy", 0.0, 2), STEPS) as reuse:
        assert torch.equal(run(toy, x), plain)
    assert reuse.num_reused == 0
    assert "forward" not in vars(toy)


@torch.no_grad()
def test_a_saved_state_goes_on_to_the_same_latents(x):
    toy = Toy()
    with reusing(network(toy), Caching("easy", 0.1, 5), STEPS) as reuse:
        whole = run(toy, x, reuse)
    with reusing(network(toy), Caching("easy", 0.1, 5), STEPS) as again:
        again.restore(reuse.saved[1])
        assert torch.equal(run(toy, reuse.saved[0], begin=STEPS // 2 + 1), whole)
        again.restore({})
        assert torch.equal(run(toy, x), whole)


@torch.no_grad()
def test_answers_keep_the_form_that_was_asked_for(x):
    toy = Toy("sample")
    with reusing(network(toy), Caching("easy", 0.1, 5), STEPS) as reuse:
        found = run(toy, x, in_dict=True)
    assert reuse.num_reused > 0
    torch.testing.assert_close(found, easycache(toy, x, 0.1, 5)[0], rtol=1e-12, atol=1e-12)


@torch.no_grad()
def test_what_lies_behind_the_latents_is_no_part_of_them(x):
    toy = Toy()
    with reusing(network(toy), Caching("easy", 0.5, 2), 4) as reuse:
        for step in range(4):
            toy(
                torch.cat((x + step / 8, torch.ones_like(x)), 1),
                timestep=torch.tensor([1 - step / 4]),
                return_dict=False,
            )
    assert reuse.num_reused == 1


@torch.no_grad()
@pytest.mark.parametrize("form", ["two"])
def test_networks_that_answer_otherwise_are_computed(x, form):
    toy = Toy(form)
    with reusing(network(toy), Caching("easy", 9.0, 2), STEPS) as reuse:
        run(toy, x)
    assert (toy.calls, reuse.num_reused) == (STEPS, 0)


@torch.no_grad()
def test_another_size_begins_anew(x):
    toy = Toy()
    with reusing(network(toy), Caching("easy", 9.0, 3), 8) as reuse:
        for step in range(4):
            toy(x - step / 8, timestep=torch.tensor([1 - step / 8]), return_dict=False)
        assert reuse.num_reused == 1
        large = torch.cat((x, x), 3)
        for step in range(4, 8):
            assert (
                toy(large - step / 8, timestep=torch.tensor([1 - step / 8]), return_dict=False)[0].shape == large.shape
            )
    assert reuse.num_reused == 2
