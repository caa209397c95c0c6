"""Hotshot-XL's temporal layers learn by its published recipe: loss and gradient against the formulas."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from praxino.errors import UserError
from praxino.families.hotshot_xl import FAMILY, load_unet
from praxino.recipe import Lora
from praxino.training.tuning import adapters, objective
from praxino.training.tuning.buckets import Bucket
from praxino.training.tuning.settings import Tuning
from praxino.training.tuning.trainee import Batch, trainee

LEARNER = trainee("hotshot-xl")
BETAS = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
KEPT = torch.cumprod(1 - BETAS, 0)
"""How much of the signal's power is left at each timestep."""


class Drawn(Batch):
    """A batch whose chance is drawn already: noise, its offset by channel, and a number in [0, 1)."""

    def noise(self, like):
        return OFFSET if like.shape[2:] == (1, 1, 1) else NOISE

    def uniform(self, device):
        return UNIFORM


CHANCE = torch.Generator().manual_seed(0)
NOISE, OFFSET = torch.randn(2, 4, 4, 8, 8, generator=CHANCE), torch.randn(2, 4, 1, 1, 1, generator=CHANCE)
UNIFORM = torch.tensor([0.7312, 0.1004])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "hotshot"
    FAMILY.miniature(folder)
    return folder


@pytest.fixture
def parts(folder):
    return FAMILY.load(folder, FAMILY.identify(folder), "float32", "cpu")


def moving(seed):
    return np.random.default_rng(seed).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)


def batch(parts, kind=Drawn):
    clips = [LEARNER.encode(parts, moving(seed)) for seed in (0, 1)]
    words = [LEARNER.read(parts, caption) for caption in ("a red cat", "a dog that runs " * 10)]
    stacked = ({name: torch.stack([one[name] for one in some]) for name in some[0]} for some in (clips, words))
    chances = [torch.Generator().manual_seed(seed) for seed in (0, 1)]
    return kind(*stacked, 8.0, False, chances, torch.zeros(2, dtype=torch.bool))


def test_loss_and_gradient_are_the_recipes(folder, parts):
    variant = FAMILY.identify(folder)
    with torch.no_grad():
        given = batch(parts)
    adapters.prepare(parts.networks.unet, LEARNER, Tuning(method="full"))
    task = LEARNER.task(parts, variant, given)
    loss = (LEARNER.answer(parts.networks.unet, task) - task.target).square().mean()
    loss.backward()

    unet = load_unet(folder).requires_grad_(True)
    clean, noise = given.clips["latents"], NOISE + 0.05 * OFFSET
    timesteps = torch.tensor([731, 100])
    kept = KEPT[timesteps].view(2, 1, 1, 1, 1)
    noisy = (kept.sqrt() * clean + (1 - kept).sqrt() * noise).float()
    states = torch.stack([given.texts["states"][clip] for clip in (0, 0, 0, 0, 1, 1, 1, 1)])
    sizes = torch.tensor([[1920.0, 1080, 0, 0, 512, 512]] * 2)
    predicted = unet(
        noisy, timesteps, states, added_cond_kwargs={"text_embeds": given.texts["pooled"], "time_ids": sizes}
    )[0]
    expected = torch.nn.functional.mse_loss(predicted, noise)
    expected.backward()

    assert abs(loss.item() - expected.item()) < 1e-6
    theirs = dict(unet.named_parameters())
    learnt = 0
    for name, parameter in parts.networks.unet.named_parameters():
        if ".motion_modules." in name:
            learnt += 1
            assert torch.allclose(parameter.grad, theirs[name].grad, atol=1e-6, rtol=1e-4), name
        else:
            assert parameter.grad is None, name
    assert learnt > 50


@torch.no_grad()
def test_latents_are_drawn_around_what_drawing_encodes(parts):
    clip = LEARNER.encode(parts, moving(0))["latents"]
    vae = parts.networks.vae
    posterior = vae.encode(torch.tensor(moving(0)).movedim(-1, 1) / 127.5 - 1).latent_dist
    off = (clip.transpose(0, 1) / vae.config.scaling_factor - posterior.mean) / posterior.std
    assert 0.9 < off.std() < 1.1 and off.mean().abs() < 0.1


def losses(folder):

    return [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_run_changes_the_temporal_layers_alone_and_loads(folder, tune):
    told = []
    out = tune(model=str(folder), method="full", steps=3, learning_rate=1e-3, on_event=told.append)
    assert any("still.png: a picture, and" in line for line in told)
    assert FAMILY.identify(out / "model").name == FAMILY.identify(folder).name
    before, after = (load_unet(place).state_dict() for place in (folder, out / "model"))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and all(".motion_modules." in name for name in changed)
    loaded = FAMILY.load(out / "model", FAMILY.identify(out / "model"), "float32", "cpu")
    assert torch.equal(loaded.networks.unet.state_dict()[min(changed)], after[min(changed)])


@pytest.fixture(scope="module")
def base(folder, tmp_path_factory):
    """An SDXL folder that is the miniature's spatial part, a little shaken."""
    base, generator = tmp_path_factory.mktemp("base") / "sdxl", torch.Generator().manual_seed(1)
    shutil.copytree(folder, base)
    (base / "praxino.json").unlink()
    (file,) = (base / "unet").glob("*.safetensors")
    spatial = {name: tensor for name, tensor in load_file(file).items() if "temporal" not in name}
    for name, tensor in spatial.items():
        spatial[name] = (tensor.float() + torch.randn(tensor.shape, generator=generator) / 50).to(tensor.dtype)
    save_file(spatial, file, {"format": "pt"})
    config = (base / "unet" / "config.json").read_text()
    told = {**json.loads(config.replace("3D", "2D")), "_class_name": "UNet2DConditionModel"}
    (base / "unet" / "config.json").write_text(json.dumps(told))
    return base


@pytest.mark.parametrize("method", ["full", "lora"])
def test_temporal_layers_are_trained_over_a_chosen_base(folder, base, tune, parts, method):
    out = tune(model=str(folder), spatial_base=str(base), method=method, steps=3, learning_rate=1e-3)
    own = tune("own", model=str(folder), method=method, steps=3, learning_rate=1e-3)
    assert losses(out) != losses(own)
    assert f"--spatial-base {base}" in (out / "README.md").read_text()
    if method == "lora":
        assert all(".motion_modules." in name for name in load_file(out / "pytorch_lora_weights.safetensors"))
        return
    LEARNER.lay_over(parts, str(base))
    before, after = parts.networks.unet.state_dict(), load_unet(out / "model").state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name].to(before[name]))}
    assert changed and all(".motion_modules." in name for name in changed)


def test_a_base_that_is_none_is_refused(folder, tune, tiny, tmp_path):
    with pytest.raises(UserError, match="is no SDXL checkpoint"):
        tune(model=str(folder), spatial_base=str(tiny))
    with pytest.raises(UserError, match="is laid over none: leave it out"):
        tune(model=str(tiny), spatial_base=str(folder))
    (file,) = (folder / "unet").glob("*.safetensors")
    alone = tmp_path / "hsxl_temporal_layers.safetensors"
    save_file({name: tensor for name, tensor in load_file(file).items() if "temporal" in name}, alone)
    with pytest.raises(UserError, match="name the SDXL checkpoint that they are trained over"):
        tune(model=str(alone))


def test_a_lora_is_of_the_temporal_layers_and_is_laid_on(folder, tune, parts):
    out = tune(model=str(folder), steps=3)
    file = out / "pytorch_lora_weights.safetensors"
    assert all(".motion_modules." in name for name in load_file(file)) and not (out / "comfyui").exists()
    FAMILY.check_lora(file)
    with torch.no_grad():
        task = LEARNER.task(parts, FAMILY.identify(folder), batch(parts))
        before = LEARNER.answer(parts.networks.unet, task)

        class Recipe:
            companions, options, loras = (), {"lora_blocks": ()}, (Lora(str(file), 1.0, ""),)

        FAMILY.equip(parts, Recipe)
        assert not torch.allclose(LEARNER.answer(parts.networks.unet, task), before, atol=1e-4)


def test_one_clip_is_learnt(folder, parts):
    with torch.no_grad():
        clip, words = LEARNER.encode(parts, moving(0)), LEARNER.read(parts, "a cat")
    unet = parts.networks.unet
    adapters.prepare(unet, LEARNER, Tuning(method="full"))
    example = objective.Encoded(Bucket(4, 64, 64), clip, words)
    loss = objective.Objective(LEARNER, parts, unet, FAMILY.identify(folder), [example], words, Tuning(seed=1))
    optimizer = torch.optim.Adam([p for p in unet.parameters() if p.requires_grad], 3e-3)
    values = []
    for _ in range(8):
        value = loss(0)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.98 * values[0]
