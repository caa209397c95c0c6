"""The ladder and the choice on it, in round numbers."""

import pytest

from praxino.accel.memory import Memory
from praxino.accel.plan import PIXELS, ROOM_BYTES, Need, Plan, choose, estimate, ladder
from praxino.errors import UserError

GB = 10**9
NEED = Need(
    encode=10 * GB, denoise=24 * GB, vae=1 * GB, denoise_float8=12 * GB, largest=1 * GB,
    denoising=2 * GB, decoding=6 * GB, decoding_tile=1 * GB,
)  # fmt: skip


def gpu(free, main=64 * GB):
    return Memory(free + ROOM_BYTES, 80 * GB, main, has_own=True)


def estimates(device="cuda", need=NEED, **more):
    return [estimate(plan, need) for plan in ladder(device, **more)]


def test_the_ladder_goes_from_the_fastest_to_the_smallest_and_changes_pixels_last():
    assert [plan.name for plan in ladder("cuda:1")] == ["resident", "offload", "group", "group+tiled", "group+float8"]
    assert [plan.name for plan in ladder("cpu")] == ["resident", "resident+tiled", "resident+float8"]
    assert [plan.name for plan in ladder("cpu", castable=False)] == ["resident", "resident+tiled"]
    assert [plan.name for plan in ladder("mps", "tiled", may_change=False)] == ["resident+tiled"]
    tiled = ladder("cuda", "tiled", may_change=False)
    assert [plan.name for plan in tiled] == ["resident+tiled", "offload+tiled", "group+tiled"]
    assert [plan.exact for plan in ladder("cuda")] == [True, True, True, False, False]


def test_recipes_of_another_praxino_are_refused():
    with pytest.raises(UserError, match="plan is 'int4'"):
        ladder("cpu", "int4")
    with pytest.raises(UserError, match="8 bits"):
        ladder("cpu", "float8", castable=False)


def test_expected_bytes():
    """Added up by hand: weights on the device at once, and the larger of denoising and decoding."""
    assert [one.device_bytes for one in estimates()] == [41 * GB, 27 * GB, 8 * GB, 4 * GB, 4 * GB]
    assert [one.main_bytes for one in estimates()] == [0, 34 * GB, 34 * GB, 34 * GB, 22 * GB]
    assert [one.device_bytes for one in estimates("cpu")] == [41 * GB, 37 * GB, 25 * GB]


@pytest.mark.parametrize(
    ("free", "plan"), [(41, "resident"), (40, "offload"), (27, "offload"), (26, "group"), (8, "group"), (7, "group")]
)
def test_the_fastest_that_fits_is_chosen(free, plan):
    """7 GB have room for the weights of `group`: whether its estimate holds is seen when it runs."""
    assert choose(estimates(), gpu(free * GB)).name == plan


def test_pixels_are_changed_only_where_the_weights_have_no_room():
    assert choose(estimates("cpu"), Memory(36 * GB, 40 * GB, 36 * GB, has_own=False)) == Plan("resident")
    assert choose(estimates("cpu"), Memory(34 * GB, 40 * GB, 34 * GB, has_own=False)) == Plan("resident", "float8")
    assert choose(estimates("cpu"), Memory(20 * GB, 40 * GB, 20 * GB, has_own=False)) == Plan("resident")
    assert choose(estimates(), gpu(20 * GB, main=30 * GB)) == Plan("group", "float8"), "what waits needs room too"


def test_what_is_not_known_stops_nobody():
    told = estimates(need=None)
    assert [one.device_bytes for one in told] == [None] * 5
    assert choose(told, gpu(20 * GB)) == Plan("resident")
    assert choose(estimates(), Memory(None, None, 64 * GB, has_own=True)) == Plan("resident")


def test_every_way_to_change_pixels_is_told():
    assert all(Plan("group", pixels).does for pixels in PIXELS)
