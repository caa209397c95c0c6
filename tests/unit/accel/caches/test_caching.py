"""What a recipe keeps of a cache."""

import json

import pytest
from diffusers.hooks.mag_cache import FLUX_MAG_RATIOS

from praxino.accel.caches import (
    KINDS,
    RATIOS,
    Caching,
    published_ratios,
    usual_bound,
    usual_longest,
    why_not,
)
from praxino.errors import UserError
from praxino.families import families


@pytest.mark.parametrize(
    ("caching", "text"),
    [
        (Caching("easy", 0.05, 4), "0.05/4"),
        (Caching("first-block", 0.08, 10), "first-block/0.08/10"),
        (Caching("taylor", 5, 3), "taylor/5/3"),
        (Caching("mag", 0.12, 4, 2, (1.0, 0.975, 1.125)), "mag/0.12/4/2/1,0.975,1.125"),
    ],
)
def test_it_is_kept_as_text_and_read_again(caching, text):
    assert str(caching) == text
    assert Caching.of(text) == caching


@pytest.mark.parametrize("text", ["warp/0.1/3", "0.05", "first-block/0.1", "mag/0.1/3/2/", "mag/0.1/3", "0.05/x"])
def test_what_is_not_known_is_refused(text):
    with pytest.raises(UserError, match="cannot read; upgrade"):
        Caching.of(text)


def test_families_have_their_authors_bounds_and_others_the_usual():
    assert (usual_bound("easy", "wan"), usual_bound("easy", "sdxl")) == (0.05, 0.025)
    assert (usual_bound("first-block", "flux"), usual_bound("mag", "sd3"), usual_longest("wan")) == (0.08, 0.06, 2)


def test_families_and_runs_that_a_cache_does_not_fit():
    assert all(why_not(kind, "ltx-2", in_blocks=False) for kind in KINDS)
    assert not any(why_not(kind, "wan", in_blocks=False) for kind in KINDS)
    assert [kind for kind in KINDS if why_not(kind, "wan", in_blocks=True)] == ["first-block", "mag"]
    assert [kind for kind in KINDS if why_not(kind, "sdxl", in_blocks=False)] == ["first-block", "mag"]


def test_published_figures_are_of_variants_that_there_are_and_near_one():
    told = json.loads(RATIOS.read_text(encoding="utf-8"))
    assert told.keys() <= {name for family in families().values() for name in family.variants}
    for name, ratios in told.items():
        assert published_ratios(name) == tuple(ratios)
        assert ratios[0] == 1
        assert all(0.7 < ratio < 1.3 for ratio in ratios)
    assert published_ratios("flux-dev") == pytest.approx(FLUX_MAG_RATIOS.tolist(), abs=1e-4)
    assert published_ratios("pocket") == ()
