"""Blocks left out, against diffusers' own caches as its docs switch them on, in a tiny Wan of random weights."""

import json

import pytest
import torch
from diffusers import FirstBlockCacheConfig, MagCacheConfig, WanTransformer3DModel

from praxino.accel.caches import Caching
from praxino.accel.reuse import reusing

STEPS = 12
RATIOS = (1.0, *(1 + 0.03 * (-1) ** step for step in range(STEPS - 1)))
BRANCHES = ("cond", "uncond")


@pytest.fixture
def network():
    torch.manual_seed(0)
    return WanTransformer3DModel(
        num_attention_heads=2, attention_head_dim=12, in_channels=4, out_channels=4, text_dim=8, freq_dim=16,
        ffn_dim=32, num_layers=3,
    ).eval()  # fmt: skip


@pytest.fixture(scope="module")
def given():
    torch.manual_seed(1)
    return torch.randn(1, 4, 1, 8, 8), {name: torch.randn(1, 5, 8) for name in BRANCHES}


@torch.no_grad()
def walk(network, given, steps=range(STEPS), x=None, context=None, after=lambda step, x: None):
    """The latents at the end of a guided loop."""
    first, texts = given
    x = first if x is None else x
    for step in steps:
        level = torch.tensor([1000.0 - 40 * step])
        answers = []
        for name, text in texts.items():
            with (context or network.cache_context)(name):
                answers.append(network(x, level, text, return_dict=False)[0])
        x = x - (3 * answers[0] - 2 * answers[1]) / 200
        after(step, x)
    return x


def both():
    first_block = Caching("first-block", 0.12, 0), FirstBlockCacheConfig(0.12)
    mag = MagCacheConfig(0.07, 2, 0.0, STEPS, list(RATIOS))
    return [first_block, (Caching("mag", 0.07, 0, 2, RATIOS), mag)]


@pytest.mark.parametrize(("caching", "config"), both(), ids=["first-block", "mag"])
def test_it_ends_where_diffusers_does(network, given, caching, config):
    plain = walk(network, given)
    network.enable_cache(config)
    wanted = walk(network, given)
    network.disable_cache()
    with reusing({"transformer": network}, caching, STEPS + 1) as reuse:
        found = walk(network, given)
    assert torch.equal(found, wanted)
    assert not torch.equal(found, plain)
    assert reuse.num_reused > 2
    assert reuse.num_computed > 2


@pytest.mark.parametrize(("caching", "config"), both(), ids=["first-block", "mag"])
def test_a_saved_state_goes_on_and_another_run_knows_nothing_of_it(network, given, caching, config):
    kept = []

    def save(step, x):
        if step == 5:
            kept.append((x, reuse.state()))

    with reusing({"transformer": network}, caching, STEPS) as reuse:
        whole = walk(network, given, after=save)
        reuse.restore({})
        assert torch.equal(walk(network, given), whole)
    with reusing({"transformer": network}, caching, STEPS) as reuse:
        x, state = kept[0]
        reuse.restore(state)
        assert torch.equal(walk(network, given, range(6, STEPS), x), whole)


@pytest.mark.parametrize(("caching", "config"), both(), ids=["first-block", "mag"])
def test_the_first_steps_and_the_last_are_computed_and_the_network_is_as_it_was(network, given, caching, config):
    plain, before = walk(network, given), [set(vars(block)) for block in network.blocks]
    first = Caching(caching.kind, 9.0, STEPS - 1, 9, RATIOS)
    with reusing({"transformer": network}, first, STEPS) as reuse:
        assert torch.equal(walk(network, given), plain)
    assert reuse.num_reused == 0
    assert torch.equal(walk(network, given), plain)
    assert [set(vars(block)) for block in network.blocks] == before


def test_ratios_are_measured_as_diffusers_calibrates(network, given, capsys):
    network.enable_cache(MagCacheConfig(num_inference_steps=STEPS, calibrate=True))
    walk(network, given)
    network.disable_cache()
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("[")]
    wanted = [json.loads(line) for line in lines if not line.startswith("[Mag")]
    with reusing({"transformer": network}, Caching("mag", 1.0, 0, 3), STEPS) as reuse:
        walk(network, given)
    assert reuse.num_reused == 0
    means = [(one + other) / 2 for one, other in zip(*wanted, strict=True)]
    assert reuse.ratios() == pytest.approx(means)
    assert capsys.readouterr().out == ""


def test_a_network_without_such_blocks_is_computed(given):
    lone = torch.nn.Linear(2, 2)
    with reusing({"transformer": lone}, Caching("first-block", 9.0, 0), STEPS):
        assert "forward" not in vars(lone)


@pytest.mark.parametrize("caching", [one for one, _ in both()], ids=["first-block", "mag"])
def test_rows_that_are_computed_one_after_the_other_do_not_know_each_other(network, given, caching):
    x, texts = given
    pair, own = torch.cat(list(texts.values())), network.forward

    def in_turns(hidden_states, timestep, text, return_dict=True):
        asked = zip(hidden_states.split(1), timestep.split(1), text.split(1), strict=True)
        rows = [own(*row, return_dict=False)[0] for row in asked]
        return (torch.cat(rows),)

    @torch.no_grad()
    def both_rows(x):
        for step in range(STEPS):
            level = torch.full((2,), 1000.0 - 40 * step)
            v, w = network(x.expand(2, -1, -1, -1, -1), level, pair, return_dict=False)[0].split(1)
            x = x - (3 * v - 2 * w) / 200
        return x

    with reusing({"transformer": network}, caching, STEPS) as reuse:
        wanted = walk(network, given)
        assert reuse.num_reused > 2
    network.forward = in_turns
    with reusing({"transformer": network}, caching, STEPS):
        assert torch.equal(both_rows(x), wanted)
