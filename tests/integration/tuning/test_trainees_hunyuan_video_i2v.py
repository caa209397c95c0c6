"""HunyuanVideo-I2V learns as Tencent's own trainer has it, and what it learns is read by Praxino and diffusers."""

import dataclasses
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers.loaders.lora_pipeline import HunyuanVideoLoraLoaderMixin
from safetensors.torch import load_file

from praxino.families import families
from praxino.families._hunyuan import text
from praxino.families._hunyuan.template import VIDEO_FROM_PICTURE
from praxino.families._hunyuan.text import Embedded
from praxino.families.hunyuan_video_i2v.variants import TOKEN_REPLACE
from praxino.recipe import Lora
from praxino.training.tuning import objective
from praxino.training.tuning.buckets import Bucket
from praxino.training.tuning.settings import Tuning
from praxino.training.tuning.trainee import trainee
from praxino.training.tuning.trainees import hunyuan_video_i2v

FAMILY = families()["hunyuan-video-i2v"]
LEARNER = trainee("hunyuan-video-i2v")
REFERENCE = runpy.run_path(str(Path(__file__).parents[1] / "test_hunyuan_reference.py"))
"""Tencent's numbers, and their network as it stands on the machine that they were made on."""
TENCENTS = ("img_attn_qkv", "img_attn_proj", "img_mlp.fc1", "img_mlp.fc2", "img_mod.linear", "txt_attn_qkv",
            "txt_attn_proj", "txt_mlp.fc1", "txt_mlp.fc2", "txt_mod.linear")  # fmt: skip
"""What the recipe trains of a block of two streams."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "hunyuan"
    FAMILY.miniature(folder)
    return folder


@pytest.fixture
def parts(folder):
    return FAMILY.load(folder, FAMILY.identify(folder), "float32", "cpu")


def loss_of(network, task):
    """As `Objective` has it."""
    error = (LEARNER.answer(network, task) - task.target).square()
    counts = task.learnt.expand_as(error)
    return (error * counts).sum() / counts.sum()


@torch.no_grad()
def test_the_loss_is_tencents():
    given = REFERENCE["arrays"]("loss_token_replace")
    network = REFERENCE["made"](load_file(REFERENCE["TRANSFORMER"]), "token-replace")
    words = Embedded(given["text_states"], given["text_mask"], given["text_states_2"])
    clips = {"latents": given["x1"], "given": given["cond_latents"]}
    drawn = given["t"], given["x0"]
    task = hunyuan_video_i2v.noised(SimpleNamespace(transformer=network), TOKEN_REPLACE, clips, words, drawn)
    assert torch.equal(task.inputs["guidance"], torch.full((2,), 6016.0))  # as bfloat16 has 6 x 1000
    task = dataclasses.replace(task, inputs={**task.inputs, "guidance": given["guidance"].expand(2)})
    assert torch.allclose(LEARNER.answer(network, task)[:, :, 1:], given["model_output"], atol=1e-5)
    assert abs(loss_of(network, task) - given["loss"]) < 1e-5


def batch(parts, frames, caption, seeds, **more):
    clip, words = LEARNER.encode(parts, frames), LEARNER.read(parts, caption)
    stacked = ({name: torch.stack([one] * len(seeds)) for name, one in some.items()} for some in (clip, words))
    chances = [torch.Generator().manual_seed(seed) for seed in seeds]
    return objective.Batch(*stacked, 8.0, False, chances, torch.zeros(len(seeds), dtype=torch.bool))


def moving(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)


@torch.no_grad()
def test_times_and_black_pictures_are_as_often_as_there(parts, monkeypatch):
    """The quantiles of t = 7 s / (1 + 6 s), s = sigmoid(normal), and a tenth in black."""
    looked = []

    def states_of(parts, tokens, template, settings, picture):
        looked.append(not picture.any())
        return torch.zeros(1, 1, 16), torch.ones(1, 1)

    monkeypatch.setattr(text, "states_of", states_of)
    task = LEARNER.task(parts, parts.variant, batch(parts, moving(), "a square", range(2000)))
    s = torch.sigmoid(torch.tensor([-0.6744898, 0.0, 0.6744898]))
    found = (task.inputs["timestep"] / 1000).quantile(torch.tensor([0.25, 0.5, 0.75]))
    assert torch.allclose(found, 7 * s / (1 + 6 * s), atol=0.02)
    assert 0.08 < np.mean(looked) < 0.12


@torch.no_grad()
def test_the_given_frame_is_the_decoded_one_in_eight_bits(parts):
    frames = moving()
    clip = LEARNER.encode(parts, frames)
    first = parts.vae.decode(clip["latents"][None, :, :1] / parts.vae.config.scaling_factor).sample[0, :, 0]
    assert clip["shown"].dtype == torch.uint8
    assert ((first.movedim(0, -1) / 2 + 0.5).clamp(0, 1) * 255 - clip["shown"].float()).abs().max() <= 0.501
    pixels = (clip["shown"].float() / 255).movedim(-1, 0)[None, :, None] * 2 - 1
    posterior = parts.vae.encode(pixels).latent_dist
    off = (clip["given"] / parts.vae.config.scaling_factor - posterior.mean[0]) / posterior.std[0]
    assert 0.8 < off.std() < 1.2 and off.mean().abs() < 0.2, "sampled, not the mean"
    assert torch.equal(LEARNER.encode(parts, frames)["given"], clip["given"])
    pixels = torch.tensor(frames).movedim(-1, 0)[None] / 127.5 - 1
    mean = parts.vae.encode(pixels).latent_dist.mode()[0] * parts.vae.config.scaling_factor
    assert torch.allclose(clip["latents"], mean, atol=1e-5)


@torch.no_grad()
def test_clips_are_tiled_in_space_alone_and_the_given_frame_not_at_all(parts, monkeypatch):
    vae, used = parts.vae, []
    encode = vae._encode

    def spied(pixels):
        used.append((pixels.shape[2], vae.use_tiling, vae.use_framewise_encoding))
        return encode(pixels)

    monkeypatch.setattr(vae, "_encode", spied)
    LEARNER.encode(parts, moving())
    assert used == [(5, True, False), (1, False, False)]
    assert vae.use_tiling and vae.use_framewise_encoding, "as they were"


@torch.no_grad()
def test_words_are_read_beside_the_picture_as_when_drawing(parts, monkeypatch):
    monkeypatch.setattr(hunyuan_video_i2v, "BLACK_SHARE", 0.0)
    one = batch(parts, moving(), "a red square", [1])
    task = LEARNER.task(parts, parts.variant, one)
    settings = hunyuan_video_i2v.from_options(parts.variant.options)
    drawn = text.embed(parts, "a red square", VIDEO_FROM_PICTURE, settings, one.clips["shown"][0].numpy())
    assert torch.equal(task.inputs["encoder_hidden_states"], drawn.states)
    assert torch.equal(task.inputs["encoder_attention_mask"], drawn.mask.float())
    assert torch.equal(task.inputs["pooled_projections"], drawn.pooled)
    monkeypatch.setattr(hunyuan_video_i2v, "BLACK_SHARE", 1.0)
    dark = LEARNER.task(parts, parts.variant, batch(parts, moving(), "a red square", [1]))
    assert not torch.equal(dark.inputs["encoder_hidden_states"], drawn.states)


@torch.no_grad()
def test_latent_concat_learns_every_frame_beside_the_picture(tmp_path):
    FAMILY.miniature(tmp_path / "m", "hunyuan-video-i2v-33ch")
    parts = FAMILY.load(tmp_path / "m", FAMILY.identify(tmp_path / "m"), "float32", "cpu")
    one = batch(parts, moving(), "a square", [1])
    task = LEARNER.task(parts, parts.variant, one)
    shown, clean = task.inputs["hidden_states"], one.clips["latents"]
    t = task.inputs["timestep"] / 1000
    assert task.learnt is None and task.inputs["guidance"] is None
    assert torch.allclose(shown[:, :4], (1 - t) * clean + t * (task.target + clean), atol=1e-6)
    assert torch.equal(shown[:, 4:8, :1], one.clips["given"]) and not shown[:, 4:8, 1:].any()
    assert shown[:, 8, 0].all() and not shown[:, 8, 1:].any()
    assert LEARNER.answer(parts.transformer, task).shape == task.target.shape


def answer(network, parts):
    with torch.no_grad():
        return LEARNER.answer(network, LEARNER.task(parts, parts.variant, batch(parts, moving(), "a square", [3])))


def with_lora(parts, path):
    class Recipe:
        loras = (Lora(str(path), 1.0, ""),)
        options = {"lora_blocks": ""}  # noqa: RUF012

    FAMILY.check_lora(path)
    return answer(FAMILY.equip(parts, Recipe).transformer, parts)


def test_what_is_learnt_is_read_by_praxino_diffusers_and_in_comfyuis_layers(folder, parts, tune):
    told = []
    out = tune(model=str(folder), steps=3, on_event=told.append)
    assert any("still.png: a picture, and" in line for line in told)
    files = out / "pytorch_lora_weights.safetensors", out / "comfyui" / "run.safetensors"
    before = answer(parts.transformer, parts)
    answers = [with_lora(parts, file) for file in files]
    assert not torch.allclose(answers[0], before, atol=1e-4)
    assert torch.allclose(*answers, atol=1e-5)

    plain = FAMILY.load(folder, parts.variant, "float32", "cpu")
    state = HunyuanVideoLoraLoaderMixin.lora_state_dict(files[0])
    HunyuanVideoLoraLoaderMixin.load_lora_into_transformer(state, plain.transformer)
    assert torch.allclose(answer(plain.transformer, parts), answers[0], atol=1e-5)

    theirs = {name.partition(".lora_")[0] for name in load_file(files[1])}
    of_first = {name.split(".0.")[1] for name in theirs if name.startswith("diffusion_model.double_blocks.0.")}
    assert of_first == set(TENCENTS)
    assert {name.split(".0.")[1] for name in theirs if ".single_blocks.0." in name} == {
        "linear1", "linear2", "modulation.linear"
    }  # fmt: skip
    assert {name for name in theirs if "blocks" not in name} == {"diffusion_model.final_layer.linear"}
    assert {name.rpartition(".")[2] for name in theirs if "txt_in" in name} == {"fc1", "fc2"}


def test_a_part_of_a_fused_layer_leaves_the_others_as_they_are(folder, parts, tune):
    out = tune(model=str(folder), steps=1, targets=("transformer_blocks.*.attn.to_k",))
    answers = [with_lora(parts, out / name) for name in ("pytorch_lora_weights.safetensors", "comfyui/run.safetensors")]
    assert torch.allclose(*answers, atol=1e-5)


def test_the_loss_falls_on_one_batch(parts):
    clip, words = LEARNER.encode(parts, moving()), LEARNER.read(parts, "a square")
    example = objective.Encoded(Bucket(5, 64, 64), clip, words)
    parts.transformer.requires_grad_(True)
    loss = objective.Objective(LEARNER, parts, parts.transformer, parts.variant, [example], words, Tuning(seed=1))
    optimizer = torch.optim.Adam(parts.transformer.parameters(), 1e-3)
    values = []
    for _ in range(6):
        value = loss(0)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.9 * values[0]
