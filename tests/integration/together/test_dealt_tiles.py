"""Processes that decode one clip in tiles: the same bits, each of them a share of the work."""

import pytest

FRAMES_A_TILE = {"cogvideox": 2, "mochi": 2, "wan": 3, "qwen": 2}
"""Calls of the decoder that one tile takes, where it is not one."""
WHOLE = "ltx, noise"


@pytest.fixture(scope="module")
def two(told, tmp_path_factory):
    """What each of two processes tells."""
    return told("tiles.py", [], [tmp_path_factory.mktemp("tiles")] * 2)


def test_two_decode_half_of_the_tiles_each(two):
    for name in two[0]["told"]:
        ranks = [one["told"][name] for one in two]
        calls, whole = FRAMES_A_TILE.get(name, 1), ranks[0]["whole"]
        assert all(rank["same"] and rank["as_before"] for rank in ranks), (name, ranks)
        assert whole >= 4 * calls, "more than one row and one column"
        if name != WHOLE:
            assert sum(rank["dealt"] for rank in ranks) == whole, (name, ranks)
            assert max(rank["dealt"] for rank in ranks) <= whole * 5 / 9, (name, ranks)


def test_a_decoder_that_draws_noise_is_left_whole(two):
    assert all(one["told"][WHOLE]["dealt"] == one["told"][WHOLE]["whole"] for one in two)


def test_a_tile_that_fails_ends_all(two):
    first, second = two
    assert first["failed"] == "rank 1 of 2: no such tile"
    assert second["failed"] is True


@pytest.mark.slow
def test_more_processes_than_tiles_give_the_same_bits(told, tmp_path):
    for one in told("tiles.py", [], [tmp_path] * 5):
        assert len(one["told"]) == 9 and all(vae["same"] for vae in one["told"].values())
