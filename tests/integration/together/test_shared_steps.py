"""Two processes draw what one draws: passes shared, tokens shared, both; and each is whole again afterwards."""

import pytest
import torch

SHORT = {"steps": 2}
UNGUIDED = {"guidance": 1.0, "stg": 0.0}
CASES = {
    "wan": ("wan", {**SHORT, "frames": 5}),
    "wan, three passes": ("wan", {**SHORT, "frames": 5, "stg": 1.0, "stg_blocks": [1]}),
    "wan, tokens": ("wan", {**SHORT, "frames": 5, "guidance": 1.0}),
    "ltx": ("ltx-video", {**SHORT, "frames": 9}),
    "ltx, three passes, twice": ("ltx-video", {**SHORT, "frames": 9, "n": 2, "stg": 1.0, "stg_blocks": [1]}),
    "ltx, tokens": ("ltx-video", {**SHORT, "frames": 9, "dtype": "bfloat16", **UNGUIDED}),
    "ltx, own networks": ("ltx-video", {**SHORT, "frames": 9, **UNGUIDED}),
    "flux, tokens": ("flux", SHORT),
    "flux": ("flux", {**SHORT, "true_guidance": 2.0}),
    "mochi": ("mochi", {**SHORT, "frames": 7}),
    "cogvideox": ("cogvideox", {**SHORT, "frames": 5}),
    "hotshot": ("hotshot-xl", SHORT),
    "hunyuan, tokens": ("hunyuan-video", {**SHORT, "frames": 5}),
    "hunyuan, tiles": ("hunyuan-video", {**SHORT, "frames": 5, "true_guidance": 2.0, "size": "272x64"}),
    "hunyuan": ("hunyuan-video", {**SHORT, "frames": 5, "true_guidance": 2.0}),
}
USUAL = {
    "wan",
    "wan, three passes",
    "wan, tokens",
    "ltx",
    "ltx, own networks",
    "flux",
    "hunyuan, tokens",
    "hunyuan, tiles",
}
"""One of each kind; the others take longer."""
BATCHED = {"ltx", "ltx, three passes, twice", "cogvideox", "hotshot"}
"""Alone, their two passes are one batch, whose sums are added up in another order."""
REFUSED = {"ltx, own networks"}


@pytest.fixture(scope="module")
def both(drawn):
    """What two processes tell of a case; those of a kind are drawn in one go."""
    known = {}

    def tell(name):
        table = {other: CASES[other] for other in CASES if (other in USUAL) == (name in USUAL)}
        if name not in known:
            known.update(zip(table, zip(*(one.values() for one in drawn(table)), strict=True), strict=True))
        return known[name]

    return tell


def marked(name):
    return pytest.param(name, marks=() if name in USUAL else pytest.mark.slow)


@pytest.mark.parametrize("name", [marked(name) for name in CASES if name not in REFUSED])
def test_two_draw_what_one_draws(both, name):
    first, second = both(name)
    assert second is True
    assert first["spread"] > 100, "a picture of one colour would prove nothing"
    assert first["most"] <= (1 if name in BATCHED or "tokens" in name else 0)
    assert first["as_before"], "the networks are whole again, and draw the same bits"
    assert first["steps"] == SHORT["steps"] * CASES[name][1].get("n", 1)


def test_two_tiles_of_a_clip_are_decoded_one_each(both):
    assert [both(name)[0]["tiles"] for name in ("hunyuan, tiles", "hunyuan, tokens")] == [1, 0]


def test_networks_of_ones_own_are_refused_by_rank_0_alone(both):
    first, second = both("ltx, own networks")
    assert first["error"] == "UserError" and "one device alone" in first["message"]
    assert second is False


def test_dealt_out_tokens_give_the_whole_answer(told, tmp_path):
    """Also where tokens, heads and texts are not shared evenly, are padded, or have a time of their own."""
    first, second = told("networks.py", [], [tmp_path] * 2)
    assert first == second and len(first) == 10
    assert max(first.values()) < 1e-6, first


def test_what_fails_in_another_process_is_told_by_rank_0(drawn):
    first, second = drawn({"wan": CASES["wan"]}, elsewhere=True)
    assert first["wan"]["error"] == "UserError"
    assert first["wan"]["message"].startswith("rank 1 of 2: ") and "wan" in first["wan"]["message"]
    assert second == {"wan": False}


@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_two_gpus_draw_what_one_draws(drawn):
    cases = {name: CASES[name] for name in ("wan", "wan, tokens", "flux", "hunyuan, tokens")}
    first, second = drawn(cases, device="cuda")
    assert second == dict.fromkeys(cases, True)
    assert all(one["most"] <= 8 and one["spread"] > 100 for one in first.values()), first


@pytest.mark.slow
def test_four_share_both_passes_and_tokens(drawn):
    cases = {name: CASES[name] for name in ("wan", "flux")}
    for one in drawn(cases, 4)[1:]:
        assert one == dict.fromkeys(cases, True)


@pytest.mark.slow
def test_more_than_the_heads_are_refused(drawn):
    first, *others = drawn({"flux": CASES["flux, tokens"]}, 3)
    assert "the 2 heads of its attention cannot be shared by 3 GPUs" in first["flux"]["message"]
    assert [one["flux"] for one in others] == [False, False]
