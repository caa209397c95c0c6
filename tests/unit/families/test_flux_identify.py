import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from praxino.errors import ModelError
from praxino.families import families
from praxino.families.flux.identify import identify
from praxino.families.flux.variants import KONTEXT_SIZES, PUBLISHED


def write(path: Path, data: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))


def folder(path: Path, pipeline="FluxPipeline", in_channels=64, out_channels=None, guided=True, card=None) -> Path:
    write(path / "model_index.json", {
        "_class_name": pipeline, "transformer": ["diffusers", "FluxTransformer2DModel"],
    })  # fmt: skip
    config = {"in_channels": in_channels, "out_channels": out_channels, "guidance_embeds": guided}
    write(path / "transformer" / "config.json", config)
    if card is not None:
        write(path / "praxino.json", {"family": "flux", **card})
    return path


def single_file(path: Path, in_channels=64, guided=True, prefix="") -> Path:
    shapes = {
        "img_in.weight": (48, in_channels), "txt_in.weight": (48, 40), "vector_in.in_layer.weight": (48, 24),
        "double_blocks.0.img_attn.qkv.weight": (144, 48), "single_blocks.0.linear1.weight": (336, 48),
        "final_layer.linear.weight": (64, 48), **({"guidance_in.in_layer.weight": (48, 256)} if guided else {}),
    }  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({prefix + name: np.zeros(shape, np.float16) for name, shape in shapes.items()}, path)
    return path


def name_of(path: Path) -> str:
    variant = identify(path)
    assert variant is not None
    return variant.name


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({}, "flux-dev"),
        ({"guided": False}, "flux-schnell"),
        ({"pipeline": "FluxFillPipeline", "in_channels": 384, "out_channels": 64}, "flux-fill"),
        ({"pipeline": "FluxControlPipeline", "in_channels": 128, "out_channels": 64}, "flux-control"),
        ({"pipeline": "FluxKontextPipeline"}, "flux-kontext"),
        ({"pipeline": "FluxImg2ImgPipeline"}, "flux-dev"),
    ],
)
def test_a_folder_is_told_by_its_channels_and_pipeline(tmp_path, config, name):
    assert name_of(folder(tmp_path / "model", **config)) == name


@pytest.mark.parametrize(
    ("path", "config", "name"),
    [
        ("flux-canny", {"in_channels": 128, "out_channels": 64}, "flux-canny"),
        ("FLUX.1-Depth-dev", {"in_channels": 128, "out_channels": 64}, "flux-depth"),
        ("black-forest-labs--FLUX.1-Krea-dev", {}, "flux-krea"),
        ("FLUX.1-Kontext-dev", {}, "flux-kontext"),
        ("my-flux-kontext-tune", {}, "flux-dev"),
        ("flux-krea", {"guided": False}, "flux-schnell"),
        ("flux-kontext", {"in_channels": 384, "out_channels": 64}, "flux-fill"),
        ("flux-dev", {"pipeline": "FluxKontextPipeline"}, "flux-kontext"),
    ],
)
def test_what_is_alike_is_told_by_exactly_a_published_name(tmp_path, path, config, name):
    assert name_of(folder(tmp_path / path, **config)) == name


def test_an_unknown_control_checkpoint_follows_either_kind_of_map(tmp_path):
    variant = identify(folder(tmp_path, in_channels=128, out_channels=64))
    assert variant is not None
    assert {"control:canny", "control:depth"} <= set(variant.steering)
    assert variant.source == ""


def test_redux_is_told_by_its_pipeline(tmp_path):
    write(tmp_path / "model_index.json", {"_class_name": "FluxPriorReduxPipeline"})
    assert name_of(tmp_path) == "flux-redux"


@pytest.mark.parametrize(
    ("file", "config", "name"),
    [
        ("flux1-dev.safetensors", {}, "flux-dev"),
        ("flux1-schnell.safetensors", {"guided": False}, "flux-schnell"),
        ("flux1-fill-dev.safetensors", {"in_channels": 384}, "flux-fill"),
        ("flux1-depth-dev.safetensors", {"in_channels": 128}, "flux-depth"),
        ("flux1-kontext-dev.safetensors", {}, "flux-kontext"),
        ("flux1-krea-dev.safetensors", {"prefix": "model.diffusion_model."}, "flux-krea"),
        ("somebodys.safetensors", {}, "flux-dev"),
        ("flux1-kontext-dev.safetensors", {"in_channels": 384}, "flux-fill"),
    ],
)
def test_a_single_file_is_told_by_its_header_then_by_its_name(tmp_path, file, config, name):
    path = single_file(tmp_path / "models" / file, **config)
    assert name_of(path) == name
    np.savez(tmp_path / "models" / "notes.npz", a=1)
    assert name_of(tmp_path / "models") == name


def test_two_transformers_in_one_folder_are_no_checkpoint(tmp_path):
    single_file(tmp_path / "a.safetensors")
    single_file(tmp_path / "b.safetensors")
    assert identify(tmp_path) is None
    assert name_of(tmp_path / "a.safetensors") == "flux-dev"


def test_a_card_wins_and_says_what_it_says(tmp_path):
    card = {"variant": "flux-kontext", "steps": 12, "buckets": [[64, 64], [96, 48]], "guidance": 3}
    variant = identify(folder(tmp_path, card=card))
    assert variant is not None
    assert (variant.name, variant.steps, variant.guidance_phases[0].scale) == ("flux-kontext", 12, 3)
    assert variant.grid.buckets == ((64, 64), (96, 48))
    assert variant.licence == PUBLISHED["flux-kontext"].licence


def test_a_card_with_a_name_of_its_own_has_no_published_licence(tmp_path):
    variant = identify(folder(tmp_path, card={"variant": "mine", "like": "flux-krea", "max_text_tokens": 64}))
    assert variant is not None
    assert (variant.name, variant.source, variant.gated) == ("mine", "", False)
    assert "unknown" in variant.licence
    assert (variant.max_text_tokens, variant.options["max_text_tokens"]) == (64, 64)


@pytest.mark.parametrize(
    ("card", "words"),
    [
        ({"variant": "flux-fill"}, "says flux-fill, but .* shaped as flux-dev's"),
        ({"variant": "flux-dev", "steps": "many"}, "steps"),
        ({"variant": "flux-dev", "colour": "red"}, "colour"),
    ],
)
def test_a_card_that_cannot_be_is_refused(tmp_path, card, words):
    with pytest.raises(ModelError, match=words):
        identify(folder(tmp_path, card=card))


def test_anothers_checkpoint_is_none_of_ours(tmp_path):
    write(tmp_path / "a" / "model_index.json", {"_class_name": "LTXPipeline", "transformer": ["diffusers", "LTX"]})
    save_file({"img_in.weight": np.zeros((2, 2), np.float16)}, tmp_path / "b.safetensors")
    (tmp_path / "c.safetensors").write_bytes(b"not weights")
    for path in (tmp_path / "a", tmp_path / "b.safetensors", tmp_path / "c.safetensors", tmp_path / "none"):
        assert identify(path) is None


def test_kontexts_sizes_are_about_a_megapixel_on_the_grid():
    assert len(set(KONTEXT_SIZES)) == 17
    for width, height in KONTEXT_SIZES:
        assert width % 16 == height % 16 == 0
        assert (height, width) in KONTEXT_SIZES
        assert abs(width * height / 1024**2 - 1) < 0.02


def test_no_two_variants_share_a_name_by_which_they_are_told():
    names = [variant.options["file"] for variant in PUBLISHED.values()] + [v.source for v in PUBLISHED.values()]
    assert len(set(names)) == len(names)
    assert families()["flux"].variants == PUBLISHED
