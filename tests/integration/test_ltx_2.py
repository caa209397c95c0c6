"""LTX-2 on its miniature: frames and sound against diffusers' own pipelines, stages, going on, LoRAs."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from diffusers.pipelines.ltx2.pipeline_ltx2_condition import LTX2ConditionPipeline, LTX2VideoCondition
from diffusers.pipelines.ltx2.pipeline_ltx2_ic_lora import LTX2InContextPipeline, LTX2ReferenceCondition
from diffusers.pipelines.ltx2.pipeline_ltx2_latent_upsample import LTX2LatentUpsamplePipeline
from PIL import Image
from safetensors.torch import load_file, save_file

from praxino import media
from praxino.accel.networks import networks
from praxino.api import generate
from praxino.engine.resolve import resolve
from praxino.engine.run import draw
from praxino.errors import ModelError, UserError
from praxino.families import DrawsSound, LoopState, Shape
from praxino.families._stock.load import quiet
from praxino.families.ltx_2 import FAMILY, conditioning, loop, run
from praxino.families.ltx_2.identify import identify
from praxino.families.ltx_2.load import Parts
from praxino.families.ltx_2.settings import from_options
from praxino.families.ltx_2.variants import PUBLISHED, REFINING_SIGMAS
from praxino.plain import from_plain, to_plain
from praxino.recipe import Companion, Condition, Media, Recipe
from praxino.request import Request
from praxino.sampling import schedules

PROMPT, NEGATIVE, SEED = "a red cat", "a blue dog", 8
WIDTH, HEIGHT, NUM_FRAMES, FPS = 64, 32, 9, 8.0
FIRST = np.random.default_rng(2).integers(0, 256, (1, 70, 41, 3), dtype=np.uint8)
LAST = np.random.default_rng(3).integers(0, 256, (1, 33, 90, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("ltx2") / "miniature"
    FAMILY.miniature(path)
    return path


@pytest.fixture(scope="module")
def parts(folder) -> Parts:
    return FAMILY.load(folder, FAMILY.identify(folder), "float32", "cpu")


@pytest.fixture(scope="module")
def stock(folder) -> LTX2ConditionPipeline:
    with quiet():
        pipeline = LTX2ConditionPipeline.from_pretrained(folder, local_files_only=True)
    for block in pipeline.transformer.transformer_blocks:
        assert not block.perturbed_attn
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def recipe_for(parts: Parts, held=(), upscale=(), loras=(), **wish) -> Recipe:
    given = {"prompt": PROMPT, "negative_prompt": NEGATIVE, "sigmas": (1.0, 0.7, 0.4), **wish}
    sampling = FAMILY.plan(
        Request(**given), parts.variant, Shape(WIDTH, HEIGHT, NUM_FRAMES, FPS, upscale), "text-to-video"
    )
    media = {"source": "", "sha256": "", "data": ""}
    return from_plain(Recipe, {
        "family": "ltx-2", "variant": parts.variant.name, "model": "", "revision": "", "task": "text-to-video",
        "prompt": PROMPT, "caption": PROMPT, "width": WIDTH, "height": HEIGHT, "num_frames": NUM_FRAMES, "fps": FPS,
        "guidance": 3.0, "seed": SEED, "n": 1, "dtype": "float32", "loras": loras, "upscale": upscale,
        "sound": "drawn",
        "conditions": [{"frame": frame, "strength": strength, "media": media} for frame, strength in held],
        "encoding": {"format": "mp4", "loop": 0, "gif": "good", "quality": 90, "codec": "h264", "grid": False,
                     "sheet": False},
        **{name: value for name, value in to_plain(sampling).items() if name != "notes"},
    })  # fmt: skip


def drawn(recipe: Recipe, parts: Parts, given=()) -> tuple[np.ndarray, np.ndarray, int]:
    *_, state = FAMILY.denoise(recipe, parts, list(given), SEED)
    assert isinstance(FAMILY, DrawsSound)
    return FAMILY.decode(recipe, parts, state), *FAMILY.sound(recipe, parts, state)


def called(stock: LTX2ConditionPipeline, recipe: Recipe, **more) -> tuple[np.ndarray, np.ndarray]:
    """The stock pipeline, called by hand with what the recipe says."""
    phase, settings = recipe.guidance_phases[0], from_options(recipe.options)
    output = stock(
        **{
            "prompt": PROMPT, "negative_prompt": recipe.negative_prompt, "width": WIDTH, "height": HEIGHT,
            "num_frames": NUM_FRAMES, "frame_rate": FPS, "sigmas": list(recipe.sigmas),
            "guidance_scale": phase.scale, "stg_scale": phase.stg_scale, "modality_scale": settings.modality_scale,
            "guidance_rescale": 1 - phase.rescale, "audio_guidance_scale": settings.sound_guidance,
            "audio_stg_scale": settings.sound_stg, "audio_modality_scale": settings.sound_modality_scale,
            "audio_guidance_rescale": 1 - settings.sound_rescale,
            "spatio_temporal_guidance_blocks": list(phase.stg_blocks), "use_cross_timestep": settings.cross_timestep,
            "max_sequence_length": settings.max_text_tokens, "output_type": "np",
            "generator": torch.Generator().manual_seed(SEED), **more,
        }
    )  # fmt: skip
    return (output.frames[0] * 255).round().astype(np.uint8), output.audio[0].numpy()


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"stg": 1.0, "stg_blocks": (1,), "rescale": 0.3},
        {"guidance": 1.0, "negative_prompt": None, "sigmas": (1.0, 0.5)},
    ],
)
def test_frames_and_sound_are_the_stock_pipelines(parts, stock, monkeypatch, wish) -> None:
    recipe = recipe_for(parts, **wish)
    for ours, theirs in zip(parts.transformer.transformer_blocks, stock.transformer.transformer_blocks, strict=True):
        monkeypatch.setattr(theirs, "perturbed_attn", True)
        monkeypatch.setattr(theirs.attn1, "processor", ours.attn1.processor)
        monkeypatch.setattr(theirs.audio_attn1, "processor", ours.audio_attn1.processor)
    frames, samples, rate = drawn(recipe, parts)
    expected_frames, expected_samples = called(stock, recipe)
    assert frames.shape == (NUM_FRAMES, HEIGHT, WIDTH, 3)
    assert np.array_equal(frames, expected_frames)
    assert np.array_equal(samples, expected_samples)
    assert samples.dtype == np.float32 and samples.shape[0] == 2 and samples.std() > 0
    assert rate == 1600
    assert samples.shape[1] / rate == pytest.approx(NUM_FRAMES / FPS, abs=0.05)


def test_the_stock_pipeline_does_not_perturb_what_the_folder_does_not_ask_for(parts, stock) -> None:
    """Why the blocks are made perturbable: in diffusers, STG is nothing for such a folder."""
    recipe = recipe_for(parts, stg=1.0, stg_blocks=(1,), rescale=0.3)
    half = recipe_for(parts, stg=0.5, stg_blocks=(1,), rescale=0.3)
    assert np.array_equal(called(stock, recipe)[0], called(stock, half)[0])
    assert not np.array_equal(drawn(recipe, parts)[0], drawn(half, parts)[0])


@pytest.mark.parametrize("held", [[(0, 1.0)], [(0, 0.6), (5, 1.0)], [(5, 0.8)]])
def test_pictures_are_held_as_the_stock_pipeline_holds_them(parts, stock, held) -> None:
    recipe = recipe_for(parts, held)
    given = {0: FIRST, 5: LAST}
    conditions = [
        LTX2VideoCondition(Image.fromarray(given[frame][0]), index=0 if frame == 0 else -1, strength=strength)
        for frame, strength in held
    ]
    frames, samples, _ = drawn(recipe, parts, [given[frame] for frame, _ in held])
    expected_frames, expected_samples = called(stock, recipe, conditions=conditions)
    assert np.array_equal(frames, expected_frames)
    assert np.array_equal(samples, expected_samples)


@pytest.mark.parametrize(("frame", "index"), [(0, 0), (4, 1)])
def test_a_clip_goes_on_from_its_end_or_before_its_beginning_as_the_stock_pipeline_does(
    parts, stock, frame, index
) -> None:
    """Five frames: held first, or behind four new ones."""
    clip = np.random.default_rng(8).integers(0, 256, (5, 50, 70, 3), dtype=np.uint8)
    recipe = recipe_for(parts, [(frame, 1.0)])
    conditions = [LTX2VideoCondition([Image.fromarray(one) for one in clip], index=index, strength=1.0)]
    frames, samples, _ = drawn(recipe, parts, [clip])
    expected_frames, expected_samples = called(stock, recipe, conditions=conditions)
    assert np.array_equal(frames, expected_frames) and np.array_equal(samples, expected_samples)
    assert not np.array_equal(frames, drawn(recipe_for(parts), parts)[0])


def test_a_picture_may_be_held_at_any_frame() -> None:
    """The stock pipeline knows every fourth one here; a single frame lasts from its own time to the next one's."""
    held = conditioning.Held(torch.ones(1, 2, 1, 1, 2), 7, 0.5)
    begun = conditioning.mix(torch.zeros(1, 2, 3, 1, 2), [held], FPS, (4, 16))
    assert begun.extra_coords is not None
    expected = [[[7, 8], [7, 8]], [[0, 16], [0, 16]], [[0, 16], [16, 32]]]
    torch.testing.assert_close(begun.extra_coords[0], torch.tensor(expected) / torch.tensor([FPS, 1, 1])[:, None, None])
    assert begun.strengths[0, :, 0].tolist() == [0] * 6 + [0.5] * 2
    noise = torch.full((1, 8, 2), 9.0)
    assert conditioning.noised(begun, noise, 0.5)[0, :, 0].tolist() == [4.5] * 6 + [9 * 0.25 + 0.75] * 2


def test_guidance_of_both_is_what_float64_makes_of_it() -> None:
    draws = np.random.default_rng(5)
    plain, negative, perturbed, alone = (draws.normal(size=(1, 7, 3)) for _ in range(4))
    others = {"negative": negative, "perturbed": perturbed, "alone": alone}
    led = plain + 6 * (plain - negative) + 0.5 * (plain - perturbed) + 2 * (plain - alone)
    expected = 0.7 * led * plain.std(ddof=1) / led.std(ddof=1) + 0.3 * led
    found, _ = loop.combine(
        torch.from_numpy(plain).float(),
        {name: torch.from_numpy(value).float() for name, value in others.items()},
        loop.Scales(7.0, 0.5, 3.0, 0.3),
    )
    np.testing.assert_allclose(found.numpy(), expected, atol=2e-5)


@torch.no_grad()
def test_the_second_stage_is_the_stock_pipelines_over_upsampled_latents(parts, stock, folder) -> None:
    """Called by hand: three pipelines one after the other, with the same generator."""
    recipe = recipe_for(parts, [(0, 1.0)], upscale=(128, 64))
    assert recipe.sigmas[3:] == REFINING_SIGMAS
    draws = torch.Generator().manual_seed(SEED)
    conditions = [LTX2VideoCondition(Image.fromarray(FIRST[0]), index=0, strength=1.0)]
    first = dataclasses.replace(recipe, sigmas=recipe.sigmas[:3])
    settings = from_options(recipe.options)
    small = stock(
        prompt=PROMPT, negative_prompt=NEGATIVE, width=WIDTH, height=HEIGHT, num_frames=NUM_FRAMES, frame_rate=FPS,
        sigmas=list(first.sigmas), guidance_scale=3.0, stg_scale=0.0, modality_scale=3.0, guidance_rescale=0.0,
        audio_guidance_scale=7.0, audio_stg_scale=0.0, audio_modality_scale=3.0,
        audio_guidance_rescale=1 - settings.sound_rescale, max_sequence_length=32, output_type="latent",
        generator=draws, conditions=conditions, use_cross_timestep=False,
    )  # fmt: skip
    upsample = LTX2LatentUpsamplePipeline(stock.vae, parts.upsampler)
    larger = upsample(latents=small.frames, height=64, width=128, output_type="latent", return_dict=False)[0]
    final = stock(
        prompt=PROMPT, width=128, height=64, num_frames=NUM_FRAMES, frame_rate=FPS, sigmas=list(REFINING_SIGMAS),
        guidance_scale=1.0, stg_scale=0.0, modality_scale=1.0, guidance_rescale=0.0, audio_guidance_scale=1.0,
        audio_stg_scale=0.0, audio_modality_scale=1.0, audio_guidance_rescale=0.0, max_sequence_length=32,
        output_type="np", generator=draws, conditions=conditions, latents=larger, audio_latents=small.audio,
        use_cross_timestep=False,
    )  # fmt: skip
    *_, state = FAMILY.denoise(recipe, parts, [FIRST], SEED)
    frames = FAMILY.decode(recipe, parts, state)
    assert frames.shape == (NUM_FRAMES, 64, 128, 3)
    assert np.abs(frames.astype(int) - (final.frames[0] * 255).round()).max() <= 1
    kept = stock.vocoder(stock.audio_vae.decode(small.audio, return_dict=False)[0])[0]
    torch.testing.assert_close(torch.from_numpy(FAMILY.sound(recipe, parts, state)[0]), kept, atol=1e-5, rtol=1e-4)
    refined = dataclasses.replace(recipe, options={**recipe.options, "keeps_first_sound": False})
    sound = torch.from_numpy(FAMILY.sound(refined, parts, state)[0])
    torch.testing.assert_close(sound, final.audio[0], atol=1e-5, rtol=1e-4)
    fitted = dataclasses.replace(recipe, upscale=(96, 64))
    shown = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
    stretched = F.interpolate(shown, size=(64, 96), mode="bilinear").permute(0, 2, 3, 1).numpy()
    assert np.abs(FAMILY.decode(fitted, parts, state) - stretched).max() <= 1.01


@pytest.mark.parametrize(("factor", "held"), [(1, []), (2, [(5, 0.8)])])
def test_a_followed_clip_is_the_stock_pipelines_reference(parts, stock, tmp_path, factor, held) -> None:
    size = WIDTH // factor, HEIGHT // factor
    clip = np.random.default_rng(4).integers(0, 256, (NUM_FRAMES, size[1], size[0], 3), dtype=np.uint8)
    path = lora_file(tmp_path / "depth.safetensors", "transformer_blocks.1.attn1.to_q", 16, 16)
    save_file(load_file(path), path, {"reference_downscale_factor": str(factor)})
    recipe = recipe_for(parts, held, control=("depth-map=clip.mp4",), lora=(f"{path}:1.0",))
    media = recipe.conditions[0].media if held else Media("", "", "")
    conditions = (*recipe.conditions, Condition(0, 0.9, media, "control:depth"))
    recipe = dataclasses.replace(recipe, conditions=conditions)
    assert from_options(recipe.options).reference_downscale == factor
    frames, samples, _ = drawn(recipe, parts, [*([LAST] if held else []), clip])
    with quiet():
        in_context = LTX2InContextPipeline(
            **{
                name: part
                for name, part in stock.components.items()
                if name not in ("audio_scheduler", "duration_head")
            }
        )
    in_context.set_progress_bar_config(disable=True)
    reference = LTX2ReferenceCondition([Image.fromarray(frame) for frame in clip], strength=0.9)
    expected_frames, expected_samples = called(
        in_context, recipe, reference_conditions=[reference], reference_downscale_factor=factor,
        conditions=[LTX2VideoCondition(Image.fromarray(LAST[0]), index=-1, strength=0.8)] if held else None,
    )  # fmt: skip
    assert np.array_equal(frames, expected_frames)
    assert np.array_equal(samples, expected_samples)


def test_nothing_is_followed_in_the_second_stage(parts, tmp_path) -> None:
    path = lora_file(tmp_path / "depth.safetensors", "transformer_blocks.1.attn1.to_q", 16, 16)
    laid = [{"path": str(path), "scale": 1.0, "sha256": ""}]
    recipe = recipe_for(parts, upscale=(128, 64), control=("depth-map=clip.mp4",), lora=(f"{path}:1.0",), loras=laid)
    recipe = dataclasses.replace(recipe, conditions=(Condition(0, 1.0, Media("", "", ""), "control:depth"),))
    clip = np.random.default_rng(4).integers(0, 256, (7, 40, 40, 3), dtype=np.uint8)
    states = list(FAMILY.denoise(recipe, FAMILY.equip(parts, recipe), [clip], SEED))
    assert [state.tensors["latents"].shape[1] for state in states] == [24 + 16] * 4 + [96] * 3
    *_, again = FAMILY.denoise(recipe, FAMILY.equip(parts, recipe), [clip], SEED, states[3])
    assert torch.equal(again.tensors["latents"], states[-1].tensors["latents"])
    bare = recipe_for(parts)
    bare_transformer = FAMILY.equip(parts, bare).transformer
    assert not bare_transformer.transformer_blocks[1].attn1.to_q._forward_hooks


def test_following_needs_loras_that_agree(parts, tmp_path) -> None:
    paths = [lora_file(tmp_path / f"{n}.safetensors", "transformer_blocks.1.attn1.to_q", 16, 16) for n in (1, 2)]
    save_file(load_file(paths[1]), paths[1], {"reference_downscale_factor": "2"})
    with pytest.raises(UserError, match="different sizes"):
        recipe_for(parts, control=("depth-map=clip.mp4",), lora=tuple(f"{path}:1.0" for path in paths))
    with pytest.raises(UserError, match="name that with --lora"):
        recipe_for(parts, control=("depth-map=clip.mp4",))


def saved_and_loaded(state: LoopState, path: Path) -> LoopState:
    save_file({name: tensor.contiguous() for name, tensor in state.tensors.items()}, path)
    return LoopState(state.step, load_file(path))


def test_going_on_in_either_stage_gives_the_same_bits(parts, tmp_path) -> None:
    recipe = recipe_for(parts, [(0, 1.0), (8, 0.7)], upscale=(128, 64), sigmas=(1.0, 0.5))
    given = [FIRST, LAST]
    straight = [
        saved_and_loaded(state, tmp_path / f"{state.step}") for state in FAMILY.denoise(recipe, parts, given, SEED)
    ]
    assert [state.step for state in straight] == [0, 1, 2, 3, 4, 5]
    samples = FAMILY.sound(recipe, parts, straight[-1])[0]
    for saved in straight:
        states = list(FAMILY.denoise(recipe, parts, given, SEED, saved))
        assert [state.step for state in states] == list(range(saved.step, 6))
        for name, tensor in straight[-1].tensors.items():
            assert torch.equal(states[-1].tensors[name], tensor), (saved.step, name)
        assert np.array_equal(FAMILY.sound(recipe, parts, states[-1])[0], samples)


def lora_file(path: Path, module: str, rows: int, columns: int) -> Path:
    draws = torch.Generator().manual_seed(6)
    weights = {"lora_A": torch.randn(4, columns, generator=draws), "lora_B": torch.randn(rows, 4, generator=draws)}
    save_file({f"diffusion_model.{module}.{name}.weight": weight for name, weight in weights.items()}, path)
    return path


def test_a_lora_is_laid_on_and_taken_off_again(parts, tmp_path) -> None:
    path = lora_file(tmp_path / "style.safetensors", "transformer_blocks.1.audio_to_video_attn.to_q", 8, 16)
    FAMILY.check_lora(path)
    bare = drawn(recipe_for(parts), parts)
    laid = recipe_for(parts, loras=[{"path": str(path), "scale": 1.0, "sha256": ""}])
    assert not np.array_equal(drawn(laid, FAMILY.equip(parts, laid))[0], bare[0])
    assert np.array_equal(drawn(recipe_for(parts), FAMILY.equip(parts, recipe_for(parts)))[0], bare[0])
    with pytest.raises(UserError, match="no layer"):
        FAMILY.check_lora(lora_file(tmp_path / "other.safetensors", "blocks.0.to_q", 8, 16))
    misfit = lora_file(tmp_path / "misfit.safetensors", "transformer_blocks.1.attn1.to_q", 8, 16)
    wide = recipe_for(parts, loras=[{"path": str(misfit), "scale": 1.0, "sha256": ""}])
    with pytest.raises(ModelError, match="does not fit"):
        FAMILY.equip(parts, wide)
    FAMILY.equip(parts, recipe_for(parts))


def test_the_second_stages_lora_is_laid_on_for_it_alone(parts, tmp_path) -> None:
    path = lora_file(tmp_path / "distilled.safetensors", "transformer_blocks.0.attn1.to_q", 16, 16)
    recipe = recipe_for(parts, upscale=(128, 64))
    with_lora = dataclasses.replace(recipe, companions=(Companion("refining-lora", str(path)),))
    plain = list(FAMILY.denoise(recipe, FAMILY.equip(parts, recipe), [], SEED))
    equipped = FAMILY.equip(parts, with_lora)
    for _ in range(2):
        laid = list(FAMILY.denoise(with_lora, equipped, [], SEED))
        same = [torch.equal(a.tensors["latents"], b.tensors["latents"]) for a, b in zip(plain, laid, strict=True)]
        assert same == [True] * 4 + [False] * 3
    FAMILY.equip(parts, recipe)


def test_a_folder_without_an_upsampler_is_not_drawn_larger(folder, parts, tmp_path) -> None:
    whole = identify(folder)
    assert whole is not None and "upscale" in whole.steering
    for name in ("model_index.json", "transformer/config.json", "praxino.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text((folder / name).read_text())
    bare = identify(tmp_path)
    assert bare is not None and "upscale" not in bare.steering
    without = dataclasses.replace(parts, upsampler=None)
    with pytest.raises(ModelError, match="no latent upsampler"):
        list(FAMILY.denoise(recipe_for(parts, upscale=(128, 64)), without, [], SEED))


def upsampler_file(path: Path, parts: Parts, **told) -> Path:
    """The miniature's upsampler as Lightricks publish theirs: the same names, and a config in the header."""
    config = {"in_channels": 8, "mid_channels": 32, "num_blocks_per_stage": 1, "rational_resampler": True, **told}
    tensors = {name: tensor.contiguous() for name, tensor in parts.upsampler.state_dict().items()}
    save_file(tensors, path, {"config": json.dumps(config)})
    return path


def test_an_upsampler_in_a_file_of_its_own_does_the_same(parts, tmp_path) -> None:
    recipe = recipe_for(parts, upscale=(128, 64))
    path = upsampler_file(tmp_path / "x2.safetensors", parts)
    with_file = dataclasses.replace(recipe, companions=(Companion("upsampler", str(path)),))
    bare = dataclasses.replace(parts, upsampler=None)
    equipped = FAMILY.equip(bare, with_file)
    assert FAMILY.equip(bare, with_file).upsampler is equipped.upsampler is not parts.upsampler
    for ours, theirs in zip(drawn(with_file, equipped), drawn(recipe, parts), strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("told", [{"spatial_scale": 1.5}, {"spatial_upsample": False, "temporal_upsample": True}])
def test_an_upsampler_of_another_kind_is_refused(parts, tmp_path, told) -> None:
    path = upsampler_file(tmp_path / "other.safetensors", parts, **told)
    recipe = dataclasses.replace(recipe_for(parts), companions=(Companion("upsampler", str(path)),))
    with pytest.raises(ModelError, match="does not double the sides"):
        FAMILY.equip(dataclasses.replace(parts, upsampler=None), recipe)
    (tmp_path / "none.safetensors").write_bytes(b"")
    none = dataclasses.replace(recipe, companions=(Companion("upsampler", str(tmp_path / "none.safetensors")),))
    with pytest.raises(ModelError, match="is no safetensors file of a latent upsampler"):
        FAMILY.equip(dataclasses.replace(parts, upsampler=None), none)


def test_plans_of_where_networks_lie_find_each_of_them(parts) -> None:
    found = {type(network.module).__name__: network.stage for network in networks(parts)}
    assert found == {
        "LTX2VideoTransformer3DModel": "denoise", "LTX2TextConnectors": "denoise", "AutoencoderKLLTX2Video": "vae",
        "AutoencoderKLLTX2Audio": "vae", "LTX2Vocoder": "denoise", "Gemma3ForConditionalGeneration": "encode",
        "LTX2LatentUpsamplerModel": "denoise",
    }  # fmt: skip


def test_previews_follow_both_stages(parts) -> None:
    recipe = recipe_for(parts, [(0, 1.0)], upscale=(128, 64))
    sizes = [FAMILY.preview(recipe, parts, state).shape for state in FAMILY.denoise(recipe, parts, [FIRST], SEED)]
    assert sizes == [(2, 4, 3)] * 4 + [(4, 8, 3)] * 3


def planned(name: str, upscale=(), **wish):
    return FAMILY.plan(Request(prompt="a cat", **wish), PUBLISHED[name], Shape(768, 512, 121, 24.0, upscale), "")


def test_defaults_are_the_authors() -> None:
    sampling = planned("ltx-2")
    (phase,) = sampling.guidance_phases
    assert (phase.scale, phase.stg_scale, phase.stg_blocks, phase.rescale) == (3, 1, (29,), 0.3)
    assert sampling.sigmas == schedules.sd3(40, 4096)
    settings = from_options(sampling.options)
    assert (settings.sound_guidance, settings.modality_scale, settings.cross_timestep) == (7, 3, False)
    later = planned("ltx-2.3")
    assert (later.steps, later.guidance_phases[0].stg_blocks) == (30, (28,))
    assert from_options(later.options).cross_timestep
    distilled = planned("ltx-2.3-distilled")
    assert distilled.sigmas == PUBLISHED["ltx-2.3-distilled"].sigmas and distilled.negative_prompt == ""
    recipe_stage = dataclasses.astuple(run.loop.Scales(1.0, 0.0, 1.0, 1.0))
    assert dataclasses.astuple(distilled.guidance_phases[0])[1:3] == recipe_stage[:2]


def test_the_full_checkpoints_second_stage_wants_the_distilled_lora() -> None:
    sampling = planned("ltx-2", upscale=(1536, 1024))
    assert sampling.sigmas[40:] == REFINING_SIGMAS
    assert [companion.role for companion in sampling.companions] == ["refining-lora", "upsampler"]
    (alone,) = planned("ltx-2.3-distilled", upscale=(1536, 1024)).companions
    assert alone == Companion("upsampler", "Lightricks/LTX-2.3/ltx-2.3-spatial-upscaler-x2-1.1.safetensors")
    assert from_options(sampling.options).keeps_first_sound
    assert not planned("ltx-2").companions


def test_a_pulled_folder_with_an_upsampler_of_its_own_needs_none_from_elsewhere(tmp_path) -> None:
    (tmp_path / "latent_upsampler").mkdir()
    (tmp_path / "latent_upsampler" / "config.json").write_text("{}")
    variant = PUBLISHED["ltx-2"]
    here = dataclasses.replace(variant, options={**variant.options, "home": str(tmp_path)})
    sampling = FAMILY.plan(Request(prompt="rain"), here, Shape(768, 512, 121, 24.0, (1536, 1024)), "text-to-video")
    assert [companion.role for companion in sampling.companions] == ["refining-lora"]


def test_guidance_is_off_for_the_sound_where_it_is_off() -> None:
    settings = from_options(planned("ltx-2", guidance=1.0, stg=0.0).options)
    assert (settings.sound_guidance, settings.sound_stg, settings.sound_modality_scale) == (1, 0, 3)
    assert from_options(planned("ltx-2", guidance=5.0).options).sound_guidance == 7


def test_what_of_a_prompt_is_not_read_is_told(parts) -> None:
    shape = Shape(WIDTH, HEIGHT, NUM_FRAMES, FPS)
    request = Request(prompt="a red cat running through the whole city", negative_prompt="")
    (note,) = FAMILY.plan(request, parts.variant, shape, "").notes
    assert note == "Gemma reads 32 tokens of the prompt; it does not read: 'hole city'"
    assert not FAMILY.plan(Request(prompt="a red cat", negative_prompt=""), parts.variant, shape, "").notes


@pytest.mark.parametrize(
    ("name", "wish", "complaint"),
    [
        ("ltx-2", {"scheduler": "ddim"}, "sampled with euler"),
        ("ltx-2", {"stg_mode": "attention-skip"}, "knows attention-values"),
        ("ltx-2", {"stg_blocks": (48,)}, "blocks are 0 to 47"),
        ("ltx-2", {"stg": 0.0, "stg_blocks": (3,)}, "--stg-blocks changes nothing"),
        ("ltx-2", {"guidance": 0.5}, "allowed is 1"),
        ("ltx-2", {"upscale": (1600, 1024)}, "more than 2 times 768x512"),
        ("ltx-2.3-distilled", {"steps": 20}, "8 noise levels"),
        ("ltx-2.3-distilled", {"negative_prompt": "rain"}, "--negative changes nothing"),
        ("ltx-2.3-distilled", {"stg": 1.0}, "--stg needs to know"),
    ],
)
def test_wishes_that_cannot_be_granted_are_refused(name, wish, complaint) -> None:
    with pytest.raises(UserError, match=complaint):
        planned(name, **wish)


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_an_extended_clip_keeps_its_frames_and_its_sound(folder, tmp_path, direction) -> None:
    asked = {"model": str(folder), "seed": 3, "sigmas": (1.0, 0.5), "guidance": 1.0, "stg": 0.0}
    path = generate("a dog", format="mp4", **asked).save(tmp_path / "dog.mp4")
    clip, own = media.read_clip(path)[0], media.read_sound(path)
    request = Request("a dog", video=str(path), extend=direction, join=True, seconds=1.0, format="mp4", **asked)
    (longer,) = draw(resolve(request).recipe, lambda _: None)
    new = len(longer.frames) - len(clip)
    assert new == round(clip_fps(path)) and own is not None and longer.sound is not None
    begins = 0 if direction == "forward" else new
    assert np.array_equal(longer.frames[begins : begins + len(clip)], clip)
    rate, fps = longer.sound.sample_rate, clip_fps(path)
    first, count = round(begins / fps * rate), round(len(clip) / fps * rate)
    kept = longer.sound.samples[0, first : first + count]
    theirs = np.interp(np.arange(count) / rate, np.arange(own.samples.shape[1]) / own.sample_rate, own.samples[0])
    assert np.corrcoef(kept, theirs)[0, 1] > 0.9
    assert np.delete(longer.sound.samples, range(first, first + count), axis=1).std() > 0


def clip_fps(path) -> float:
    return media.read_clip(path)[1]
