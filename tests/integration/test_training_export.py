"""A tiny trained-like model through its folder: stock diffusers pipelines and the family read what was written."""

import json

import numpy as np
import pytest
import torch
from diffusers.pipelines.ltx.pipeline_ltx import LTXPipeline
from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXConditionPipeline, LTXVideoCondition
from PIL import Image
from torch import nn

from praxino.errors import UserError
from praxino.families.ltx_video import FAMILY
from praxino.training.captions import taught_words
from praxino.training.export import Trained, folder_bytes, preview_clips, preview_map, read_folder, write_folder
from praxino.training.flow import LatentGrid, TransformerSize
from praxino.training.pocket import PocketSettings, make_denoiser
from praxino.training.sample import Given, SamplePlan, encode_tokens, sample, shifted_sigmas
from praxino.training.sprites import find_font
from praxino.training.text import TextSize, build_tokenizer, tokenize
from praxino.training.vae import AutoencoderSize, build, start_from_principal_components, to_video

SETTINGS = PocketSettings(
    autoencoder=AutoencoderSize(24, 32, 32, 16, 1),
    transformer=TransformerSize(heads=2, head_width=16, layers=2),
    text=TextSize(width=32, head_width=16, hidden=32, layers=1, heads=2),
)
GRID = SETTINGS.grid
SIGMAS = shifted_sigmas(4, 2.0)
CAPTION = "a frog bouncing on a red background"


class LinearTimeGrid(LatentGrid):
    """LTXPipeline's own time coordinates, whichever are asked for."""

    def coordinates(self, causal):
        return super().coordinates(False)


def pictures(count=40):
    """(N, 9, 64, 64, 3) uint8 of smooth moving colours."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:1:64j, 0:1:64j]
    time = np.arange(9)[:, None, None, None]
    clips = []
    for _ in range(count):
        a, b, c = rng.uniform(-6, 6, (3, 3))
        clips.append(127 + 120 * np.sin(a * rows[..., None] + b * columns[..., None] + c + 0.1 * c * time))
    return np.stack(clips).astype(np.uint8)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    vae, denoiser = build(SETTINGS.autoencoder), make_denoiser(SETTINGS)
    start_from_principal_components(vae, to_video(pictures()))
    nn.init.normal_(denoiser.transformer.proj_out.weight, std=0.1)
    tokens = encode_tokens(vae, to_video(pictures()), normalised=False).detach()
    vae.latents_mean.copy_(tokens.mean((0, 1)))
    vae.latents_std.copy_(tokens.std((0, 1)))
    return Trained(vae.eval(), denoiser.eval(), build_tokenizer(taught_words()), GRID, SIGMAS)


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    try:
        find_font()
    except UserError as problem:
        pytest.skip(str(problem))
    path = tmp_path_factory.mktemp("export") / "model"
    write_folder(model, path)
    return path


@pytest.fixture
def stock(folder):
    def load(kind):
        pipeline = kind.from_pretrained(folder)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    return load


def noise(seed=0):
    """What `sample` draws for its first batch."""
    chance = torch.Generator().manual_seed(seed * 100_003)
    return torch.randn(1, GRID.frames * GRID.cells, 24, generator=chance)


def test_weights_come_back_within_half_precision_and_the_text_encoders_exactly(model, folder):
    read = read_folder(folder, GRID)
    for a, b in ((model.vae, read.vae), (model.denoiser.transformer, read.denoiser.transformer)):
        for (name, old), new in zip(a.state_dict().items(), b.state_dict().values(), strict=True):
            torch.testing.assert_close(old.half().float(), new, msg=name)
    pairs = zip(model.denoiser.text_encoder.parameters(), read.denoiser.text_encoder.parameters(), strict=True)
    assert all(torch.equal(old, new) for old, new in pairs)
    assert tokenize(read.tokenizer, [CAPTION]).ids.tolist() == tokenize(model.tokenizer, [CAPTION]).ids.tolist()
    assert read.sigmas == SIGMAS


def test_writing_leaves_the_model_as_it_was(model, folder):
    assert (
        {p.dtype for p in model.denoiser.parameters()} == {p.dtype for p in model.vae.parameters()} == {torch.float32}
    )


def test_the_stock_pipeline_draws_the_samplers_frames(folder, stock):
    read = read_folder(folder, LinearTimeGrid())
    text = tokenize(read.tokenizer, [CAPTION], 8)
    assert text.mask.all()
    null = tokenize(read.tokenizer, [""], 8)
    ours = sample(read.denoiser, read.vae, text, null, read.grid, SamplePlan(SIGMAS))[0]
    pipeline = stock(LTXPipeline)
    pipeline.scheduler.set_shift(2.0)
    theirs = pipeline(
        CAPTION, width=64, height=64, num_frames=9, frame_rate=10, num_inference_steps=4, guidance_scale=1.0,
        latents=noise(), max_sequence_length=8, output_type="np",
    ).frames[0]  # fmt: skip
    assert ours.shape == theirs.shape == (9, 64, 64, 3)
    assert np.abs(ours - theirs * 255).max() < 1.5
    assert ours.std() > 10


def test_guidance_of_the_sampler_is_the_stock_pipelines(folder, stock):
    read = read_folder(folder, LinearTimeGrid())
    text, null = tokenize(read.tokenizer, [CAPTION], 8), tokenize(read.tokenizer, ["a a a a a a a"], 8)
    ours = sample(read.denoiser, read.vae, text, null, read.grid, SamplePlan(SIGMAS, guidance=3.0))[0]
    pipeline = stock(LTXPipeline)
    pipeline.scheduler.set_shift(2.0)
    theirs = pipeline(
        CAPTION, "a a a a a a a", width=64, height=64, num_frames=9, frame_rate=10, num_inference_steps=4,
        guidance_scale=3.0, latents=noise(), max_sequence_length=8, output_type="np",
    ).frames[0]  # fmt: skip
    assert np.abs(ours - theirs * 255).max() < 1.5


def test_the_condition_pipeline_runs_with_first_and_last_frame_and_keeps_the_first(folder, stock):
    clip, read = pictures(1)[0], read_folder(folder, GRID)
    pipeline = stock(LTXConditionPipeline)
    conditions = [
        LTXVideoCondition(image=Image.fromarray(clip[0]), frame_index=0),
        LTXVideoCondition(image=Image.fromarray(clip[-1]), frame_index=8),
    ]
    settings = dict(
        prompt="bouncing", width=64, height=64, num_frames=9, frame_rate=10, guidance_scale=1.0,
        timesteps=[1000 * s for s in SIGMAS], num_inference_steps=4, max_sequence_length=20, image_cond_noise_scale=0.0,
    )  # fmt: skip
    frames = pipeline(conditions=conditions, output_type="np", **settings).frames[0]
    assert frames.shape == (9, 64, 64, 3)
    assert np.isfinite(frames).all()
    latents = pipeline(conditions=conditions[:1], output_type="latent", **settings).frames
    given = encode_tokens(read.vae, to_video(clip[None, :1]))
    # The pipeline draws from the posterior, whose deviation is exp(-5), or 0.0067, before normalisation.
    kept = latents[:, :, :1].flatten(2).mT
    assert ((kept - given) * read.vae.latents_std).abs().max() < 0.04
    assert given.std() > 0.5


def test_the_sampler_keeps_given_frames_and_draws_each_clip_whatever_stands_beside_it(folder):
    read, clips = read_folder(folder, GRID), pictures(2)
    text, null = tokenize(read.tokenizer, ["bouncing", "spinning"]), tokenize(read.tokenizer, [""])
    given = Given(clips[:, :1], clips[:, -1:])
    both = sample(read.denoiser, read.vae, text, null, GRID, SamplePlan(SIGMAS), given)
    shown = sample(read.denoiser, read.vae, text, null, GRID, SamplePlan(SIGMAS, seed=1), given)
    assert (both != shown).any()
    one = sample(
        read.denoiser, read.vae, type(text)(text.ids[:1], text.mask[:1]), null, GRID, SamplePlan(SIGMAS),
        Given(clips[:1, :1], clips[:1, -1:]),
    )  # fmt: skip
    assert np.abs(one[0].astype(int) - both[0]).max() <= 1


def test_the_manifest_says_how_to_run_it_and_the_family_understands_it(folder):
    card = json.loads((folder / "praxino.json").read_text(encoding="utf-8"))
    expected = {
        "family": "ltx-video", "variant": "pocket", "width": 64, "height": 64, "num_frames": 9, "fps": 10, "steps": 4,
        "guidance": 1.0, "schedule": "explicit", "sigmas": SIGMAS, "causal_rope": True, "max_text_tokens": 20,
        "size_multiple": 32, "sizes": [[64, 64]],
    }  # fmt: skip
    assert {name: card[name] for name in expected} == expected
    variant = FAMILY.identify(folder)
    assert (variant.name, variant.steps, variant.num_frames, variant.fps) == ("pocket", 4, 9, 10)
    assert (variant.grid.frame_step, variant.grid.sizes) == (2, ((64, 64),))
    assert list(variant.sigmas) == SIGMAS
    assert (folder / "vocabulary.json").is_file()


def test_the_preview_map_tells_the_colour_of_a_cell(model, folder):
    factors, bias = (np.array(part) for part in preview_map(model, preview_clips(model.grid)))
    assert factors.shape == (3, 24)
    grey = np.full((1, 9, 64, 64, 3), 204, np.uint8)
    tokens = encode_tokens(model.vae, to_video(grey)).detach().numpy()
    np.testing.assert_allclose(tokens @ factors.T + bias, 204 / 127.5 - 1, atol=0.15)


def test_the_size_of_a_folder_is_that_of_its_files(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"123")
    (tmp_path / "c").write_bytes(b"45")
    assert folder_bytes(tmp_path) == 5


def test_the_full_size_leaves_room_for_the_card_and_the_sheet(tmp_path):
    settings = PocketSettings()
    vae, denoiser = build(settings.autoencoder), make_denoiser(settings)
    halves = sum(p.numel() for part in (vae, denoiser.transformer) for p in part.parameters())
    wholes = sum(p.numel() for p in denoiser.text_encoder.parameters())
    assert 2 * halves + 4 * wholes + 100_000 < 25_000_000
