"""AnimateDiff's clips are, bit for bit, those of its diffusers pipelines put together and called by hand."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection

from praxino.errors import ModelError, UserError
from praxino.families import Shape
from praxino.families.animatediff import FAMILY
from praxino.families.animatediff.miniature import make_adapter
from praxino.families.animatediff.variants import DDIM, LCM, V2, V3, XL
from praxino.request import Request

from ..stock.test_original import small_pipeline, write_file
from ..stock.test_reference import write_adapter
from .conftest import SEED, Model, pil

SIDE, FRAMES, STEPS = 64, 4, 2
NOISE = {key: value for key, value in DDIM.items() if key != "_class_name"}


@pytest.fixture(scope="module")
def model(folders) -> Callable[..., Model]:
    @cache
    def loaded(adapter: str = "adapter-v3", like: str = "") -> Model:
        variant = V3 if adapter == "adapter-v3" else V2
        small = dataclasses.replace(
            {"": variant, "animatelcm": LCM}[like], width=SIDE, height=SIDE, num_frames=FRAMES, steps=STEPS
        )
        return Model(FAMILY, small, FAMILY.load(folders(adapter), small, "float32", "cpu"), folders(adapter))

    return loaded


def by_hand(folders: Any, kind: str = "AnimateDiffPipeline", adapter: str = "adapter-v3", **more: Any) -> Any:
    """The pipeline as its guide puts it together, and a way to call it."""
    pipeline = getattr(diffusers, kind).from_pretrained(
        folders(more.pop("base", "base")), motion_adapter=diffusers.MotionAdapter.from_pretrained(folders(adapter)),
        scheduler=more.pop("scheduler", None) or diffusers.DDIMScheduler(**NOISE), **more,
    )  # fmt: skip
    pipeline.set_progress_bar_config(disable=True)
    for network in pipeline.components.values():
        if isinstance(network, torch.nn.Module):
            network.requires_grad_(False)

    def call(**arguments: Any) -> np.ndarray:
        shared = {"prompt": "a red cat", "num_inference_steps": STEPS, "guidance_scale": 7.5}
        drawn = pipeline(**{**shared, **arguments}, generator=torch.Generator().manual_seed(SEED)).frames[0]
        return np.stack([np.array(frame) for frame in drawn])

    call.pipeline = pipeline  # pyright: ignore[reportFunctionMemberAccess]
    return call


def on(folders: Any, base: str = "base", **roles: Path) -> list[tuple[str, Path]]:
    return [("spatial-base", folders(base)), *((role.replace("__", ":"), path) for role, path in roles.items())]


WORDS: dict[str, Any] = {"num_frames": FRAMES, "width": SIDE, "height": SIDE}
PLAIN: dict[str, Any] = {"guidance": 7.5, "options": {}}


def draw(model: Model, task: str, given: Any = (), **wish: Any) -> np.ndarray:
    """Without the LoRA that v3 comes with, unless it is given."""
    companions = wish.pop("companions")
    recipe = model.recipe(task, given, companions=companions, **{"guidance": 7.5, **wish})
    return model.follow(recipe, given)[-1].tensors["frames"].numpy()


def test_an_adapter_over_a_base(folders, model) -> None:
    drawn = draw(model(), "text-to-video", companions=on(folders), negative_prompt="blurry")
    assert drawn.shape == (FRAMES, SIDE, SIDE, 3)
    assert np.array_equal(drawn, by_hand(folders)(**WORDS, negative_prompt="blurry"))


def test_another_base_and_back(folders, model) -> None:
    first = draw(model(), "text-to-video", companions=on(folders))
    other = draw(model(), "text-to-video", companions=on(folders, "base1"))
    assert np.array_equal(other, by_hand(folders, base="base1")(**WORDS))
    assert not np.array_equal(other, first)
    assert np.array_equal(draw(model(), "text-to-video", companions=on(folders)), first)


def test_a_whole_pipelines_folder(models, clip) -> None:
    whole = models("animatediff")
    assert "spatial-base" not in whole.variant.steering
    adapter = {"guidance_scale": 8.5, "prompt": "a red cat"}
    recipe = whole.recipe("text-to-video", companions=())
    wanted = whole.by_hand("AnimateDiffPipeline")(**WORDS, **adapter)
    assert np.array_equal(whole.follow(recipe)[-1].tensors["frames"].numpy(), wanted)
    given = [("frame", clip[:1], 1.0, 0)]
    call = whole.by_hand("AnimateDiffSparseControlNetPipeline")
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        wanted = call(conditioning_frames=pil(clip[:1], (SIDE, SIDE)), **WORDS, **adapter)
    recipe = whole.recipe("image-to-video", given, companions=())
    assert np.array_equal(whole.follow(recipe, given)[-1].tensors["frames"].numpy(), wanted)


def test_sdxl(models) -> None:
    whole = models("animatediff", "animatediff-xl")
    drawn = whole.draw("text-to-video", negative_prompt="blurry")
    call = whole.by_hand("AnimateDiffSDXLPipeline")
    wanted = call(prompt="a red cat", negative_prompt="blurry", **WORDS, guidance_scale=8.0)
    assert np.array_equal(drawn, wanted)


def test_an_adapter_over_sdxl(tmp_path) -> None:
    """diffusers leaves one of SDXL's layers as it was drawn at random (0.42.1, UNetMotionModel.from_unet2d)."""
    from praxino.families.sdxl import FAMILY as SDXL

    SDXL.miniature(tmp_path / "base")
    unet = diffusers.UNet2DConditionModel.from_pretrained(tmp_path / "base" / "unet")
    make_adapter(unet, middle=False).save_pretrained(tmp_path / "adapter")
    small = dataclasses.replace(XL, width=SIDE, height=SIDE, num_frames=FRAMES, steps=STEPS)
    model = Model(FAMILY, small, FAMILY.load(tmp_path / "adapter", small, "float32", "cpu"), tmp_path)
    drawn = draw(model, "text-to-video", companions=[("spatial-base", tmp_path / "base")])
    call = by_hand(
        tmp_path.joinpath, "AnimateDiffSDXLPipeline", "adapter",
        scheduler=diffusers.DDIMScheduler(**NOISE, timestep_spacing="linspace"),
    )  # fmt: skip
    call.pipeline.unet.add_embedding.load_state_dict(unet.add_embedding.state_dict())
    assert np.array_equal(drawn, call(**WORDS))


def test_a_base_in_a_single_file(tmp_path) -> None:
    pipeline = small_pipeline("sd1", tmp_path / "words")
    pipeline.save_pretrained(tmp_path / "base")
    file = write_file(pipeline, "sd1", tmp_path / "base.safetensors")
    make_adapter(pipeline.unet, middle=False).save_pretrained(tmp_path / "adapter")
    small = dataclasses.replace(V3, width=SIDE, height=SIDE, num_frames=2, steps=1)
    model = Model(FAMILY, small, FAMILY.load(tmp_path / "adapter", small, "float32", "cpu"), tmp_path)
    drawn = [draw(model, "text-to-video", companions=[("spatial-base", at)]) for at in (tmp_path / "base", file)]
    assert np.array_equal(drawn[0], drawn[1])
    sampling = FAMILY.plan(
        Request(prompt="a cat", spatial_base=str(file)), V3, Shape(512, 512, 16, 8.0), "text-to-video"
    )
    assert sampling.companions[0].path == str(file)


def test_a_long_prompt_is_read_whole(folders, model) -> None:
    short = draw(model(), "text-to-video", companions=on(folders), prompt="a " * 80)
    longer = draw(model(), "text-to-video", companions=on(folders), prompt="a " * 80 + "red cat")
    assert not np.array_equal(short, longer)


@pytest.mark.parametrize("strength", [0.7, 1.0])
def test_a_clip_that_is_changed(folders, model, clip, strength: float) -> None:
    given = [("video", clip[:7], strength, 0)]
    drawn = draw(model(), "video-to-video", given, companions=on(folders), strength=strength)
    call = by_hand(folders, "AnimateDiffVideoToVideoPipeline")
    assert np.array_equal(drawn, call(video=pil(clip[:7:2], (SIDE, SIDE)), strength=strength))


@pytest.mark.parametrize("task", ["text-to-video", "video-to-video"])
def test_a_controlnet_follows_a_clip(folders, model, clip, task: str) -> None:
    changed = task == "video-to-video"
    given = [*([("video", clip[:4], 0.7, 0)] if changed else []), ("control:depth", 255 - clip[:4], 0.5, 0)]
    wish = {"control": ("depth-map=x.mp4",), **({"strength": 0.7} if changed else {})}
    companions = on(folders, controlnet__depth=folders("controlnet"))
    drawn = draw(model(), task, given, companions=companions, **wish)
    network = diffusers.ControlNetModel.from_pretrained(folders("controlnet"))
    name = "AnimateDiffVideoToVideoControlNetPipeline" if changed else "AnimateDiffControlNetPipeline"
    more = {"video": pil(clip[:4], (SIDE, SIDE)), "strength": 0.7} if changed else WORDS
    call = by_hand(folders, name, controlnet=network)
    maps = pil(255 - clip[:4], (SIDE, SIDE))
    assert np.array_equal(drawn, call(conditioning_frames=maps, controlnet_conditioning_scale=0.5, **more))
    without = draw(
        model(), task, given[:-1], companions=on(folders), **{k: v for k, v in wish.items() if k != "control"}
    )
    assert not np.array_equal(drawn, without)


@pytest.mark.parametrize("places", [(0,), (0, 3), (0, 2)])
def test_frames_that_are_passed_through(folders, model, clip, places: tuple[int, ...]) -> None:
    given = [("frame", clip[place : place + 1], 0.8, place) for place in places]
    companions = on(folders, controlnet__frames=folders("sparse-rgb"))
    drawn = draw(model(), "image-to-video", given, companions=companions)
    network = diffusers.SparseControlNetModel.from_pretrained(folders("sparse-rgb"))
    call = by_hand(folders, "AnimateDiffSparseControlNetPipeline", controlnet=network)
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        wanted = call(
            conditioning_frames=pil(clip[list(places)], (SIDE, SIDE)), controlnet_frame_indices=list(places),
            controlnet_conditioning_scale=0.8, **WORDS,
        )  # fmt: skip
    assert np.array_equal(drawn, wanted)
    torch.randn(3)
    assert np.array_equal(draw(model(), "image-to-video", given, companions=companions), drawn)


@pytest.mark.parametrize(("count", "places"), [(1, [0]), (2, [0, 3]), (3, [0, 2, 3]), (9, [0, 1, 2, 3])])
def test_scribbles_are_spread_over_the_clip(folders, model, clip, count: int, places: list[int]) -> None:
    given = [("control:scribble", clip[:count], 1.0, 0)]
    companions = on(folders, controlnet__scribble=folders("sparse-scribble"))
    drawn = draw(model(), "text-to-video", given, companions=companions, control=("scribble-map=x.mp4",))
    network = diffusers.SparseControlNetModel.from_pretrained(folders("sparse-scribble"))
    call = by_hand(folders, "AnimateDiffSparseControlNetPipeline", controlnet=network)
    shown = clip[[0, 3, 5, 8]] if count == 9 else clip[:count]
    frames = pil(shown, (SIDE, SIDE))
    assert np.array_equal(drawn, call(conditioning_frames=frames, controlnet_frame_indices=places, **WORDS))


def motion_lora(path: Path, seed: int) -> Path:
    """As the published ones are: low-rank weights of temporal attention, named by their processors."""
    stem = "unet.down_blocks.0.motion_modules.0.transformer_blocks.0.attn1.processor"
    made = torch.Generator().manual_seed(seed)
    tensors = {}
    for layer in ("to_q_lora", "to_out_lora"):
        tensors[f"{stem}.{layer}.down.weight"] = torch.randn(4, 16, generator=made)
        tensors[f"{stem}.{layer}.up.weight"] = torch.randn(16, 4, generator=made)
    path.mkdir()
    save_file(tensors, path / "diffusion_pytorch_model.safetensors")
    return path


@pytest.mark.filterwarnings("ignore:Already found a `peft_config`")
def test_the_cameras_words_are_motion_loras(folders, model, tmp_path) -> None:
    v2 = model("adapter-v2")
    sampling = FAMILY.plan(
        Request(prompt="a cat", camera=("zoom-in", "pan-left")), V2, Shape(512, 512, 16, 8.0), "text-to-video"
    )
    assert sampling.options["motion_loras"] == {"zoom-in": 1.0, "pan-left": 1.0}
    assert [(c.role, c.path) for c in sampling.companions] == [
        ("spatial-base", "stable-diffusion-1.5"),
        ("motion-lora:zoom-in", "guoyww/animatediff-motion-lora-zoom-in"),
        ("motion-lora:pan-left", "guoyww/animatediff-motion-lora-pan-left"),
    ]
    files = {word: motion_lora(tmp_path / word, seed) for seed, word in enumerate(("zoom-in", "pan-left"))}
    plain = draw(v2, "text-to-video", companions=on(folders))
    companions = [*on(folders), *((f"motion-lora:{word}", path) for word, path in files.items())]
    drawn = draw(v2, "text-to-video", companions=companions, camera=("zoom-in", "pan-left"))
    call = by_hand(folders, adapter="adapter-v2")
    for word, path in files.items():
        call.pipeline.load_lora_weights(path, adapter_name=word)
    call.pipeline.set_adapters(list(files), [1.0, 1.0])
    assert np.abs(drawn.astype(int) - call(**WORDS)).max() <= 1
    assert np.abs(drawn.astype(int) - plain).max() > 8
    assert np.array_equal(draw(v2, "text-to-video", companions=on(folders)), plain)


def test_a_lora_over_the_base_is_strict(folders, model, tmp_path) -> None:
    stem = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
    made = torch.Generator().manual_seed(1)
    tensors = {f"{stem}.lora_A.weight": torch.randn(4, 32, generator=made)}
    tensors[f"{stem}.lora_B.weight"] = torch.randn(16, 4, generator=made)
    save_file(tensors, tmp_path / "look.safetensors")
    plain = draw(model(), "text-to-video", companions=on(folders))
    drawn = draw(model(), "text-to-video", companions=on(folders), loras=[(tmp_path / "look.safetensors", 0.5)])
    call = by_hand(folders)
    call.pipeline.load_lora_weights(tmp_path / "look.safetensors", adapter_name="look")
    call.pipeline.set_adapters(["look"], [0.5])
    assert np.abs(drawn.astype(int) - call(**WORDS)).max() <= 1
    assert np.abs(drawn.astype(int) - plain).max() > 8
    save_file({**tensors, "unet.nowhere.lora_A.weight": torch.ones(4, 4)}, tmp_path / "strange.safetensors")
    with pytest.raises(ModelError, match="nowhere"):
        draw(model(), "text-to-video", companions=on(folders), loras=[(tmp_path / "strange.safetensors", 1.0)])
    assert np.array_equal(draw(model(), "text-to-video", companions=on(folders)), plain)


def test_a_picture_whose_look_is_taken(folders, model, clip, tmp_path) -> None:
    unet = diffusers.UNet2DConditionModel.from_pretrained(folders("base") / "unet")
    file = write_adapter(
        SimpleNamespace(parts=SimpleNamespace(base=SimpleNamespace(unet=unet))), tmp_path / "ip.safetensors"
    )
    given = [("reference", clip[:1], 0.7, 0)]
    wish = {"reference": ("x.png",), "ip_adapter": str(file)}
    plain = draw(model(), "text-to-video", companions=on(folders))
    drawn = draw(model(), "text-to-video", given, companions=[*on(folders), ("ip-adapter", file)], **wish)
    encoder = CLIPVisionModelWithProjection.from_pretrained(tmp_path / "image_encoder").requires_grad_(False)
    call = by_hand(folders, image_encoder=encoder, feature_extractor=CLIPImageProcessor(size=32, crop_size=32))
    call.pipeline.load_ip_adapter(str(tmp_path), subfolder="", weight_name=file.name, image_encoder_folder=None)
    call.pipeline.set_ip_adapter_scale(0.7)
    call.pipeline.unet.requires_grad_(False)
    assert np.array_equal(drawn, call(**WORDS, ip_adapter_image=[Image.fromarray(clip[0])]))
    assert not np.array_equal(drawn, plain)
    assert np.array_equal(draw(model(), "text-to-video", companions=on(folders)), plain)


def test_a_new_word(folders, model, tmp_path) -> None:
    vector = torch.randn(1, 32, generator=torch.Generator().manual_seed(2))
    save_file({"<thing>": vector}, tmp_path / "thing.safetensors")
    wish = {"prompt": "a <thing>", "embedding": (f"{tmp_path}/thing.safetensors:<thing>",)}
    companions = [*on(folders), ("embedding:<thing>", tmp_path / "thing.safetensors")]
    drawn = draw(model(), "text-to-video", companions=companions, **wish)
    call = by_hand(folders)
    call.pipeline.load_textual_inversion(str(tmp_path), weight_name="thing.safetensors", token="<thing>")
    assert np.array_equal(drawn, call(**{**WORDS, "prompt": "a <thing>"}))


def in_original_names(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """As mm_sd_v15_v2 names its layers (guoyww/AnimateDiff, motion_module.py)."""
    named = {}
    for name, tensor in tensors.items():
        head, _, rest = name.partition(".motion_modules.")
        number, _, layer = rest.partition(".")
        for ours, theirs in (
            ("norm1", "norms.0"), ("norm2", "norms.1"), ("norm3", "ff_norm"), ("attn1", "attention_blocks.0"),
            ("attn2", "attention_blocks.1"),
        ):  # fmt: skip
            layer = layer.replace(ours, theirs)
        named[f"{head}.motion_modules.{number}.temporal_transformer.{layer}"] = tensor
    blocks = [name for name in list(named) if name.endswith("attention_blocks.0.to_q.weight")]
    for name in blocks:
        place = name.replace("to_q.weight", "pos_encoder.pe")
        named[place] = torch.zeros(1, 32, len(named[name]))
    return named


@pytest.mark.parametrize("original", [True, False])
def test_a_single_file_is_read_as_its_folder_is(folders, tmp_path, original: bool) -> None:
    unet = diffusers.UNet2DConditionModel.from_pretrained(folders("base") / "unet")
    adapter = diffusers.MotionAdapter(
        block_out_channels=unet.config.block_out_channels, motion_layers_per_block=1, motion_norm_num_groups=16,
    )  # fmt: skip
    adapter.save_pretrained(tmp_path / "adapter")
    tensors = load_file(tmp_path / "adapter" / "diffusion_pytorch_model.safetensors")
    stored = in_original_names({k: v for k, v in tensors.items() if not k.endswith(".pe")}) if original else tensors
    file = tmp_path / "mm.safetensors"
    save_file(stored, file)
    variant = FAMILY.identify(file)
    assert variant is not None and variant is FAMILY.identify(tmp_path / "adapter")
    read = FAMILY.load(file, variant, "float32", "cpu").kept["adapter"].state_dict()
    assert sorted(read) == sorted(adapter.state_dict())
    assert all(torch.equal(read[name], tensor) for name, tensor in adapter.state_dict().items())


def test_a_file_that_lacks_weights_is_a_model_error(folders, tmp_path) -> None:
    tensors = load_file(folders("adapter-v2") / "diffusion_pytorch_model.safetensors")
    gone = next(name for name in tensors if name.endswith("attn2.to_v.weight"))
    save_file({name: tensor for name, tensor in tensors.items() if name != gone}, tmp_path / "mm.safetensors")
    variant = FAMILY.identify(tmp_path / "mm.safetensors")
    assert variant is not None
    with pytest.raises(ModelError, match="does not fit"):
        FAMILY.load(tmp_path / "mm.safetensors", variant, "float32", "cpu")


def test_an_adapter_that_does_not_fit_its_base_is_a_model_error(folders, tmp_path) -> None:
    diffusers.MotionAdapter(
        block_out_channels=(8, 8, 8, 8),
        motion_layers_per_block=1,
        motion_norm_num_groups=8,
        motion_num_attention_heads=2,
    ).save_pretrained(tmp_path)
    small = dataclasses.replace(V3, width=SIDE, height=SIDE, num_frames=FRAMES, steps=STEPS)
    model = Model(FAMILY, small, FAMILY.load(tmp_path, small, "float32", "cpu"), tmp_path)
    with pytest.raises(ModelError, match="does not fit the UNet"):
        draw(model, "text-to-video", companions=on(folders))


def test_the_consistency_lora_is_laid_at_its_scale(folders, model, tmp_path) -> None:
    lcm = model("adapter-v2", "animatelcm")
    sampling = FAMILY.plan(Request(prompt="a cat"), LCM, Shape(512, 512, 16, 8.0), "text-to-video")
    assert (sampling.steps, sampling.guidance_phases[0].scale, sampling.scheduler) == (6, 2.0, "lcm")
    assert sampling.options["motion_loras"] == {"consistency": 0.8}
    path = motion_lora(tmp_path / "lora", 5)
    companions = [*on(folders), ("motion-lora:consistency", path)]
    drawn = draw(lcm, "text-to-video", companions=companions, guidance=2.0)
    config = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "linear", "steps_offset": 1}
    call = by_hand(folders, adapter="adapter-v2", scheduler=diffusers.LCMScheduler(**config))
    call.pipeline.load_lora_weights(path, adapter_name="lcm")
    call.pipeline.set_adapters(["lcm"], [0.8])
    assert np.abs(drawn.astype(int) - call(**WORDS, guidance_scale=2.0)).max() <= 1


@pytest.mark.parametrize(
    ("task", "role", "companion"),
    [
        ("text-to-video", "", ""),
        ("video-to-video", "video", ""),
        ("text-to-video", "control:depth", "controlnet"),
        ("image-to-video", "frame", "sparse-rgb"),
    ],
)
def test_going_on(folders, model, clip, task: str, role: str, companion: str) -> None:
    given = [(role, clip[: 1 if role == "frame" else 4], 0.7, 0)] if role else []
    name = "controlnet__frames" if role == "frame" else "controlnet__depth"
    companions = on(folders, **({name: folders(companion)} if companion else {}))
    model().check_going_on(task, given, companions=companions, scheduler="euler-ancestral")


@pytest.mark.parametrize(
    ("variant", "task", "wish", "said"),
    [
        (V3, "text-to-video", {"control": ("scribble-map=a.png", "canny=b.png")}, "follows no other"),
        (V3, "video-to-video", {"control": ("scribble-map=a.png",)}, "follows no other"),
        (V3, "image-to-video", {"first": "a.png", "control": ("canny=a.png",)}, "does not follow such maps"),
        (V3, "image-to-video", {"first": "a.png", "keyframes": ("b.png@3:0.5",)}, "leave out :N"),
        (V3, "image-to-video", {"first": "a.png", "keyframes": ("b.png@3",), "strength": 0.5}, "holds all frames"),
        (V2, "text-to-video", {"camera": ("static", "zoom-in")}, "moves nothing"),
        (V2, "text-to-video", {"stg": 1.0}, "means nothing"),
    ],
)
def test_what_cannot_be_is_refused(variant: Any, task: str, wish: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        FAMILY.plan(Request(prompt="a cat", **wish), variant, Shape(512, 512, 16, 8.0), task)


def test_a_base_of_another_kind_is_refused_by_its_config(folders, tmp_path) -> None:
    from praxino.families.sdxl import FAMILY as SDXL

    SDXL.miniature(tmp_path / "xl")
    shape = Shape(512, 512, 16, 8.0)
    for variant, base in (V2, tmp_path / "xl"), (XL, folders("base")), (V2, tmp_path):
        with pytest.raises(UserError, match="this motion adapter is for"):
            FAMILY.plan(Request(prompt="a cat", spatial_base=str(base)), variant, shape, "text-to-video")
    sampling = FAMILY.plan(Request(prompt="a cat", spatial_base=str(folders("base"))), V2, shape, "text-to-video")
    assert sampling.companions[0].path == str(folders("base"))


def test_adapters_are_told_apart(folders, tmp_path) -> None:
    assert FAMILY.identify(folders("adapter-v2")) is V2
    assert FAMILY.identify(folders("adapter-v3")) is V3
    shorter = make_adapter(diffusers.UNet2DConditionModel.from_pretrained(folders("base") / "unet"), middle=False)
    shorter.register_to_config(motion_max_seq_length=24)
    shorter.save_pretrained(tmp_path)
    found = FAMILY.identify(tmp_path)
    assert found is not None and found.options["positions"] == 24 and found.licence.startswith("unknown")
    assert (found.grid.max_frames, found.grid.of_task("image-to-video").max_frames) == (256, 24)
    assert FAMILY.identify(folders("base")) is None
    assert FAMILY.identify(folders("base") / "unet" / "diffusion_pytorch_model.safetensors") is None


LONG = 35
"""Frames beyond the adapter's 32 places, and not on the windows' stride."""


def in_windows(folders, kind: str = "AnimateDiffPipeline", **more: Any) -> Any:
    call = by_hand(folders, kind, **more)
    call.pipeline.enable_free_noise(context_length=16, context_stride=4)
    return call


def test_a_clip_beyond_the_adapters_places_is_drawn_by_free_noise_bit_for_bit(folders, model, clip) -> None:
    long, companions = {**WORDS, "num_frames": LONG}, on(folders)
    drawn = draw(model(), "text-to-video", companions=companions, num_frames=LONG, negative_prompt="blurry")
    assert drawn.shape == (LONG, SIDE, SIDE, 3)
    assert np.array_equal(drawn, in_windows(folders)(**long, negative_prompt="blurry"))
    short = draw(model(), "text-to-video", companions=companions, negative_prompt="blurry")
    assert np.array_equal(short, by_hand(folders)(**WORDS, negative_prompt="blurry"))
    frames = np.concatenate((clip, clip[: LONG - len(clip)]))
    changed = draw(
        model(), "video-to-video", [("video", frames, 0.6, 0)], companions=companions, num_frames=LONG, strength=0.6
    )
    call = in_windows(folders, "AnimateDiffVideoToVideoPipeline")
    assert np.array_equal(changed, call(video=pil(frames, (SIDE, SIDE)), strength=0.6, width=SIDE, height=SIDE))


def test_a_long_clip_keeps_its_loras_and_its_maps(folders, model, clip, tmp_path) -> None:
    path = motion_lora(tmp_path / "lora", 5)
    loras = [(path / "diffusion_pytorch_model.safetensors", 0.8)]
    frames = np.concatenate((clip, clip[: LONG - len(clip)]))
    companions = on(folders, controlnet__depth=folders("controlnet"))
    given = [("control:depth", frames, 0.7, 0)]
    wish = {"companions": companions, "num_frames": LONG, "control": ("depth-map=x.gif:0.7",), "loras": loras}
    drawn = draw(model(), "text-to-video", given, **wish)
    network = diffusers.ControlNetModel.from_pretrained(folders("controlnet"))
    call = in_windows(folders, "AnimateDiffControlNetPipeline", controlnet=network)
    call.pipeline.load_lora_weights(path, adapter_name="one")
    call.pipeline.set_adapters(["one"], [0.8])
    maps = pil(frames, (SIDE, SIDE))
    wanted = call(**{**WORDS, "num_frames": LONG}, conditioning_frames=maps, controlnet_conditioning_scale=0.7)
    assert np.abs(drawn.astype(int) - wanted).max() <= 1
    plain = draw(model(), "text-to-video", given, **{**wish, "loras": ()})
    assert not np.array_equal(plain, drawn)


def test_a_long_prompt_of_a_long_clip_is_read_whole(folders, model) -> None:
    words = ", ".join(f"a red cat number {index} on a wide green hill" for index in range(12))
    wish = {"companions": on(folders), "num_frames": LONG}
    first = draw(model(), "text-to-video", prompt=words + ", at night", **wish)
    assert not np.array_equal(first, draw(model(), "text-to-video", prompt=words + ", at noon", **wish))
    weighed = draw(model(), "text-to-video", prompt="(a red cat)1", **wish)
    plain = draw(model(), "text-to-video", prompt="a red cat", **wish)
    assert np.abs(weighed.astype(int) - plain).mean() < 1


def test_a_long_clip_goes_on_from_any_step(folders, model) -> None:
    model().check_going_on("text-to-video", companions=on(folders), num_frames=LONG, scheduler="euler-ancestral")


def test_where_windows_do_not_help_the_length_is_refused() -> None:
    shape = Shape(512, 512, 33, 8.0)
    for task, wish in ("image-to-video", {"first": "a.png"}), ("text-to-video", {"control": ("scribble-map=a.png",)}):
        with pytest.raises(UserError, match="33 frames: SparseCtrl draws at most 32 at once"):
            FAMILY.plan(Request(prompt="a cat", **wish), V3, shape, task)
    (note,) = FAMILY.plan(Request(prompt="a cat"), V3, shape, "text-to-video").notes
    assert note == "33 frames are drawn in windows of 16, 4 apart, over one shuffled noise (FreeNoise)"
    assert (V3.grid.max_frames, V3.grid.of_task("image-to-video").max_frames, XL.grid.max_frames) == (256, 32, 32)
