"""LoRAs whose names fit a checkpoint and whose layers do not."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from praxino.errors import UserError
from praxino.weights import widths


def written(path, **shapes):
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name.replace("__", "."): np.zeros(shape, np.float16) for name, shape in shapes.items()}, path)
    return path


@pytest.fixture
def checkpoint(tmp_path):
    written(tmp_path / "model/unet/a.safetensors", attn2__to_k__weight=(32, 768), proj__weight=(32, 32, 1, 1))
    written(tmp_path / "model/vae/a.safetensors", conv_in__weight=(8, 4, 3, 3))
    return tmp_path / "model"


@pytest.mark.parametrize("down", ["lora_A", "lora_down", "lora_A__default"])
def test_one_for_another_size_is_told_by_its_first_layer(checkpoint, tmp_path, down):
    given = {f"unet__attn2__to_k__{down}__weight": (4, 1024), f"unet__proj__{down}__weight": (4, 32)}
    lora = written(tmp_path / "lora.safetensors", **given)
    with pytest.raises(UserError, match=r"'unet.attn2.to_k' takes 1024 channels") as told:
        widths.check(lora, [checkpoint], "sd")
    assert "1 of its 2 layers" in str(told.value)


def test_what_fits_passes_and_what_lies_beside_counts(checkpoint, tmp_path):
    beside = written(tmp_path / "base.safetensors", other__weight=(8, 1024))
    for width in (768, 32, 36):
        lora = written(tmp_path / "lora.safetensors", unet__attn2__to_k__lora_A__weight=(4, width))
        widths.check(lora, [checkpoint], "sd")
    lora = written(tmp_path / "lora.safetensors", unet__attn2__to_k__lora_A__weight=(4, 1024))
    widths.check(lora, [checkpoint, beside], "sd")


@pytest.mark.parametrize(
    "name", ["text_encoder__q__lora_A__weight", "lora_te1_q__lora_down__weight", "x_embedder__lora_A"]
)
def test_encoders_and_what_takes_pixels_in_may_be_of_any_width(checkpoint, tmp_path, name):
    widths.check(written(tmp_path / "lora.safetensors", **{name: (4, 5)}), [checkpoint], "sd")


def test_nothing_is_said_of_what_cannot_be_read(checkpoint, tmp_path):
    lora = written(tmp_path / "lora.safetensors", unet__q__lora_A__weight=(4, 5))
    widths.check(lora, [tmp_path / "nowhere.safetensors"], "sd")
    widths.check(tmp_path / "nowhere.safetensors", [checkpoint], "sd")
