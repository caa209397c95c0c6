"""Models that set a picture in motion, and HunyuanVideo from words, learn as their authors and trainers have it."""

import math

import numpy as np
import pytest
import torch
from diffusers import (
    CogVideoXDPMScheduler,
    CogVideoXImageToVideoPipeline,
    HunyuanVideoPipeline,
    WanImageToVideoPipeline,
    WanPipeline,
)
from safetensors.torch import load_file, save_file

from praxino.errors import UserError
from praxino.families import families
from praxino.families.wan.settings import from_options
from praxino.recipe import Lora
from praxino.training.tuning.trainee import Batch, trainee

CAPTIONS = ("a red cat", "a dog that runs")
NORMAL, UNIFORM = torch.tensor([0.31, -1.2]), torch.tensor([0.7312, 0.1004])
FRAMES, PIXELS = 9, 32


class Drawn(Batch):
    """A batch whose chance is drawn already: noise from a generator that is the same for every batch."""

    def noise(self, like):
        return torch.randn(like.shape, generator=torch.Generator().manual_seed(like.shape[2]))

    def normal(self, device):
        return NORMAL

    def uniform(self, device):
        return UNIFORM


class Model:
    """A miniature of one variant, loaded, and how its family learns."""

    def __init__(self, folder, name, like, expert=None):
        self.folder, self.family = folder / like, families()[name]
        if not self.folder.exists():
            self.family.miniature(self.folder, like)
        self.variant = self.family.identify(self.folder)
        self.parts = self.family.load(self.folder, self.variant, "float32", "cpu")
        self.learner = trainee(name, expert)
        self.network = self.learner.network(self.parts)

    @torch.no_grad()
    def batch(self, pixels=PIXELS):
        clips = np.random.default_rng(0).integers(0, 256, (2, FRAMES, pixels, pixels, 3), dtype=np.uint8)
        encoded = [self.learner.encode(self.parts, clip) for clip in clips]
        words = [self.learner.read(self.parts, caption) for caption in CAPTIONS]
        stacked = ({name: torch.stack([one[name] for one in some]) for name in some[0]} for some in (encoded, words))
        return Drawn(*stacked, 8.0, False, [], torch.zeros(2, dtype=torch.bool))

    def task(self, given):
        return self.learner.task(self.parts, self.variant, given)

    @torch.no_grad()
    def loss(self, task):
        error = (self.learner.answer(self.network, task) - task.target).square()
        counts = torch.ones_like(error) if task.learnt is None else task.learnt.expand_as(error)
        return (error * counts).sum() / counts.sum()

    @torch.no_grad()
    def answer(self, network, task):
        return self.learner.answer(network, task)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


def recipe_with(*loras):
    class Recipe:
        companions, conditions, prompt, negative_prompt = (), (), "", ""
        options = {"lora_blocks": ""}  # noqa: RUF012

    Recipe.loras = loras
    return Recipe


@torch.no_grad()
@pytest.mark.parametrize("like", ["cogvideox-5b-i2v", "cogvideox-1.5-5b", "cogvideox-1.5-5b-i2v"])
def test_cogvideox_as_its_authors_trainers(models, like):
    """compute_loss of finetune/models/cogvideox*/lora_trainer.py, rotary embeddings of diffusers' pipeline."""
    model = Model(models, "cogvideox", like)
    given, config = model.batch(), model.network.config
    scheduler = CogVideoXDPMScheduler.from_pretrained(model.folder, subfolder="scheduler")
    clean, timesteps = given.clips["latents"], torch.tensor([731, 100])
    assert clean.shape[1] == (4 if config.patch_size_t else 3), "9 frames are 3, and in pairs 4"
    noise = given.noise(clean)
    noisy = shown = scheduler.add_noise(clean, noise, timesteps)
    if "i2v" in like:
        pictures = given.clips["picture"]
        assert pictures.shape == (2, 3, 1, PIXELS, PIXELS)
        sigma = torch.exp(-3.0 + 0.5 * NORMAL).view(-1, 1, 1, 1, 1)
        posterior = model.parts.vae.encode(pictures + given.noise(pictures) * sigma).latent_dist
        drawn = (posterior.mean + posterior.std * given.noise(posterior.mean)).permute(0, 2, 1, 3, 4)
        scaled = drawn * (1 if "1.5" in like else model.parts.vae.config.scaling_factor)
        shown = torch.cat([noisy, torch.cat([scaled, torch.zeros_like(noisy)[:, 1:]], dim=1)], dim=2)
    pipeline = CogVideoXImageToVideoPipeline.from_pretrained(model.folder) if "i2v" in like else None
    rotary = model.task(given).inputs["image_rotary_emb"]
    if pipeline is not None and config.patch_size_t is None:
        stock = pipeline._prepare_rotary_positional_embeddings(PIXELS, PIXELS, clean.shape[1], "cpu")
        assert all(torch.allclose(ours, theirs) for ours, theirs in zip(rotary, stock, strict=True))
    output = model.network(
        hidden_states=shown, encoder_hidden_states=given.texts["states"], timestep=timesteps,
        ofs=None if config.ofs_embed_dim is None else torch.full((1,), 2.0), image_rotary_emb=rotary,
    )[0]  # fmt: skip
    predicted = scheduler.get_velocity(output, noisy, timesteps)
    weights = 1 / (1 - scheduler.alphas_cumprod[timesteps]).view(-1, 1, 1, 1, 1)
    expected = (weights * (predicted - clean) ** 2).mean()
    assert abs(model.loss(model.task(given)) - expected) < 1e-4 * expected


@torch.no_grad()
@pytest.mark.parametrize("like", ["wan2.1-i2v-14b-480p", "wan2.1-flf2v-14b", "wan2.2-i2v-a14b"])
def test_wan_is_given_what_diffusers_pipeline_gives(models, like):
    model = Model(models, "wan", like, "low" if "2.2" in like else None)
    given = model.batch(64)
    task = model.task(given)
    pipeline = WanImageToVideoPipeline.from_pretrained(model.folder)
    frames = np.random.default_rng(0).integers(0, 256, (2, FRAMES, 64, 64, 3), dtype=np.uint8)[0]
    first, last = (torch.tensor(frames[i]).movedim(-1, 0)[None] / 127.5 - 1 for i in (0, -1))
    latents, condition = pipeline.prepare_latents(
        first, 1, 16, 64, 64, FRAMES, torch.float32, "cpu", latents=torch.zeros_like(given.clips["latents"][:1]),
        last_image=last if "flf" in like else None,
    )  # fmt: skip
    assert not latents.any()
    assert torch.allclose(given.clips["channels"][:1], condition, atol=1e-4)
    assert torch.equal(task.inputs["hidden_states"][:, 16:], given.clips["channels"])
    assert ("encoder_hidden_states_image" in task.inputs) == ("2.1" in like)
    if "2.1" in like:
        assert len(task.inputs["encoder_hidden_states_image"]) == (4 if "flf" in like else 2)
    settings = from_options(model.variant.options)
    t = (task.inputs["timestep"] / 1000).view(-1, 1, 1, 1, 1)
    noise = task.target + given.clips["latents"]
    assert torch.allclose(task.inputs["hidden_states"][:, :16], (1 - t) * given.clips["latents"] + t * noise, atol=1e-5)
    if not settings.boundary:
        shift = settings.small_shift or settings.shift
        assert torch.allclose(t.flatten(), shift * UNIFORM / (1 + (shift - 1) * UNIFORM))
    assert model.answer(model.network, task).shape == task.target.shape


@pytest.mark.parametrize("like", ["wan2.2-t2v-a14b", "wan2.2-i2v-a14b"])
def test_wans_experts_learn_on_their_sides_of_the_boundary(models, like, monkeypatch):
    uniform = torch.linspace(0, 1, 2001)[:-1]
    for expert in ("high", "low"):
        model = Model(models, "wan", like, expert)
        settings = from_options(model.variant.options)
        t = model.learner._times(uniform, settings, 1280 * 720)
        low, high = {"high": (settings.boundary, 1.0), "low": (0.0, settings.boundary)}[expert]
        assert t.min() >= low - 1e-6 and t.max() <= high + 1e-6
        assert math.isclose(t.min(), low, abs_tol=1e-5) and math.isclose(t.max(), high, abs_tol=5e-3)
        assert model.network is model.parts.transformers[expert == "low"]
        spread = settings.shift * uniform / (1 + (settings.shift - 1) * uniform)
        mine = spread[(spread >= low) & (spread < high)]
        marks = torch.tensor([0.1, 0.5, 0.9])
        assert torch.allclose(t.quantile(marks), mine.quantile(marks), atol=2e-3), "as often as when all are drawn"


@pytest.mark.parametrize("expert", ["high", "low"])
def test_one_expert_is_taught_and_the_other_stays(models, tune, expert):
    model = Model(models, "wan", "wan2.2-t2v-a14b", expert)
    out = tune(model=str(model.folder), steps=3, size="64x64", expert=expert)
    task = model.task(model.batch(64))
    names = [f"{expert}_noise_model.safetensors", f"comfyui/{expert}_noise_model.safetensors"]
    before = [model.answer(network, task) for network in model.parts.transformers]
    answers = []
    for name in names:
        model.family.check_lora(out / name)
        model.family.equip(model.parts, recipe_with(Lora(str(out / name), 1.0, "")))
        answers.append([model.answer(network, task) for network in model.parts.transformers])
    taught = int(expert == "low")
    for found in answers:
        assert torch.equal(found[1 - taught], before[1 - taught])
        assert not torch.allclose(found[taught], before[taught], atol=1e-4)
    assert torch.allclose(answers[0][taught], answers[1][taught], atol=1e-6)
    pipeline = WanPipeline.from_pretrained(model.folder)
    pipeline.load_lora_weights(out / names[0], load_into_transformer_2=expert == "low")
    taught_there = (pipeline.transformer, pipeline.transformer_2)[taught]
    assert torch.allclose(model.answer(taught_there, task), answers[0][taught], atol=1e-5)


def test_a_whole_expert_takes_its_own_place(models, tune):
    model = Model(models, "wan", "wan2.2-t2v-a14b", "low")
    out = tune(model=str(model.folder), steps=1, size="64x64", expert="low", method="full", learning_rate=1e-3)
    trained = model.family.load(out / "model", model.variant, "float32", "cpu")
    for number, (one, other) in enumerate(zip(model.parts.transformers, trained.transformers, strict=True)):
        same = all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
        assert same == (number == 0)


def test_which_of_two_networks_has_to_be_said(models, tune):
    double, single = Model(models, "wan", "wan2.2-t2v-a14b"), Model(models, "wan", "wan2.1-t2v-1.3b")
    with pytest.raises(UserError, match='is two networks, and a run trains one of them; write expert = "high"'):
        tune(model=str(double.folder), size="64x64")
    with pytest.raises(UserError, match=r"expert is 'high', and .* is one network"):
        tune(model=str(single.folder), size="64x64", expert="high")


@torch.no_grad()
def test_hunyuan_video_reads_words_as_diffusers_and_answers_with_the_velocity(models):
    model = Model(models, "hunyuan-video", "hunyuan-video")
    given = model.batch()
    task, clean = model.task(given), given.clips["latents"]
    s = torch.sigmoid(NORMAL)
    t = (7 * s / (1 + 6 * s)).view(-1, 1, 1, 1, 1)
    noise = given.noise(clean)
    assert torch.allclose(task.inputs["timestep"], 1000 * t.flatten())
    assert torch.equal(task.inputs["guidance"], torch.full((2,), 6016.0))
    pipeline = HunyuanVideoPipeline.from_pretrained(model.folder)
    length = given.texts["states"].shape[1]
    states, pooled, mask = pipeline.encode_prompt(list(CAPTIONS), max_sequence_length=length)
    predicted = model.network(
        hidden_states=(1 - t) * clean + t * noise, timestep=1000 * t.flatten(), encoder_hidden_states=states,
        encoder_attention_mask=mask, pooled_projections=pooled, guidance=torch.full((2,), 6016.0), return_dict=False,
    )[0]  # fmt: skip
    assert abs(model.loss(task) - (predicted - (noise - clean)).square().mean()) < 1e-5
    assert task.learnt is None


def test_a_lora_of_hunyuan_video_goes_round_comfyui_and_tencents_names(models, tune, tmp_path):
    model = Model(models, "hunyuan-video", "hunyuan-video")
    out = tune(model=str(model.folder), steps=3, size="64x64")
    task = model.task(model.batch())
    comfy = load_file(out / "comfyui" / "run.safetensors")
    tencents = {}
    for name, tensor in comfy.items():
        layer, role = name.removeprefix("diffusion_model.").split(".lora_")
        up_or_down = {"A.weight": "lora_down.weight", "B.weight": "lora_up.weight"}[role]
        tencents[f"Hunyuan_video_I2V_lora_{layer.replace('.', '_')}.{up_or_down}"] = tensor
        tencents[f"Hunyuan_video_I2V_lora_{layer.replace('.', '_')}.alpha"] = torch.tensor(3.0)
    save_file(tencents, tmp_path / "tencent.safetensors")
    before, answers = model.answer(model.network, task), []
    for file in (out / "pytorch_lora_weights.safetensors", out / "comfyui" / "run.safetensors",
                 tmp_path / "tencent.safetensors"):  # fmt: skip
        model.family.check_lora(file)
        model.family.equip(model.parts, recipe_with(Lora(str(file), 1.0, "")))
        answers.append(model.answer(model.network, task))
    assert not torch.allclose(answers[0], before, atol=1e-4)
    assert torch.allclose(answers[0], answers[1], atol=1e-5) and torch.equal(answers[1], answers[2])
    pipeline = HunyuanVideoPipeline.from_pretrained(model.folder)
    pipeline.load_lora_weights(out)
    assert torch.allclose(model.answer(pipeline.transformer, task), answers[0], atol=1e-5)


def test_a_picture_teaches_hunyuan_video_and_no_model_that_sets_one_in_motion(models, tune):
    told = []
    tune(model=str(Model(models, "hunyuan-video", "hunyuan-video").folder), steps=1, size="64x64",
         on_event=told.append)  # fmt: skip
    assert any("still.png: a picture -> 64x64, 1 frame" in line for line in told)
    told.clear()
    tune("other", model=str(Model(models, "wan", "wan2.1-i2v-14b-480p").folder), steps=1, size="64x64",
         on_event=told.append)  # fmt: skip
    assert any("still.png: a picture, and" in line and "learns motion alone" in line for line in told)
