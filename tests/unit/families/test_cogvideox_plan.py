import dataclasses
import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from praxino.errors import ModelError, UserError
from praxino.families import Shape
from praxino.families.cogvideox import FAMILY
from praxino.families.cogvideox.variants import PUBLISHED
from praxino.request import Request


def planned(name="cogvideox-5b", task="text-to-video", **wish):
    variant = PUBLISHED[name]
    shape = Shape(variant.width, variant.height, wish.pop("frames", variant.num_frames), variant.fps)
    return FAMILY.plan(Request(prompt="a cat", **wish), variant, shape, task)


def refused(**wish):
    with pytest.raises(UserError) as refusal:
        planned(**wish)
    return str(refusal.value)


def test_defaults():
    sampling = planned()
    assert (sampling.steps, sampling.scheduler, sampling.sigmas, sampling.schedule) == (
        50,
        "dpm++-sde",
        (),
        "scheduler",
    )
    assert sampling.options["dynamic_guidance"] and sampling.options["zero_negative"]
    assert planned("cogvideox-2b").options["shift_scale"] == 3.0
    fun = planned("cogvideox-fun-5b-pose", control=("pose-map=p.mp4",))
    assert fun.scheduler == "ddim" and not fun.options["dynamic_guidance"]
    assert planned(steps=28).options["schedule_steps"] == 28


def test_a_clip_that_is_changed_is_run_through_the_last_steps():
    sampling = planned(task="video-to-video", video="clip.mp4", strength=0.6)
    assert (sampling.steps, sampling.options["schedule_steps"]) == (30, 50)
    assert planned(task="video-to-video", video="clip.mp4").steps == 40
    assert "none would be run" in refused(task="video-to-video", video="clip.mp4", strength=0.001)


@pytest.mark.parametrize(
    ("wish", "complaint"),
    [
        ({"sigmas": (1.0, 0.5)}, "--sigmas"),
        ({"schedule": "uniform"}, "--schedule"),
        ({"scheduler": "euler"}, "dpm++-sde, ddim"),
        ({"steps": 1000}, "1000 noise levels"),
        ({"frames": 1}, "draws clips"),
        ({"stg": 1.0}, "which transformer blocks"),
        ({"stg": 1.0, "stg_blocks": (42,)}, "0 to 41"),
        ({"guidance": 1, "negative_prompt": "blur"}, "changes nothing"),
        (
            {"name": "cogvideox-5b-i2v", "task": "image-to-video", "image": "x.png", "strength": 0.5},
            "keeps the picture",
        ),
        ({"name": "cogvideox-fun-5b-pose", "control": ("pose=p.mp4",)}, "a ready clip"),
        ({"name": "cogvideox-fun-5b-pose", "control": ("pose-map=p.mp4:0.5",)}, "wholly"),
        ({"name": "cogvideox-fun-5b-pose"}, "follows one clip"),
    ],
)
def test_what_changes_nothing_or_cannot_be_is_refused(wish, complaint):
    assert complaint in refused(**wish)


CONFIGS = {
    "cogvideox-2b": {"in_channels": 16},
    "cogvideox-5b": {"use_rotary_positional_embeddings": True},
    "cogvideox-5b-i2v": {
        "in_channels": 32, "use_rotary_positional_embeddings": True, "use_learned_positional_embeddings": True,
    },
    "cogvideox-1.5-5b": {"patch_size_t": 2, "use_rotary_positional_embeddings": True},
    "cogvideox-1.5-5b-i2v": {"patch_size_t": 2, "in_channels": 32, "use_rotary_positional_embeddings": True},
    "cogvideox-fun-2b-pose": {"in_channels": 32},
    "cogvideox-fun-5b-pose": {"in_channels": 32, "use_rotary_positional_embeddings": True},
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_folder_is_told_by_what_its_transformer_takes(name, tmp_path):
    (tmp_path / "transformer").mkdir()
    index = {"transformer": ["diffusers", "CogVideoXTransformer3DModel"]}
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    (tmp_path / "transformer" / "config.json").write_text(json.dumps({"num_layers": 7, **CONFIGS[name]}))
    variant = FAMILY.identify(tmp_path)
    assert variant is not None and variant.name == name and variant.options["num_layers"] == 7
    assert variant.grid == PUBLISHED[name].grid


def test_a_card_that_names_another_checkpoint_is_refused(tmp_path):
    (tmp_path / "transformer").mkdir()
    (tmp_path / "model_index.json").write_text(
        json.dumps({"transformer": ["diffusers", "CogVideoXTransformer3DModel"]})
    )
    (tmp_path / "transformer" / "config.json").write_text(json.dumps(CONFIGS["cogvideox-5b"]))
    (tmp_path / "praxino.json").write_text(json.dumps({"family": "cogvideox", "variant": "cogvideox-2b"}))
    with pytest.raises(ModelError, match="mend the card"):
        FAMILY.identify(tmp_path)
    (tmp_path / "praxino.json").write_text(json.dumps({"family": "cogvideox", "variant": "mine", "steps": 7}))
    variant = FAMILY.identify(tmp_path)
    assert variant is not None and (variant.name, variant.steps) == ("mine", 7)


def test_inpainting_checkpoints_are_not_taken_for_others(tmp_path):
    (tmp_path / "transformer").mkdir()
    (tmp_path / "model_index.json").write_text(
        json.dumps({"transformer": ["diffusers", "CogVideoXTransformer3DModel"]})
    )
    (tmp_path / "transformer" / "config.json").write_text(json.dumps({"in_channels": 33}))
    assert FAMILY.identify(tmp_path) is None


def test_every_variant_has_its_settings_in_its_options():
    for variant in PUBLISHED.values():
        assert dataclasses.replace(variant, options={}).name == variant.name
        assert variant.options["max_text_tokens"] == variant.max_text_tokens


def test_loras_are_told_from_other_files_by_their_header(tmp_path):
    def file(name, *layers):
        weights = {f"{layer}.lora_{side}.weight": np.zeros((2, 2), np.float32) for layer in layers for side in "AB"}
        save_file(weights, tmp_path / name)
        return tmp_path / name

    FAMILY.check_lora(file("own.safetensors", "transformer.transformer_blocks.0.attn1.to_k"))
    FAMILY.check_lora(file("sat.safetensors", "model.diffusion_model.transformer.layers.0.attention.query_key_value"))
    with pytest.raises(UserError, match="no layer"):
        FAMILY.check_lora(file("other.safetensors", "transformer.double_blocks.0.to_k"))
