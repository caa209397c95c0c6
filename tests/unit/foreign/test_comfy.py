import copy
import importlib.util
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from praxino.errors import UserError
from praxino.foreign.comfy import read_workflow
from praxino.request import Request

_spec = importlib.util.spec_from_file_location("workflows", Path(__file__).with_name("workflows.py"))
workflows = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(workflows)
node, default, flux, editor = workflows.node, workflows.default, workflows.flux, workflows.editor


def left(settings):
    return [one.what for one in settings.unmapped]


def test_the_first_workflow():
    settings = read_workflow(default())
    assert settings.fields == {
        **{"prompt": "a galaxy in a bottle", "negative_prompt": "text, watermark", "size": "512x768"},
        **{"seed": 156680208700286, "steps": 20, "guidance": 8.0, "scheduler": "euler"},
    }
    assert (settings.program, settings.checkpoint) == ("ComfyUI", "v1-5-pruned-emaonly-fp16.safetensors")
    assert (settings.unmapped, settings.missing) == ((), "")


def test_flux_with_loras():
    settings = read_workflow(flux())
    assert settings.fields == {
        **{"prompt": "a lighthouse", "guidance": 3.5, "seed": 219670278747233, "steps": 20, "scheduler": "euler"},
        **{"size": "1024x1024", "n": 2, "lora": ("style/ink.safetensors:0.8", "detail.safetensors")},
    }
    assert settings.checkpoint == "flux1-dev.safetensors"
    assert left(settings) == ["VAELoader (node 10)", "DualCLIPLoader (node 11)"]


def test_the_editors_form():
    settings = read_workflow(editor())
    assert settings.fields == {
        **{"prompt": "a fox", "negative_prompt": "blurry", "size": "1024x576", "seed": 42, "steps": 25},
        **{"guidance": 7.5, "scheduler": "dpm++-2m-karras"},
    }
    assert settings.checkpoint == "sd_xl_base_1.0.safetensors"
    assert settings.unmapped == ()


def test_the_body_of_an_api_call():
    assert read_workflow({"client_id": "x", "prompt": default()}) == read_workflow(default())


def changed(**fields):
    picture = {
        "10": node("LoadImage", image="photos/cat.png [input]"),
        "11": node("VAEEncode", pixels=["10", 0], vae=["4", 2]),
    }
    sampler = {**default()["3"]["inputs"], "latent_image": ["11", 0], "denoise": 0.6, **fields}
    return default(**picture, **{"3": node("KSampler", **sampler)})


def test_a_picture_that_is_changed():
    settings = read_workflow(changed())
    assert settings.fields["image"] == "photos/cat.png"
    assert settings.fields["strength"] == 0.6
    assert "size" not in settings.fields
    assert [(one.what, one.why) for one in settings.unmapped] == [
        ("EmptyLatentImage (node 5)", "it does not feed the picture that is saved")
    ]


@pytest.mark.parametrize("encoder", ["VAEEncodeForInpaint", "InpaintModelConditioning", "SetLatentNoiseMask"])
def test_a_part_is_drawn_anew(encoder):
    graph = changed(denoise=1.0)
    graph["12"] = node("LoadImageMask", image="mask.png", channel="red")
    if encoder == "VAEEncodeForInpaint":
        graph["11"] = node(encoder, pixels=["10", 0], vae=["4", 2], mask=["12", 0], grow_mask_by=6)
    elif encoder == "SetLatentNoiseMask":
        graph["13"] = node(encoder, samples=["11", 0], mask=["12", 0])
        graph["3"]["inputs"]["latent_image"] = ["13", 0]
    else:
        inputs = dict(positive=["6", 0], negative=["7", 0], vae=["4", 2], pixels=["10", 0], mask=["12", 0])
        graph["11"] = node(encoder, **inputs)
        graph["3"]["inputs"] |= {"positive": ["11", 0], "negative": ["11", 1], "latent_image": ["11", 2]}
    fields = read_workflow(graph).fields
    assert (fields["image"], fields["mask"], fields["strength"]) == ("photos/cat.png", "mask.png", 1.0)
    assert (fields["prompt"], fields["negative_prompt"]) == ("a galaxy in a bottle", "text, watermark")


def test_a_mask_in_the_transparency_is_asked_for():
    graph = changed()
    graph["11"] = node("VAEEncodeForInpaint", pixels=["10", 0], vae=["4", 2], mask=["10", 1], grow_mask_by=6)
    settings = read_workflow(graph)
    assert settings.missing == "mask"
    assert "mask" not in settings.fields


@pytest.mark.parametrize(
    ("loader", "preprocessor", "control"),
    [
        ({"control_net_name": "control_v11f1p_sd15_depth.pth"}, None, ("depth-map=pose.png:0.7",)),
        ({"control_net_name": "controlnet-openpose-sdxl-1.0.safetensors"}, None, ("pose-map=pose.png:0.7",)),
        ({"control_net_name": "anything.pth"}, "Canny", ("canny=pose.png:0.7",)),
        ({"control_net_name": "anything.pth"}, None, None),
        ({"control_net_name": "canny_or_depth.pth"}, None, None),
    ],
)
def test_a_control(loader, preprocessor, control):
    graph = default()
    graph["20"] = node("ControlNetLoader", **loader)
    graph["21"] = node("LoadImage", image="pose.png")
    graph["22"] = node("Canny", image=["21", 0], low_threshold=0.1, high_threshold=0.3) if preprocessor else None
    graph["23"] = node(
        "ControlNetApplyAdvanced",
        **dict(positive=["6", 0], negative=["7", 0], control_net=["20", 0], image=["22" if preprocessor else "21", 0]),
        **dict(strength=0.7, start_percent=0.0, end_percent=1.0),
    )
    graph = {id: value for id, value in graph.items() if value}
    graph["3"]["inputs"] |= {"positive": ["23", 0], "negative": ["23", 1]}
    settings = read_workflow(graph)
    assert settings.fields.get("control") == control
    assert (settings.fields["prompt"], settings.fields["negative_prompt"]) == (
        "a galaxy in a bottle",
        "text, watermark",
    )
    assert "ControlNetLoader (node 20)" in left(settings)
    assert ("ControlNetApplyAdvanced (node 23)" in left(settings)) == (control is None)


def test_kontext_changes_the_picture_that_it_refers_to():
    graph = flux()
    graph["40"] = node("LoadImage", image="cat.png")
    graph["41"] = node("VAEEncode", pixels=["40", 0], vae=["10", 0])
    graph["42"] = node("ReferenceLatent", conditioning=["6", 0], latent=["41", 0])
    graph["26"]["inputs"]["conditioning"] = ["42", 0]
    fields = read_workflow(graph).fields
    assert (fields["image"], fields["prompt"], fields["guidance"]) == ("cat.png", "a lighthouse", 3.5)
    assert "strength" not in fields


def test_a_picture_is_set_in_motion():
    graph = {
        "1": node("CheckpointLoaderSimple", ckpt_name="ltx-video-2b-v0.9.5.safetensors"),
        "2": node("CLIPTextEncode", text="waves", clip=["3", 0]),
        "3": node("CLIPLoader", clip_name="t5xxl_fp16.safetensors", type="ltxv"),
        "4": node("CLIPTextEncode", text="", clip=["3", 0]),
        "5": node("LoadImage", image="sea.png"),
        "6": node(
            "LTXVImgToVideo",
            **dict(positive=["2", 0], negative=["4", 0], vae=["1", 2], image=["5", 0]),
            **dict(width=768, height=512, length=97, batch_size=1, strength=0.9),
        ),
        "7": node("LTXVConditioning", positive=["6", 0], negative=["6", 1], frame_rate=25.0),
        "8": node("LTXVScheduler", steps=30, max_shift=2.05, base_shift=0.95, stretch=True, latent=["6", 2]),
        "9": node("KSamplerSelect", sampler_name="res_multistep"),
        "10": node(
            "SamplerCustom",
            **dict(add_noise=True, noise_seed=7, cfg=3.0, model=["1", 0], positive=["7", 0], negative=["7", 1]),
            **dict(sampler=["9", 0], sigmas=["8", 0], latent_image=["6", 2]),
        ),
        "11": node("VAEDecode", samples=["10", 0], vae=["1", 2]),
        "12": node("SaveAnimatedWEBP", filename_prefix="x", fps=24.0, lossless=False, quality=85, method="default",
                   images=["11", 0]),
    }  # fmt: skip
    settings = read_workflow(graph)
    assert settings.fields == {
        **{"prompt": "waves", "image": "sea.png", "strength": 0.9, "size": "768x512", "frames": 97, "fps": 25.0},
        **{"steps": 30, "guidance": 3.0, "seed": 7, "format": "webp", "lossy_quality": 85},
    }
    assert left(settings) == ["sampler res_multistep", "CLIPLoader (node 3)"]


def test_only_the_first_pass_is_taken():
    graph = default()
    again = {**graph["3"]["inputs"], "latent_image": ["20", 0], "denoise": 0.5, "steps": 10, "seed": 9}
    graph["20"] = node("LatentUpscale", samples=["3", 0], width=1024, height=1536, upscale_method="nearest-exact")
    graph["21"] = node("KSampler", **again)
    graph["8"]["inputs"]["samples"] = ["21", 0]
    settings = read_workflow(graph)
    assert (settings.fields["steps"], settings.fields["size"]) == (20, "512x768")
    assert left(settings) == ["LatentUpscale (node 20)", "KSampler (node 21)"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sampler_name": "dpm_fast"}, "sampler dpm_fast"),
        ({"scheduler": "beta"}, "scheduler beta"),
        ({"seed": 2**64 - 1}, "seed 18446744073709551615 of KSampler (node 3)"),
        ({"steps": 5000}, "steps 5000 of KSampler (node 3)"),
        ({"denoise": 0.5}, "denoise 0.5 of KSampler (node 3)"),
    ],
)
def test_what_a_request_cannot_hold_is_listed(changes, said):
    graph = default()
    graph["3"]["inputs"] |= changes
    assert said in left(read_workflow(graph))


def test_nodes_unknown_here_are_listed_with_those_that_lead_nowhere():
    graph = default(**{"50": node("FreeU_V2", model=["4", 0], b1=1.3), "51": node("ImageScale", image=["8", 0])})
    graph["3"]["inputs"]["model"] = ["50", 0]
    settings = read_workflow(graph)
    assert settings.checkpoint.startswith("v1-5")
    assert [(one.what, one.why) for one in settings.unmapped] == [
        ("FreeU_V2 (node 50)", "there is nothing like it here"),
        ("ImageScale (node 51)", "it does not feed the picture that is saved"),
    ]


def test_values_handed_on_by_other_nodes():
    graph = default(**{"60": node("PrimitiveInt", value=33), "61": node("PrimitiveStringMultiline", value="a fish")})
    graph["62"] = node("SomeRandomness", low=1, high=["60", 0])
    graph["3"]["inputs"] |= {"steps": ["60", 0], "cfg": ["62", 0]}
    graph["6"]["inputs"]["text"] = ["61", 0]
    settings = read_workflow(graph)
    assert (settings.fields["steps"], settings.fields["prompt"]) == (33, "a fish")
    assert "guidance" not in settings.fields
    assert "cfg of KSampler (node 3)" in left(settings)


def test_several_texts_and_a_zeroed_negative():
    graph = default()
    graph["6"] = node(
        "CLIPTextEncodeSDXL", text_g="a tower", text_l="oil paint", width=1024, height=1024, clip=["4", 1]
    )
    graph["7"] = node("ConditioningZeroOut", conditioning=["6", 0])
    settings = read_workflow(graph)
    assert settings.fields["prompt"] == "a tower"
    assert "negative_prompt" not in settings.fields
    assert left(settings) == ["second text of CLIPTextEncodeSDXL (node 6): oil paint"]


def test_the_advanced_sampler():
    graph = default()
    inputs = {name: value for name, value in graph["3"]["inputs"].items() if name not in ("seed", "denoise")}
    extra = dict(
        noise_seed=5, add_noise="enable", start_at_step=0, end_at_step=10000, return_with_leftover_noise="disable"
    )
    graph["3"] = node("KSamplerAdvanced", **inputs, **extra)
    assert read_workflow(graph).fields["seed"] == 5
    assert read_workflow(graph).unmapped == ()
    graph["3"]["inputs"]["start_at_step"] = 4
    assert "steps 4 to 10000 of KSamplerAdvanced (node 3)" in left(read_workflow(graph))


def bad(**changes):
    graph = default()
    graph["3"]["inputs"] |= changes
    return graph


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "no ComfyUI workflow"),
        ({}, "no ComfyUI workflow"),
        ({"3": 5}, "no ComfyUI workflow"),
        ({"3": {"class_type": "KSampler"}}, "no ComfyUI workflow"),
        ({"3": {"class_type": ["KSampler"], "inputs": {}}}, "no ComfyUI workflow"),
        (bad(model=["99", 0]), "takes its model from node 99, which is not there"),
        (bad(latent_image=["8", 0]), "feed each other in a circle"),
        (bad(model=["3", 0]), "feed each other in a circle"),
        (bad(steps="many"), "has steps 'many', which is no whole number"),
        (bad(steps=2.5), "which is no whole number"),
        (bad(cfg={"a": 1}), "which is no number"),
        (bad(cfg=True), "which is no number"),
        (bad(cfg=10**400), "which is no number"),
        (bad(sampler_name=3), "which is no text"),
        ({"1": node("SaveImage", images=["2", 0]), "2": node("LoadImage", image="x")}, "none of the samplers"),
        ({str(i): node("Reroute", x=[str(i + 1), 0]) for i in range(6000)}, "at most 5,000"),
        ({"nodes": [{"type": "KSampler"}], "links": []}, "without an id"),
        ({"nodes": [{"id": 1}, {"id": 1}], "links": []}, "without an id"),
        ({"nodes": [{"id": 1, "type": "KSampler"}], "links": [3]}, "a link that is not"),
        ({"nodes": [{"id": 1, "type": "KSampler"}], "links": [[1, 2, "x"]]}, "no number of an output"),
    ],
)
def test_workflows_that_make_no_sense(data, message):
    with pytest.raises(UserError, match=message) as problem:
        read_workflow(data)
    assert len(str(problem.value).splitlines()) <= 3


def test_bypassed_nodes_in_a_circle():
    data = editor()
    data["links"][9] = [10, 10, 0, 10, 0, "MODEL"]
    with pytest.raises(UserError, match="bypassed nodes feed each other"):
        read_workflow(data)


def test_a_long_chain_is_no_trouble():
    graph = default()
    for i in range(3000):
        graph[f"r{i}"] = node("ConditioningSetTimestepRange", conditioning=[f"r{i + 1}", 0], start=0.0, end=1.0)
    graph["r3000"] = node("CLIPTextEncode", text="far away", clip=["4", 1])
    graph["3"]["inputs"]["positive"] = ["r0", 0]
    assert read_workflow(graph).fields["prompt"] == "far away"


junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["3", "4", "KSampler"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@given(st.data(), st.sampled_from([default(), flux(), editor()]))
def test_anything_wrong_anywhere_is_one_user_error(data, workflow):
    """Some place of a real workflow holds something else."""
    damaged = copy.deepcopy(workflow)
    place = damaged
    for _ in range(data.draw(st.integers(0, 4))):
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or not place[key]:
            break
        place = place[key]
    keys = list(place) if isinstance(place, dict) else list(range(len(place)))
    place[data.draw(st.sampled_from(keys))] = data.draw(junk)
    try:
        settings = read_workflow(damaged)
    except UserError as problem:
        assert len(str(problem).splitlines()) <= 3
    else:
        Request(**settings.fields)


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40).filter(str.strip)


@given(
    texts, texts, st.integers(0, 2**53 - 1), st.integers(1, 1000), st.floats(1, 100), st.sampled_from(["euler", "ddim"])
)
def test_what_is_written_is_read(positive, negative, seed, steps, cfg, sampler):
    graph = bad(seed=seed, steps=steps, cfg=cfg, sampler_name=sampler)
    graph["6"]["inputs"]["text"], graph["7"]["inputs"]["text"] = positive, negative
    fields = read_workflow(json.loads(json.dumps(graph))).fields
    assert (fields["prompt"], fields["negative_prompt"]) == (positive.strip(), negative.strip())
    assert (fields["seed"], fields["steps"], fields["guidance"], fields["scheduler"]) == (seed, steps, cfg, sampler)
