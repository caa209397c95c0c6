"""Which means of speed a run gets, and what the recipe keeps of them."""

import dataclasses

import pytest

from praxino.accel.calibrations import Calibration, choice
from praxino.accel.hardware import Hardware
from praxino.accel.paces import Pace, Tried, kind_of
from praxino.accel.plan import Plan
from praxino.accel.speed import (
    COLD_SECONDS,
    NAMES,
    QUANTISED,
    decided,
    phases_of,
    speed_plan,
    value_of,
)
from praxino.accel.ways import GRAPHS, WAYS
from praxino.errors import UserError
from praxino.families import families
from praxino.recipe import Companion, Encoding, GuidancePhase, Lora, Recipe

ABLE, OLD, GPU = Hardware("cpu", True, True), Hardware("cpu", False, True), Hardware("cuda", False, True)
WAN = families()["wan"].variants["wan2.1-t2v-1.3b"]
POCKET = families()["ltx-video"].variants["pocket"]
ENCODING = Encoding("gif", 0, "good", 90, "none", False, False)


def recipe(**fields):
    steps = fields.get("steps", 20)
    given = dict(
        family="wan", variant=WAN.name, model=WAN.name, revision="", task="text-to-video", prompt="a", caption="a",
        negative_prompt="", width=64, height=64, num_frames=5, fps=16.0, steps=steps, guidance=5.0,
        guidance_phases=(GuidancePhase(1.0, 5.0),), cfg_star=False, stg_mode="", seed=1, n=1, scheduler="unipc",
        schedule="uniform", sigmas=tuple(1 - i / steps for i in range(steps)), dtype="float32", conditions=(),
        loras=(), options={}, encoding=ENCODING,
    )  # fmt: skip
    return Recipe(**{**given, **fields})


def on(items):
    return [item.name for item in items if item.is_on]


def test_exact_has_what_keeps_the_bits_and_changes_nothing_of_the_recipe():
    items = speed_plan(ABLE, WAN, recipe())
    assert on(items) == ["answers"]
    assert decided(recipe(), items) == recipe()
    assert all(item.why and item.error for item in items)


def test_near_computes_in_bfloat16_where_the_processor_can():
    items = speed_plan(ABLE, WAN, recipe(quality="near"))
    assert on(items) == ["answers", "bfloat16"]
    found = decided(recipe(quality="near"), items)
    assert (found.dtype, found.speed) == ("bfloat16", ())
    asked = recipe(quality="near", dtype="bfloat16")
    assert decided(asked, speed_plan(ABLE, WAN, asked, own_dtype=True)).dtype == "bfloat16"


@pytest.mark.parametrize(
    ("hardware", "dtype", "own_dtype", "why"),
    [
        (OLD, "float32", False, "cpu has no instructions for it"),
        (ABLE, "float32", True, "--dtype float32 is asked for"),
        (GPU, "bfloat16", False, "drawn in bfloat16 in any case"),
    ],
)
def test_near_is_exact_where_nothing_is_faster(hardware, dtype, own_dtype, why):
    wish = recipe(quality="near", dtype=dtype)
    items = speed_plan(hardware, WAN, wish, own_dtype=own_dtype)
    assert any(why in item.why for item in items)
    assert decided(wish, items) == dataclasses.replace(wish, quality="exact")


def test_the_bundled_model_stays_in_float32_and_multiplies_in_bfloat16():
    wish = recipe(family="ltx-video", variant="pocket", quality="near", steps=8)
    items = speed_plan(ABLE, POCKET, wish)
    assert decided(wish, items) == dataclasses.replace(wish, speed=("products:bfloat16",))
    assert "faster in float32" in next(item.why for item in items if item.name == "bfloat16")


@pytest.mark.parametrize(
    ("hardware", "fields", "why"),
    [
        (OLD, {}, "no instructions for bfloat16"),
        (GPU, {}, "on a CPU alone"),
        (ABLE, {"dtype": "float16"}, "in float32 on a CPU"),
        (ABLE, {"loras": (Lora("a", 1.0, ""),)}, "LoRAs"),
    ],
)
def test_the_bundled_model_is_exact_in_near_where_its_products_are_not_faster(hardware, fields, why):
    wish = recipe(**{"family": "ltx-video", "variant": "pocket", "quality": "near", "steps": 8, **fields})
    items = speed_plan(hardware, POCKET, wish, own_dtype=True)
    assert why in next(item.why for item in items if item.name == "products")
    assert decided(wish, items) == dataclasses.replace(wish, quality="exact")


def test_fast_leaves_steps_and_passes_out():
    wish = recipe(quality="fast")
    found = decided(wish, speed_plan(OLD, WAN, wish))
    assert found.speed == ("reuse:0.05/4", "unguided:6")
    assert (value_of(found, "reuse"), value_of(found, "unguided")) == ("0.05/4", "6")
    assert Recipe.from_json(found.to_json()) == found
    assert "speed" not in recipe().to_json()
    assert found.identity() != wish.identity()


def test_few_steps_and_no_guidance_leave_nothing_out():
    wish = recipe(quality="fast", steps=8, guidance_phases=(GuidancePhase(1.0, 1.0),))
    items = speed_plan(OLD, WAN, wish)
    why = " ".join(item.why for item in items)
    assert "8 steps are too few" in why
    assert "one pass a step" in why
    assert decided(wish, items).quality == "exact"


def test_guidance_ends_before_the_last_steps():
    wish = dataclasses.replace(recipe(), speed=("unguided:6",))
    (first, last) = phases_of(wish)
    assert (first.scale, last.scale) == (5.0, 1.0)
    scales = [first.scale if sigma > last.start else last.scale for sigma in wish.sigmas]
    assert scales == [5.0] * 14 + [1.0] * 6
    assert phases_of(recipe()) == recipe().guidance_phases


def test_phases_that_begin_later_stay_where_they_are():
    own = (GuidancePhase(1.0, 4.0, 1.0, (2,)), GuidancePhase(0.2, 3.0, 0.5, (3,)))
    found = phases_of(recipe(guidance_phases=own, speed=("unguided:10",)))
    assert [(phase.scale, phase.stg_blocks) for phase in found] == [(4.0, (2,)), (1.0, (2,)), (1.0, (3,))]
    assert [phase.start for phase in found] == [1.0, pytest.approx(0.5), 0.2]


@pytest.mark.parametrize("fields", [{"upscale": (128, 128)}, {"options": {"apg": True}}, {"family": "sdxl"}])
def test_guidance_stays_where_a_loop_cannot_leave_it(fields):
    items = speed_plan(OLD, WAN, recipe(quality="fast", **fields))
    assert "unguided" not in on(items)


def test_answers_are_not_kept_of_encoders_that_are_changed_or_tiny():
    changed = recipe(loras=(Lora("a", 1.0, ""),))
    assert on(speed_plan(OLD, WAN, changed)) == []
    assert on(speed_plan(OLD, POCKET, recipe())) == []


def compiled_item(pace, hardware=GPU, variant=WAN, **fields):
    wish = recipe(**{"quality": "fast", "dtype": "bfloat16", **fields})
    kind = kind_of(wish, "bfloat16", hardware.device)
    found = speed_plan(hardware, variant, wish, paces={kind: pace})
    return next(item for item in found if item.name == "compile")


SLOW = Pace(plain=20.0)
"""Seconds a step: 20 steps save 80, as far as is known."""


@pytest.mark.parametrize(
    ("pace", "why"),
    [
        (Pace(), "not known yet"),
        (Pace(plain=10.0), "it takes 60 s and saves 40 s of 20 steps"),
        (SLOW, ""),
        (Pace(plain=10.0, compiled=5.0, first=99.0), ""),
        (Pace(plain=10.0, compiled=5.0, first=101.0), "it takes 101 s and saves 100 s of 20 steps"),
        (Pace(plain=1.0, compiled=0.8, first=3.0), ""),
        (Pace(plain=10.0, compiled=11.0), "a step took 11 s compiled and 10 s plain"),
        (Pace(plain=99.0, failed=True), "could not be compiled here"),
    ],
)
def test_blocks_are_compiled_where_it_pays(pace, why):
    assert COLD_SECONDS == 60.0
    item = compiled_item(pace)
    assert (item.is_on, why in item.why, item.degree) == (not why, True, "near")


def test_samples_are_counted_in_what_compiling_saves():
    assert compiled_item(Pace(plain=10.0), n=2).is_on


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"hardware": Hardware("cuda", False)}, "there is no compiler for cuda"),
        ({"variant": POCKET}, "too small"),
        ({"loras": (Lora("a", 1.0, ""),)}, "LoRAs and companions change the blocks"),
    ],
)
def test_blocks_stay_plain_where_they_cannot_be_compiled(fields, why):
    item = compiled_item(SLOW, **fields)
    assert (item.is_on, why in item.why) == (False, True)


def test_compiling_alone_makes_near_and_is_in_the_recipe():
    wish = recipe(quality="near", dtype="bfloat16")
    known = {kind_of(wish, "bfloat16", "cuda"): SLOW}
    found = decided(wish, speed_plan(GPU, WAN, wish, paces=known))
    assert (found.dtype, found.speed, value_of(found, "compile")) == ("bfloat16", ("compile:blocks",), "blocks")


def test_a_pace_is_of_the_format_that_is_drawn_in():
    wish = recipe(quality="near")
    for dtype, names in (("float32", ["answers", "bfloat16"]), ("bfloat16", ["answers", "bfloat16", "compile"])):
        assert on(speed_plan(ABLE, WAN, wish, paces={kind_of(wish, dtype, "cpu"): SLOW})) == names
    known = {kind_of(wish, "float32", "cpu"): SLOW}
    assert on(speed_plan(ABLE, WAN, wish, paces=known, without=["bfloat16"])) == ["answers", "compile"]


def test_a_pace_is_of_one_kind_of_run():
    runs = [{}, {"width": 96}, {"num_frames": 9}, {"quality": "fast"}, {"guidance_phases": (GuidancePhase(1.0, 1.0),)}]
    kinds = [kind_of(recipe(**run), "float32", "cpu") for run in runs]
    kinds += [kind_of(recipe(), "bfloat16", "cpu"), kind_of(recipe(), "float32", "cuda")]
    assert len(set(kinds)) == len(kinds)
    assert kind_of(recipe(prompt="b", seed=2, quality="near", steps=9), "float32", "cpu") == kinds[0]


def test_means_can_be_switched_off_one_by_one():
    wish = recipe(quality="fast")
    tried = tuple(Tried(f"{kind}:1", 1.0, 2.0) for kind in WAYS)
    slow = dataclasses.replace(SLOW, tried=tried, tried_all=True)
    known = {kind_of(wish, dtype, "cpu"): slow for dtype in ("float32", "bfloat16")}
    for name in NAMES:
        items = speed_plan(ABLE, WAN, wish, without=[name], paces=known)
        left_out = {name, QUANTISED, GRAPHS, "compile" if name != "products" else ""}
        assert on(items) == [other for other in NAMES if other not in left_out]
    with pytest.raises(UserError, match="PRAXINO_WITHOUT names 'compiling'; known are answers"):
        speed_plan(ABLE, WAN, wish, without=["compiling"])


@pytest.mark.parametrize(
    ("device", "given", "plan", "why"),
    [
        ("cuda", {}, "resident", ""),
        ("cpu", {}, "resident", "for GPUs"),
        ("cuda", {"loras": (Lora("a", 1.0, ""),)}, "resident", "LoRAs and companions"),
        ("cuda", {"guidance_phases": (GuidancePhase(1.0, 5.0, stg_scale=1.0),)}, "resident", "perturbed"),
        ("cuda", {"quality": "fast"}, "resident", "reuse is on"),
        ("cuda", {}, "offload", "the memory plan offload"),
    ],
)
def test_calls_are_recorded_where_nothing_changes_between_them(device, given, plan, why):
    wish = recipe(**given)
    pace = Pace(tried=(Tried("graphs:cuda", 1.0, 2.0),), tried_all=True)
    known = {kind_of(wish, dtype, device): pace for dtype in ("float32", "bfloat16")}
    hardware = Hardware(device, computes_bfloat16=False)
    items = {item.name: item for item in speed_plan(hardware, WAN, wish, paces=known, plan=lambda: Plan(plan))}
    assert items[GRAPHS].is_on is (why == "")
    assert why in items[GRAPHS].why
    assert ("graphs:cuda" in decided(wish, tuple(items.values())).speed) is (why == "")


def test_calls_of_compiled_blocks_are_not_recorded():
    wish = recipe(quality="near")
    pace = dataclasses.replace(SLOW, tried=(Tried("graphs:cuda", 1.0, 2.0),), tried_all=True)
    hardware = Hardware("cuda", computes_bfloat16=False, compiles=True)
    found = speed_plan(hardware, WAN, wish, paces={kind_of(wish, wish.dtype, "cuda"): pace})
    items = {item.name: item for item in found}
    assert items["compile"].is_on and not items[GRAPHS].is_on
    assert items[GRAPHS].why.startswith("compile is on")


MATH = Tried("attention:math", 1.0, 2.0, 1e-6)


@pytest.mark.parametrize(
    ("quality", "pace", "speed", "found"),
    [
        ("exact", Pace(tried=(MATH,), tried_all=True), ("attention:math",), "exact"),
        ("exact", Pace(tried=(dataclasses.replace(MATH, error=1e-3),), tried_all=True), (), "exact"),
        ("near", Pace(tried=(dataclasses.replace(MATH, error=1e-3),), tried_all=True), ("attention:math",), "near"),
        ("exact", Pace(tried=(MATH,)), (), "exact"),
        ("near", Pace(plain=20.0, tried=(MATH,)), ("attention:math", "compile:blocks"), "near"),
    ],
)
def test_ways_that_were_tried_are_used_once_all_were_or_blocks_are_compiled(quality, pace, speed, found):
    wish = recipe(quality=quality, dtype="bfloat16")
    decision = decided(wish, speed_plan(GPU, WAN, wish, paces={kind_of(wish, "bfloat16", "cuda"): pace}))
    assert (decision.speed, decision.quality) == (speed, found)


@pytest.mark.parametrize(
    ("fields", "why"), [({"variant": POCKET}, "too small"), ({"loras": (Lora("a", 1.0, ""),)}, "change the blocks")]
)
def test_ways_are_for_networks_with_enough_to_do_and_nothing_laid_over_them(fields, why):
    variant = fields.pop("variant", WAN)
    wish = recipe(**fields)
    known = {kind_of(wish, "float32", "cpu"): Pace(tried=(MATH,), tried_all=True)}
    items = {item.name: item for item in speed_plan(ABLE, variant, wish, paces=known)}
    assert not items["attention"].is_on and why in items["attention"].why


@pytest.mark.parametrize(
    ("compiled", "speed"), [(0.0, "products:int8"), (70.0, "products:int8"), (40.0, "compile:blocks")]
)
def test_of_products_and_compiled_blocks_a_run_has_what_saves_more(compiled, speed):
    wish = recipe(quality="near", dtype="bfloat16")
    tried = Tried("products:int8", 60.0, 100.0, 0.008)
    pace = Pace(plain=100.0, compiled=compiled, first=1.0, tried=(tried,), tried_all=True)
    items = speed_plan(ABLE, WAN, wish, own_dtype=True, paces={kind_of(wish, "bfloat16", "cpu"): pace})
    assert decided(wish, items).speed == (speed,)
    left_out = {item.why for item in items if item.name in ("products", "compile") and not item.is_on}
    assert any("save more" in why for why in left_out)


def test_a_recipe_of_a_newer_praxino_is_refused():
    with pytest.raises(UserError, match="'warp'"):
        value_of(recipe(speed=("warp:9",)), "reuse")


MEASURED = Calibration("mag", 0.12, 2, (1.0, 0.9, 1.1), 0.5, 0.931, 31.24, 2.5)
FIRST = dataclasses.replace(MEASURED, kind="first-block", bound=0.08)


def speed(wish, **chosen):
    items = speed_plan(OLD, WAN, wish, choice=choice(wish.family, "", chosen.get("asked", ""), chosen.get("known")))
    return decided(wish, items).speed, {item.name: item for item in items}


def test_what_was_measured_is_used_and_told():
    kept, items = speed(recipe(quality="fast"), known=MEASURED)
    assert kept == ("reuse:mag/0.12/4/2/1,0.9,1.1", "unguided:10")
    assert "calibrated: mag 0.12" in items["reuse"].why
    assert items["reuse"].error == items["unguided"].error == "SSIM 0.931, 31.2 dB, calibrated"
    kept, _ = speed(recipe(quality="fast"), known=FIRST)
    assert kept[0] == "reuse:first-block/0.08/4"


def test_where_nothing_is_like_enough_nothing_is_left_out():
    nothing = dataclasses.replace(MEASURED, kind="none", unguided=0.0)
    kept, items = speed(recipe(quality="fast"), known=nothing)
    assert kept == ()
    assert "no cache is faster here with SSIM 0.90 or more" in items["reuse"].why


def test_another_cache_stands_in_where_the_measured_one_does_not_fit_the_run():
    fed = recipe(quality="fast", companions=(Companion("controlnet", "a", ""),))
    assert speed(fed, known=FIRST)[0][0] == "reuse:0.05/4"
    kept, items = speed(fed, known=FIRST, asked="first-block")
    assert "reuse" not in {one.partition(":")[0] for one in kept}
    assert "does not fit blocks that companions feed" in items["reuse"].why


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ("easy", "reuse:0.05/4"),
        ("easy/0.1", "reuse:0.1/4"),
        ("first-block", "reuse:first-block/0.05/4"),
        ("taylor/3", "reuse:taylor/3/4"),
        ("mag", "reuse:mag/0.12/4/2/1,0.9,1.1"),
    ],
)
def test_another_cache_can_be_asked_for(asked, kept):
    assert speed(recipe(quality="fast"), known=MEASURED, asked=asked)[0][0] == kept


def planned(hardware, pace=SLOW, without=(), **fields):
    wish = recipe(**{"quality": "near", "dtype": "bfloat16", **fields})
    known = {kind_of(wish, wish.dtype, hardware.device): pace}
    items = speed_plan(hardware, WAN, wish, paces=known, without=without)
    return decided(wish, items).speed, next(item for item in items if item.name == "quantised")


def gpu(major, minor, has_torchao=True):
    return Hardware("cuda", False, True, (major, minor), has_torchao)


def test_a_gpu_multiplies_what_it_can_in_compiled_blocks():
    assert planned(gpu(9, 0))[0] == ("compile:blocks", "quantised:float8")
    assert planned(gpu(8, 9))[0] == ("compile:blocks", "quantised:float8")
    assert planned(gpu(8, 6))[0] == ("compile:blocks", "quantised:int8")


@pytest.mark.parametrize(
    ("hardware", "more", "why"),
    [
        (Hardware("cpu", True, True, (0, 0), True), {}, "for Nvidia's GPUs"),
        (gpu(9, 0, False), {}, "praxino[quantised]"),
        (gpu(7, 5), {}, "does not multiply 8-bit numbers"),
        (gpu(9, 0), {"pace": Pace()}, "without compiled blocks"),
        (gpu(9, 0), {"without": ["compile"]}, "without compiled blocks"),
        (gpu(9, 0), {"loras": (Lora("a", 1.0, ""),)}, "without compiled blocks"),
        (gpu(9, 0), {"dtype": "float16"}, "drawn in float16"),
        (gpu(9, 0), {"quality": "exact"}, "of quality near"),
        (gpu(9, 0), {"without": ["quantised"]}, "switched off"),
    ],
)
def test_layers_stay_as_they_are_where_it_does_not_pay(hardware, more, why):
    speed, item = planned(hardware, **more)
    assert not any(one.startswith("quantised") for one in speed)
    assert (item.is_on, why in item.why) == (False, True)
