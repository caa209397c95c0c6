"""The sizes that Tencent's image-to-video draws, and which of them a picture is drawn in. No torch.

Source: Tencent-Hunyuan/HunyuanVideo-I2V at 1481c1d, hyvideo/utils/data_utils.py (generate_crop_size_list,
get_closest_ratio) and hyvideo/inference.py (predict). Sizes are (width, height) here, there (height, width).
"""

from __future__ import annotations

from dataclasses import dataclass

from praxino.families import Grid

Sizes = tuple[tuple[int, int], ...]

STRIDE = 32
MAX_ASPECT = 4.0
BASE_SIDES = {"360p": 480, "540p": 720, "720p": 960}
"""The side of the square of each resolution."""


def buckets(base_side: int, stride: int = STRIDE) -> Sizes:
    """All sizes of about the area of that square, in such steps, up to 4:1, from upright to lying."""
    num_patches = round((base_side / stride) ** 2)
    found = []
    tall, wide = num_patches, 1
    while tall > 0:
        if max(tall, wide) / min(tall, wide) <= MAX_ASPECT:
            found.append((wide * stride, tall * stride))
        if (wide + 1) * tall <= num_patches:
            wide += 1
        else:
            tall -= 1
    return tuple(found)


@dataclass(frozen=True)
class PictureGrid(Grid):
    """A grid whose buckets are chosen as Tencent chooses them."""

    same_aspect: bool = False
    """Whether a lying picture may be drawn in a bucket of just its aspect, as HunyuanVideo 1.5 has it."""

    def bucket(self, width: int, height: int, named: str = "") -> tuple[int, int]:
        """The bucket of the nearest aspect among those that are less elongated than the picture."""
        aspect = height / width
        ratios = [(round(tall / wide, 5), (wide, tall)) for wide, tall in self.named.get(named, self.buckets)]
        allowed = [pair for pair in ratios if self._less_elongated(pair[0], aspect)]
        return min(allowed or ratios, key=lambda pair: abs(pair[0] - aspect))[1]

    def _less_elongated(self, ratio: float, aspect: float) -> bool:
        if aspect >= 1:
            return ratio <= aspect
        return ratio > aspect or (self.same_aspect and ratio == aspect)


NAMED = {name: buckets(side) for name, side in BASE_SIDES.items()}


def resized(picture: tuple[int, int], drawn: tuple[int, int]) -> tuple[int, int]:
    """The size that a picture is brought to before its middle is cut out, as torchvision's Resize(min(drawn)) has it.

    Where that would not cover the drawn size, which Tencent's own choice of bucket excludes, the other side decides.
    """
    width, height = picture
    short = min(drawn)
    size = (short, int(short * height / width)) if width <= height else (int(short * width / height), short)
    if size[0] >= drawn[0] and size[1] >= drawn[1]:
        return size
    if drawn[0] * height >= drawn[1] * width:
        return drawn[0], max(drawn[1], round(drawn[0] * height / width))
    return max(drawn[0], round(drawn[1] * width / height)), drawn[1]


def cropped(size: tuple[int, int], drawn: tuple[int, int]) -> tuple[int, int]:
    """Left and top of the middle part, as torchvision's CenterCrop rounds them."""
    return round((size[0] - drawn[0]) / 2.0), round((size[1] - drawn[1]) / 2.0)
