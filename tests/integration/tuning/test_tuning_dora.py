"""What DoRA changes is read back as it was learnt, layer for layer, by Praxino and by diffusers."""

import pytest
import torch
from torch import nn

from praxino.families import _low_rank, families
from praxino.recipe import Lora
from praxino.training.tuning import adapters, trainees
from praxino.training.tuning.settings import Tuning
from praxino.training.tuning.trainee import trainee

LIKE = {"wan": "wan2.1-t2v-1.3b", "cogvideox": "cogvideox-2b"}
TUNING = Tuning(method="dora", rank=2, alpha=4)


@pytest.fixture(params=trainees.names())
def family(request):
    return families()[request.param]


def recipe_with(*loras):
    class Recipe:
        companions, conditions, prompt, negative_prompt, plan = (), (), "", "", "exact"
        options = {"lora_blocks": ""}  # noqa: RUF012

    Recipe.loras = loras
    return Recipe


def answers(network, names):
    """What each layer puts out for an input of its own."""
    found = {}
    for number, name in enumerate(names):
        layer, chance = network.get_submodule(name), torch.Generator().manual_seed(number)
        x = torch.randn(3, getattr(layer, "base_layer", layer).in_features, generator=chance)
        with torch.no_grad():
            found[name] = layer(x)
    return found


def far(one, other):
    return max(float((one[name] - other[name]).abs().max()) for name in one)


def test_what_is_learnt_is_what_is_laid_on(family, tmp_path):
    family.miniature(tmp_path / "tiny", LIKE.get(family.name))
    learner = trainee(family.name)

    def loaded():
        parts = family.load(tmp_path / "tiny", family.identify(tmp_path / "tiny"), "float32", "cpu")
        return parts, learner.network(parts)

    _, taught = loaded()
    adapters.prepare(taught, learner, TUNING)
    chance = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for name, parameter in taught.named_parameters():
            if "lora_" in name:
                parameter += 0.1 * torch.randn(parameter.shape, generator=chance)
    learnt = adapters.weights(taught, TUNING)
    layers = sorted({name.rsplit(".lora_", 1)[0] for name in learnt})
    wanted = answers(taught, layers)
    out = tmp_path / "run"
    out.mkdir()
    (file,) = adapters.write(learnt, taught, learner, TUNING, out)
    assert any(name.endswith("lora_magnitude_vector") for name in learnt)

    parts, network = loaded()
    plain = answers(network, layers)
    family.check_lora(file)
    family.equip(parts, recipe_with(Lora(str(file), 1.0, "")))
    assert far(answers(learner.network(parts), layers), wanted) < 1e-4 < far(plain, wanted)
    half = answers(learner.network(family.equip(parts, recipe_with(Lora(str(file), 0.5, "")))), layers)
    if family.name != "ltx-video":  # there peft lays it on, which scales the pair and not the change
        assert far({name: plain[name] + (wanted[name] - plain[name]) / 2 for name in plain}, half) < 1e-4
    family.equip(parts, recipe_with())
    assert far(answers(learner.network(parts), layers), plain) == 0

    _, other = loaded()
    other.load_lora_adapter(file, prefix=learner.component)
    assert far(answers(other, layers), wanted) < 1e-4


def test_beside_a_lora_it_changes_the_weights_alone():
    torch.manual_seed(0)
    linear, x = nn.Linear(5, 4), torch.randn(2, 5)
    A, B, magnitude = torch.randn(2, 5), torch.randn(4, 2), torch.rand(4) + 0.5
    with torch.no_grad():
        plain = linear(x)
        _low_rank.lay(linear, A, B)
        added = linear(x) - plain
        take_off = _low_rank.lay(linear, A, B, magnitude, 0.7)
        weight = linear.weight + B @ A
        decomposed = weight * (magnitude / weight.norm(dim=1))[:, None]
        wanted = plain + added + 0.7 * x @ (decomposed - linear.weight).T
        assert torch.allclose(linear(x), wanted, atol=1e-5)
        take_off()
        assert torch.allclose(linear(x), plain + added, atol=1e-6)
