"""Sprites of the colour font."""

import numpy as np
import pytest

from praxino.errors import UserError
from praxino.training import sprites


def test_every_taught_thing_has_a_picture_of_its_own(font):
    drawn = sprites.named_sprites()
    assert [sprite.name for sprite in drawn] == list(sprites.THINGS)
    assert len({sprite.pixels.tobytes() for sprite in drawn}) == len(sprites.THINGS)
    assert all(sprite.pixels.shape == (48, 48, 4) for sprite in drawn)


def test_pixels_are_premultiplied_and_fill_the_square(font):
    for sprite in sprites.named_sprites():
        colour, alpha = sprite.pixels[..., :3].astype(int), sprite.pixels[..., 3:].astype(int)
        assert (colour - alpha > 3).mean() < 0.02  # the resampling filter overshoots a little at edges
        rows, columns = np.nonzero(alpha[..., 0] > 20)
        assert max(np.ptp(rows), np.ptp(columns)) >= 45


def test_other_sprites_are_many_and_none_is_taught(font):
    others = sprites.other_sprites()
    assert len(others) > 500
    assert not {sprite.character for sprite in others} & set(sprites.THINGS.values())
    assert len({sprite.pixels.tobytes() for sprite in others}) == len(others)


def test_a_character_the_font_lacks_has_no_sprite(font):
    assert sprites.draw_sprite("private use", "\ue000") is None


def test_without_the_font_the_error_tells_what_to_install(monkeypatch):
    monkeypatch.setattr(sprites, "FONT_PATHS", ())
    with pytest.raises(UserError, match="install the package fonts-noto-color-emoji"):
        sprites.find_font()
