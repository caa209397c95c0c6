"""What Qwen-Image decides and refuses before anything is loaded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from praxino.errors import UserError
from praxino.families import Sampling, Shape
from praxino.families.qwen_image import FAMILY
from praxino.families.qwen_image.variants import PUBLISHED
from praxino.request import Request

CLASSES = {
    "qwen-image": "QwenImagePipeline",
    "qwen-image-edit": "QwenImageEditPipeline",
    "qwen-image-edit-2509": "QwenImageEditPlusPipeline",
}


def plan(name: str, **wish: object) -> Sampling:
    variant = PUBLISHED[name]
    return FAMILY.plan(Request(**{"prompt": "a cat", **wish}), variant, Shape(1024, 1024, 1, 1.0), variant.tasks[0])  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(("name", "class_name"), CLASSES.items())
def test_a_checkpoint_is_known_by_its_pipeline(tmp_path: Path, name: str, class_name: str) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": class_name}))
    found = FAMILY.identify(tmp_path)
    assert found is not None
    assert found.options == {**PUBLISHED[name].options, "home": str(tmp_path)}
    assert found.name == name


def test_only_2511_has_the_shown_pictures_time_at_zero(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "QwenImageEditPlusPipeline"}))
    (tmp_path / "transformer").mkdir()
    (tmp_path / "transformer" / "config.json").write_text(json.dumps({"zero_cond_t": True}))
    found = FAMILY.identify(tmp_path)
    assert found is not None and found.name == "qwen-image-edit-2511"


def test_another_pipeline_is_not_its(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "QwenImageLayeredPipeline"}))
    assert FAMILY.identify(tmp_path) is None


def test_defaults_are_the_authors() -> None:
    assert {name: plan(name).steps for name in CLASSES} == dict(zip(CLASSES, (50, 50, 40), strict=True))
    assert all(plan(name).guidance_phases[0].scale == 4.0 for name in PUBLISHED)


def test_references_need_no_adapter_and_have_no_weights() -> None:
    assert plan("qwen-image-edit-2509", reference=("a.png", "b.png")).companions == ()
    with pytest.raises(UserError, match=r"a\.png:0\.5"):
        plan("qwen-image-edit-2509", reference=("a.png:0.5",))
    with pytest.raises(UserError, match="--ip-adapter"):
        plan("qwen-image-edit-2509", reference=("a.png",), ip_adapter="other.safetensors")


def test_a_negative_prompt_needs_guidance() -> None:
    assert plan("qwen-image", negative_prompt="blurry").negative_prompt == "blurry"
    with pytest.raises(UserError, match="--negative"):
        plan("qwen-image", negative_prompt="blurry", guidance=1.0)
