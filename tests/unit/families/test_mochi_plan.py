import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from praxino.errors import ModelError, UserError
from praxino.families import Shape
from praxino.families.mochi import FAMILY
from praxino.families.mochi.variants import PREVIEW
from praxino.request import Request
from praxino.sampling import schedules


def planned(**wish):
    return FAMILY.plan(Request(prompt="a cat", **wish), PREVIEW, Shape(848, 480, 163, 30.0), "text-to-video")


def refused(**wish):
    with pytest.raises(UserError) as refusal:
        planned(**wish)
    return str(refusal.value)


def test_steps_schedules_and_samplers():
    assert planned().sigmas == schedules.linear_quadratic(64)
    assert planned(steps=8, schedule="uniform").sigmas == schedules.uniform(8)
    assert planned(sigmas=(1.0, 0.5)).sigmas == (1.0, 0.5)
    assert planned(scheduler="dpm++-2m").scheduler == "dpm++-2m"
    assert "linear-quadratic or uniform" in refused(schedule="sd3")
    assert "euler" in refused(scheduler="ddim")


def test_guidance_flags_replace_their_own_column():
    (phase,) = planned(guidance=4.5, stg=1.0, stg_blocks=(34,), rescale=0.7).guidance_phases
    assert (phase.scale, phase.stg_scale, phase.stg_blocks, phase.rescale) == (4.5, 1.0, (34,), 0.7)
    assert planned(cfg_star=True).cfg_star and not planned().cfg_star
    assert planned(negative_prompt="blur").negative_prompt == "blur"
    assert planned(guidance=1).negative_prompt == ""


@pytest.mark.parametrize(
    ("wish", "complaint"),
    [
        ({"guidance": 0.5}, "1 (off) and above"),
        ({"stg": 1.0}, "which transformer blocks"),
        ({"stg": 1.0, "stg_blocks": (48,)}, "0 to 47"),
        ({"stg_blocks": (3,)}, "spatio-temporal guidance is off"),
        ({"rescale": 0.7, "guidance": 1}, "nothing guides"),
        ({"stg_mode": "transformer-block"}, "spatio-temporal guidance is off"),
        ({"stg": 1.0, "stg_blocks": (3,), "stg_mode": "attention-skip"}, "attention-values"),
        ({"guidance": 1, "negative_prompt": "blur"}, "changes nothing"),
        ({"guidance": 1, "cfg_star": True}, "guidance is off"),
    ],
)
def test_what_changes_nothing_or_cannot_be_is_refused(wish, complaint):
    assert complaint in refused(**wish)


def folder_of(path, **card):
    (path / "transformer").mkdir()
    (path / "model_index.json").write_text(json.dumps({"transformer": ["diffusers", "MochiTransformer3DModel"]}))
    (path / "transformer" / "config.json").write_text(json.dumps({"num_layers": 5}))
    if card:
        (path / "praxino.json").write_text(json.dumps({"family": "mochi", **card}))
    return path


def test_a_folder_is_the_published_one_unless_its_card_says_otherwise(tmp_path):
    variant = FAMILY.identify(folder_of(tmp_path))
    assert variant is not None and variant.name == "mochi-1-preview"
    assert variant.options["num_layers"] == 5
    (tmp_path / "praxino.json").write_text(json.dumps({"family": "mochi", "variant": "mine", "steps": 8}))
    own = FAMILY.identify(tmp_path)
    assert own is not None and (own.name, own.steps, own.source) == ("mine", 8, "")
    (tmp_path / "praxino.json").write_text(json.dumps({"family": "mochi", "variant": "mine", "stepps": 8}))
    with pytest.raises(ModelError, match="stepps"):
        FAMILY.identify(tmp_path)


def lora_file(path, *names, shape=(2, 2)):
    save_file({name: np.zeros(shape, np.float32) for name in names}, path)
    return path


def test_loras_are_told_from_other_files_by_their_header(tmp_path):
    pair = [f"transformer.transformer_blocks.0.attn1.to_q.lora_{side}.weight" for side in "AB"]
    genmo = [f"blocks.0.attn.qkv_x.lora_{side}" for side in "AB"]
    FAMILY.check_lora(lora_file(tmp_path / "good.safetensors", *pair))
    FAMILY.check_lora(lora_file(tmp_path / "genmo.safetensors", *genmo))
    for names, complaint in (
        (["transformer.transformer_blocks.0.attn1.to_q.weight"], "is no LoRA"),
        (["transformer.single_blocks.0.to_q.lora_A.weight"], "no layer"),
        (pair[1:], "no lora_A"),
    ):
        with pytest.raises(UserError, match=complaint):
            FAMILY.check_lora(lora_file(tmp_path / "bad.safetensors", *names))
    (tmp_path / "x.safetensors").write_text("no")
    with pytest.raises(UserError, match="not a readable"):
        FAMILY.check_lora(tmp_path / "x.safetensors")
