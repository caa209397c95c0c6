"""What FLUX.2 decides and refuses before anything is loaded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from praxino.errors import UserError
from praxino.families import Sampling, Shape
from praxino.families.flux2 import FAMILY
from praxino.families.flux2.variants import PUBLISHED
from praxino.request import Request


def plan(name: str, **wish: object) -> Sampling:
    variant = PUBLISHED[name]
    request = Request(**{"prompt": "a cat", **wish})  # pyright: ignore[reportArgumentType]
    return FAMILY.plan(request, variant, Shape(1024, 1024, 1, 1.0), variant.tasks[0])


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("flux2-klein-9b", {"_class_name": "Flux2KleinPipeline", "is_distilled": True}),
        ("flux2-klein-base", {"_class_name": "Flux2KleinPipeline", "is_distilled": False}),
        ("flux2-dev", {"_class_name": "Flux2Pipeline"}),
    ],
)
def test_a_checkpoint_is_known_by_its_pipeline(tmp_path: Path, name: str, index: dict[str, object]) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    found = FAMILY.identify(tmp_path)
    assert found is not None
    assert found.options == {**PUBLISHED[name].options, "home": str(tmp_path)}
    assert found.name == name


@pytest.mark.parametrize(("distilled", "name"), [(True, "flux2-klein"), (False, "flux2-klein-base-4b")])
def test_the_smaller_klein_is_known_by_its_reader(tmp_path: Path, distilled: bool, name: str) -> None:
    index = {"_class_name": "Flux2KleinPipeline", "is_distilled": distilled}
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    (tmp_path / "text_encoder").mkdir()
    (tmp_path / "text_encoder" / "config.json").write_text(json.dumps({"hidden_size": 2560}))
    found = FAMILY.identify(tmp_path)
    assert found is not None and found.name == name and found.licence == "Apache-2.0" and not found.gated


def test_what_is_not_free_says_so() -> None:
    for name in ("flux2-klein-base", "flux2-dev"):
        assert PUBLISHED[name].gated and "not for commercial use" in PUBLISHED[name].restrictions
    assert not PUBLISHED["flux2-klein"].gated


def test_a_negative_prompt_needs_a_second_pass() -> None:
    assert plan("flux2-klein-base", negative_prompt="blurry").negative_prompt == "blurry"
    with pytest.raises(UserError, match="distilled"):
        plan("flux2-dev", negative_prompt="blurry")


@pytest.mark.parametrize("name", PUBLISHED)
def test_references_need_no_adapter_and_have_no_weights(name: str) -> None:
    assert plan(name, reference=("a.png",)).companions == ()
    with pytest.raises(UserError, match="cannot weigh"):
        plan(name, reference=("a.png:0.5",))
