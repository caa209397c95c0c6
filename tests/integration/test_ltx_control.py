"""Clips that are followed with an in-context LoRA, against a loop written out after the authors' trainer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from praxino.errors import UserError
from praxino.families import Shape, _in_context
from praxino.families._stock import annotate
from praxino.families.ltx_video import FAMILY, pictures, run
from praxino.families.ltx_video.load import Parts
from praxino.plain import from_plain, to_plain
from praxino.recipe import Companion, Recipe
from praxino.request import Request

CLIP = np.random.default_rng(3).integers(0, 256, (7, 60, 90, 3), dtype=np.uint8)
"""Of which five frames fit on the grid of the clip that is drawn."""
PICTURE = np.random.default_rng(2).integers(0, 256, (1, 48, 48, 3), dtype=np.uint8)
SEED, NUM_FRAMES = 8, 9


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("ltx") / "miniature"
    FAMILY.miniature(path)
    return path


@pytest.fixture(scope="module")
def parts(folder) -> Parts:
    return FAMILY.load(folder, FAMILY.identify(folder), "float32", "cpu")


def recipe_for(parts: Parts, roles=("control:depth",), upscale=(), loras=(), strength=1.0, **wish) -> Recipe:
    given = {"prompt": "a red cat", "sigmas": (1.0, 0.6), "guidance": 1.0, "control": ("depth-map=clip.mp4",), **wish}
    shape = Shape(48, 48, NUM_FRAMES, 8.0, upscale)
    sampling = FAMILY.plan(Request(lora=("depth.safetensors",), **given), parts.variant, shape, "text-to-video")
    media = {"source": "", "sha256": "", "data": ""}
    return from_plain(Recipe, {
        "family": "ltx-video", "variant": parts.variant.name, "model": "", "revision": "", "task": "text-to-video",
        "prompt": "a red cat", "caption": "a red cat", "width": 48, "height": 48, "num_frames": NUM_FRAMES, "fps": 8.0,
        "guidance": 1.0, "seed": SEED, "n": 1, "dtype": "float32", "loras": loras, "upscale": upscale,
        "conditions": [{"frame": 0, "strength": strength, "media": media, "role": role} for role in roles],
        "encoding": {"format": "gif", "loop": 0, "gif": "good", "quality": 90, "codec": "none", "grid": False,
                     "sheet": False},
        **{name: value for name, value in to_plain(sampling).items() if name != "notes"},
    })  # fmt: skip


def fitted(clip: np.ndarray, covering: tuple[int, int], width: int, height: int) -> torch.Tensor:
    """Resized by Pillow in floating point, the middle cut out."""
    planes = [[Image.fromarray(frame[..., c].astype(np.float32)) for frame in clip] for c in range(3)]
    resized = np.array([[np.array(p.resize(covering, Image.Resampling.BILINEAR)) for p in plane] for plane in planes])
    top, left = (covering[1] - height) // 2, (covering[0] - width) // 2
    return torch.from_numpy(resized[:, :, top : top + height, left : left + width])[None] / 127.5 - 1


def coordinates(frames: int) -> torch.Tensor:
    """Seconds, y and x of each token of so many latent frames, three by three in size."""
    places = [(max(4 * f - 3, 0) / 8, 16 * y, 16 * x) for f, y, x in np.ndindex(frames, 3, 3)]
    return torch.tensor(places).T[None].float()


@torch.no_grad()
def test_a_followed_clip_is_tokens_before_all_others_that_stay_clean(parts) -> None:
    recipe = recipe_for(parts)
    draws = torch.Generator().manual_seed(SEED)
    own = torch.randn(1, 27, 16, generator=draws)
    encoded = parts.vae.encode(fitted(CLIP[:5], (72, 48), 48, 48)).latent_dist
    mean, deviation = (values.view(1, -1, 1, 1, 1) for values in (parts.vae.latents_mean, parts.vae.latents_std))
    latents = encoded.mean + encoded.std * torch.randn(encoded.mean.shape, generator=draws)
    followed = ((latents - mean) / deviation).flatten(2).transpose(1, 2)
    torch.randn(latents.shape, generator=draws)
    x = torch.cat([followed, own], 1)
    coords = torch.cat([coordinates(2), coordinates(3)], 2)
    ids, mask = parts.tokenizer("a red cat", 16)
    states = parts.text_encoder(input_ids=ids, attention_mask=mask)[0]
    for t, t_next in [(1.0, 0.6), (0.6, 0.0)]:
        x[:, :18] = followed + 0.15 * t**2 * torch.randn(1, 45, 16, generator=draws)[:, :18]
        levels = torch.cat([torch.zeros(1, 18), torch.full((1, 27), t)], 1)
        v = parts.transformer(
            hidden_states=x, encoder_hidden_states=states, encoder_attention_mask=mask, timestep=1000 * levels,
            video_coords=coords, return_dict=False,
        )[0]  # fmt: skip
        x[:, 18:] -= (t - t_next) * v[:, 18:]
    *_, state = FAMILY.denoise(recipe, parts, [CLIP], SEED)
    torch.testing.assert_close(state.tensors["latents"], x, atol=2e-5, rtol=1e-5)
    assert FAMILY.decode(recipe, parts, state).shape == (NUM_FRAMES, 48, 48, 3)


@pytest.mark.parametrize(
    ("size", "covering"), [((90, 60), (48, 32)), ((60, 90), (48, 72)), ((48, 48), (48, 48)), ((144, 32), (144, 32))]
)
def test_a_followed_clip_covers_the_frames(size, covering) -> None:
    clip = np.random.default_rng(1).integers(0, 256, (2, size[1], size[0], 3), dtype=np.uint8)
    torch.testing.assert_close(pictures.fit(clip, 48, 32), fitted(clip, covering, 48, 32), atol=1e-5, rtol=1e-5)


def test_pictures_keep_their_places_beside_a_followed_clip(parts) -> None:
    recipe = recipe_for(parts, roles=("frame", "control:pose"), strength=0.7)
    given = run.read(recipe, parts, [PICTURE, CLIP], run.SeededNoise(SEED))
    start = run.prepare(given, run.passes.passes_of(recipe)[0])
    assert start.strengths is not None
    assert start.tokens.shape[1] == 18 + 27
    assert start.strengths[0, :27].tolist() == pytest.approx([0.7] * 27)
    assert start.strengths[0, 27:].tolist() == [0.0] * 18


def test_both_passes_follow_it_and_going_on_gives_the_same_bits(parts, tmp_path) -> None:
    path = tmp_path / "depth.safetensors"
    module, draws = "diffusion_model.transformer_blocks.1.attn1.to_q", torch.Generator().manual_seed(6)
    weights = {"lora_A": torch.randn(4, 32, generator=draws), "lora_B": torch.randn(32, 4, generator=draws)}
    save_file({f"{module}.{name}.weight": weight for name, weight in weights.items()}, path)
    recipe = recipe_for(parts, upscale=(96, 96), loras=[{"path": str(path), "scale": 1.0, "sha256": ""}])
    laid = FAMILY.equip(parts, recipe)
    straight = list(FAMILY.denoise(recipe, laid, [CLIP], SEED))
    assert [state.tensors["latents"].shape[1] for state in straight] == [45, 45, 45, 180, 180]
    for saved in straight:
        *_, state = FAMILY.denoise(recipe, laid, [CLIP], SEED, saved)
        assert torch.equal(state.tensors["latents"], straight[-1].tensors["latents"])
    bare = recipe_for(parts, upscale=(96, 96))
    *_, without = FAMILY.denoise(bare, FAMILY.equip(parts, bare), [CLIP], SEED)
    assert not torch.allclose(without.tensors["latents"], straight[-1].tensors["latents"])


def test_edges_are_found_in_each_frame() -> None:
    found = _in_context.Annotators().maps(CLIP, "annotate:canny")
    assert found.shape == CLIP.shape
    for edges, frame in zip(found, CLIP, strict=True):
        assert np.array_equal(edges, annotate.canny(frame))
    assert _in_context.Annotators().maps(CLIP, "control:canny") is CLIP


def test_what_makes_depth_maps_is_planned_for(parts) -> None:
    companions = recipe_for(parts, control=("depth=clip.mp4", "pose=clip.mp4")).companions
    assert [one.role for one in companions] == ["annotator:depth", "annotator:pose", "annotator:person"]
    assert not recipe_for(parts, control=("canny=clip.mp4", "depth-map=clip.mp4")).companions


def test_what_makes_maps_is_loaded_once_and_let_go(monkeypatch) -> None:
    calls = []
    monkeypatch.setattr(annotate, "load", lambda name, path, device: calls.append((name, path)) or name)
    monkeypatch.setattr(annotate, "make", lambda kind, frame, models: frame // 2 if models == {"depth": "depth"} else 0)
    annotators, depth = _in_context.Annotators(), (Companion("annotator:depth", "A"), Companion("upsampler", "B"))
    for _ in range(2):
        annotators.lay(depth, "cpu")
    assert calls == [("depth", "A")]
    assert np.array_equal(annotators.maps(CLIP, "annotate:depth"), CLIP // 2)
    annotators.lay((), "cpu")
    assert not annotators.loaded


@pytest.mark.parametrize(
    ("wish", "complaint"),
    [
        ({"control": ("detailer=clip.mp4",)}, "no way to make such a map"),
        ({"control": ("depth-map=clip.mp4:1.5",)}, "takes 0 to 1"),
    ],
)
def test_what_cannot_be_followed_is_refused(parts, wish, complaint) -> None:
    with pytest.raises(UserError, match=complaint):
        recipe_for(parts, **wish)


def test_following_needs_a_lora(parts) -> None:
    request = Request(prompt="a cat", control=("pose-map=clip.mp4",))
    with pytest.raises(UserError, match="name that with --lora"):
        FAMILY.plan(request, parts.variant, Shape(48, 48, NUM_FRAMES, 8.0), "text-to-video")
