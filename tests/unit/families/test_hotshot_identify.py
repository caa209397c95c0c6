"""Which Hotshot-XL lies where, told without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from praxino.errors import ModelError, UserError
from praxino.families.hotshot_xl import FAMILY
from praxino.families.hotshot_xl.layout import check_base, read_layout

ORIGINAL = {"_class_name": "UNet3DConditionModel", "addition_embed_type": "text_time"}
CONVERTED = {"_class_name": "UNetMotionModel", "addition_embed_type": "text_time", "motion_max_seq_length": 24}
PUBLISHED = {"block_out_channels": [320, 640, 1280], "sample_size": 64}
SMALL = {"block_out_channels": [32, 32, 32], "sample_size": 8}
TEMPORAL = "down_blocks.0.temporal_attentions.0.norm.weight"


def weights(path: Path, *names: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: np.zeros(1, np.float32) for name in names}, path)


def repository(folder: Path, config: dict[str, Any], *, index: bool = True) -> Path:
    weights(folder / "unet" / "diffusion_pytorch_model.safetensors", "conv_in.weight", TEMPORAL)
    (folder / "unet" / "config.json").write_text(json.dumps(config))
    (folder / "vae").mkdir()
    (folder / "vae" / "config.json").write_text(json.dumps({"block_out_channels": [8, 8, 8, 8]}))
    if index:
        (folder / "model_index.json").write_text("{}")
    return folder


@pytest.mark.parametrize("kind", [ORIGINAL, CONVERTED])
def test_both_layouts_are_the_published_checkpoint(tmp_path: Path, kind: dict[str, Any]) -> None:
    assert FAMILY.identify(repository(tmp_path, {**kind, **PUBLISHED})) is FAMILY.variants["hotshot-xl"]


def test_other_widths_are_drawn_at_their_own_size(tmp_path: Path) -> None:
    variant = FAMILY.identify(repository(tmp_path, {**ORIGINAL, **SMALL}))
    assert variant is not None
    assert (variant.name, variant.width, variant.height, variant.num_frames) == ("hotshot-xl-custom", 64, 64, 8)
    assert variant.grid.size_multiple == 32 and variant.grid.min_side == 32


def test_a_card_tells_more(tmp_path: Path) -> None:
    folder = repository(tmp_path, {**ORIGINAL, **SMALL})
    card = {"family": "hotshot-xl", "variant": "mine", "title": "Mine", "licence": "MIT", "num_frames": 4, "steps": 2}
    (folder / "praxino.json").write_text(json.dumps(card))
    variant = FAMILY.identify(folder)
    assert variant is not None
    assert (variant.name, variant.title, variant.num_frames, variant.steps) == ("mine", "Mine", 4, 2)
    (folder / "praxino.json").write_text(json.dumps({**card, "steps": "many"}))
    with pytest.raises(ModelError, match=r"praxino.json is not a readable model card.*steps"):
        FAMILY.identify(folder)


@pytest.mark.parametrize(
    "config",
    [
        {"_class_name": "UNet3DConditionModel", "cross_attention_dim": 1024},
        {**CONVERTED, "motion_max_seq_length": 32},
        {"_class_name": "UNet2DConditionModel", "addition_embed_type": "text_time"},
    ],
    ids=["ModelScope", "AnimateDiff", "SDXL"],
)
def test_others_are_not_hotshot(tmp_path: Path, config: dict[str, Any]) -> None:
    assert FAMILY.identify(repository(tmp_path, {**config, **PUBLISHED})) is None


def test_a_unet_alone_is_no_checkpoint_to_draw_with(tmp_path: Path) -> None:
    assert FAMILY.identify(repository(tmp_path, {**ORIGINAL, **PUBLISHED}, index=False)) is None


def test_temporal_layers_are_known_by_their_names(tmp_path: Path) -> None:
    file = tmp_path / "any-name.safetensors"
    weights(file, TEMPORAL)
    for path in (file, tmp_path):
        layout, variant = read_layout(path), FAMILY.identify(path)
        assert layout is not None and layout.temporal_file == file and layout.folder == tmp_path
        assert variant is not None and variant.needs == ("spatial-base",)
    weights(file, TEMPORAL, "conv_in.weight")
    assert FAMILY.identify(file) is None and FAMILY.identify(tmp_path) is None


def test_a_repository_whose_unet_has_no_weights_needs_a_base(tmp_path: Path) -> None:
    folder = repository(tmp_path, {**ORIGINAL, **PUBLISHED})
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    assert FAMILY.identify(folder) is None
    weights(folder / "hsxl_temporal_layers.f16.safetensors", TEMPORAL)
    variant = FAMILY.identify(folder)
    assert variant is not None and variant.needs == ("spatial-base",)


def test_bases_are_told_from_other_things(tmp_path: Path) -> None:
    sdxl = {"_class_name": "UNet2DConditionModel", "addition_embed_type": "text_time"}
    check_base(repository(tmp_path / "sdxl", sdxl))
    check_base(tmp_path / "sdxl" / "unet")
    names = ("model.diffusion_model.label_emb.0.0.weight", "model.diffusion_model.input_blocks.0.0.weight")
    weights(tmp_path / "one.safetensors", *names)
    check_base(tmp_path / "one.safetensors")
    weights(tmp_path / "sd15.safetensors", names[1])
    (tmp_path / "words.safetensors").write_text("no header")
    repository(tmp_path / "sd15", {"_class_name": "UNet2DConditionModel"})
    for name in ("sd15.safetensors", "words.safetensors", "sd15", "sdxl/vae"):
        with pytest.raises(UserError, match="no SDXL checkpoint"):
            check_base(tmp_path / name)
