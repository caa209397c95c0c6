"""What is shown in training, what is held out, and that a clip is a function of its place."""

import numpy as np
import pytest

from praxino.training import dataset
from praxino.training.dataset import Clip, ClipRow, Combination, LatentPool, all_combinations, encode_pool, split
from praxino.training.motions import GROUNDS, MOTIONS
from praxino.training.sprites import THINGS


def test_trained_and_held_out_are_all_combinations_and_share_none():
    trained, held_out = split()
    assert sorted([*trained, *held_out]) == sorted(all_combinations())
    assert len(held_out) == round(dataset.HELD_OUT_FRACTION * len(all_combinations()))


@pytest.mark.parametrize("fraction", [0.05, 0.09, 0.2])
@pytest.mark.parametrize("seed", [0, 20])
def test_every_pair_stays_in_training(fraction, seed):
    trained, _ = split(fraction, seed)
    assert {(c.thing, c.motion) for c in trained} == {(t, m) for t in THINGS for m in MOTIONS}
    assert {(c.thing, c.ground) for c in trained} == {(t, g) for t in THINGS for g in GROUNDS}
    assert {(c.motion, c.ground) for c in trained} == {(m, g) for m in MOTIONS for g in GROUNDS}


def test_the_split_is_decided_by_its_seed():
    assert split() == split()
    assert split(seed=21)[1] != split()[1]


def test_a_clip_is_decided_by_seed_and_place(font):
    row, again, other = (ClipRow(seed=s, other_share=0.3) for s in (4, 4, 5))
    order = [7, 0, 3]
    first = {index: row.clip(index) for index in order}
    for index in sorted(order):
        np.testing.assert_array_equal(first[index].frames, again.clip(index).frames)
        assert (first[index].thing, first[index].motion) == (again.clip(index).thing, again.clip(index).motion)
    assert any((first[i].frames != other.clip(i).frames).any() for i in order)


def test_a_lap_shows_each_trained_combination_once_and_none_held_out(font, monkeypatch):
    monkeypatch.setattr(ClipRow, "_render", lambda *args: np.zeros((1, 1, 1, 3), np.uint8))
    row, trained = ClipRow(seed=1, other_share=0.0), split()[0]
    for lap in range(2):
        clips = row.clips(range(lap * len(trained), (lap + 1) * len(trained)))
        assert sorted(Combination(c.thing, c.motion, c.ground) for c in clips) == sorted(trained)


def test_other_emoji_come_as_often_as_asked_and_without_names(font, monkeypatch):
    monkeypatch.setattr(ClipRow, "_render", lambda *args: np.zeros((1, 1, 1, 3), np.uint8))
    clips = ClipRow(seed=2, other_share=0.35).clips(range(2000))
    nameless = [c for c in clips if c.thing is None]
    assert abs(len(nameless) / 2000 - 0.35) < 0.04
    assert all(c.ground is None and c.motion in MOTIONS for c in nameless)


class TwoColours:
    """A row that needs no font: clip i is of one grey, and every third has no name."""

    def clip(self, index):
        frames = np.full((3, 4, 4, 3), index, np.uint8)
        frames[-1] += 100
        return Clip(frames, None, "spinning", None) if index % 3 == 2 else Clip(frames, "frog", "bouncing", "blue")

    def clips(self, places):
        return [self.clip(index) for index in places]


def first_pixels(frames):
    return frames[:, :, :1, 0, :1].reshape(len(frames), -1, 1).astype(np.float16)


def test_a_pool_holds_the_clips_in_order_with_last_frames_and_labels():
    pool = encode_pool(TwoColours(), 10, first_pixels, batch=4, processes=0)
    np.testing.assert_array_equal(pool.tokens[:, 0, 0], np.arange(10))
    np.testing.assert_array_equal(pool.last[:, 0, 0], np.arange(10) + 100)
    frog = [list(THINGS).index("frog"), list(MOTIONS).index("bouncing"), list(GROUNDS).index("blue")]
    assert pool.labels.tolist()[:3] == [frog, frog, [-1, list(MOTIONS).index("spinning"), -1]]


def test_a_pool_out_of_time_holds_whole_batches_and_one_at_least():
    pool = encode_pool(TwoColours(), 10, first_pixels, batch=4, processes=0, seconds=-1)
    assert len(pool.tokens) == len(pool.last) == len(pool.labels) == 4


def test_worker_processes_draw_the_same_clips_in_the_same_order(font):
    row = ClipRow(seed=6, other_share=0.5, num_frames=3, size_px=16)
    alone, together = (
        encode_pool(row, 14, lambda f: f.reshape(len(f), 1, -1).astype(np.float16), batch=2, processes=n)
        for n in (0, 2)
    )
    for name in ("tokens", "last", "labels"):
        np.testing.assert_array_equal(getattr(alone, name), getattr(together, name))


def test_a_saved_pool_comes_back_and_is_there_only_when_whole(tmp_path):
    rng = np.random.default_rng(0)
    pool = LatentPool(
        rng.normal(3, 2, (5, 4, 2)).astype(np.float16),
        rng.normal(3, 2, (5, 1, 2)).astype(np.float16),
        np.zeros((5, 3), np.int16),
    )
    pool.save(tmp_path)
    assert LatentPool.is_in(tmp_path)
    np.testing.assert_array_equal(LatentPool.load(tmp_path).tokens, pool.tokens)
    (tmp_path / "labels.npy").unlink()
    assert not LatentPool.is_in(tmp_path)


def test_normalised_latents_have_the_moments_asked_for():
    rng = np.random.default_rng(0)
    tokens = rng.normal([3, -1], [2, 0.5], (200, 10, 2)).astype(np.float16)
    pool = LatentPool(tokens, tokens[:, :1], np.zeros((200, 3), np.int16))
    mean, deviation = pool.moments()
    np.testing.assert_allclose(mean, [3, -1], atol=0.1)
    np.testing.assert_allclose(deviation, [2, 0.5], atol=0.1)
    mean, deviation = pool.normalised(mean, deviation).moments()
    np.testing.assert_allclose(mean, 0, atol=2e-3)
    np.testing.assert_allclose(deviation, 1, atol=2e-3)
