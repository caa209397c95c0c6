"""Pictures that the model has never seen."""

import numpy as np

from praxino.training.second_score import PICTURES
from praxino.training.unseen import picture


def test_each_is_another_fills_its_square_and_is_the_same_again():
    drawn = [picture(number) for number in range(PICTURES)]
    assert len({pixels.tobytes() for pixels in drawn}) == PICTURES
    assert np.array_equal(picture(7), drawn[7])
    for pixels in drawn:
        assert pixels.shape == (128, 128, 4)
        assert (pixels[..., :3] <= pixels[..., 3:]).all(), "premultiplied"
        alpha = pixels[..., 3] > 128
        assert alpha.any(0).sum() > 120 or alpha.any(1).sum() > 120
        assert 0.12 < alpha.mean() < 0.9
