"""Owns the second edition's grounds as pictures: plain colours, gradients and scenes drawn by rule.

Must not know things, motions or torch. A scene has a few fixed views, so that a judge can take its view away again.
"""

import functools

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]
"""(H, W, 3) in 0..255."""
VIEWS = 4

COLOURS: dict[str, tuple[int, int, int]] = {
    "white": (255, 255, 255),
    "black": (20, 20, 24),
    "blue": (58, 124, 240),
    "red": (178, 30, 52),
    "green": (56, 168, 92),
    "yellow": (253, 222, 84),
    "orange": (245, 140, 40),
    "purple": (124, 72, 190),
    "pink": (250, 164, 200),
    "grey": (140, 144, 150),
}
GRADIENTS: dict[str, tuple[tuple[int, int, int], tuple[int, int, int]]] = {
    "blue gradient": ((20, 40, 120), (140, 200, 255)),
    "red gradient": ((90, 8, 30), (250, 110, 110)),
    "green gradient": ((10, 80, 60), (180, 236, 150)),
    "orange gradient": ((200, 70, 20), (255, 226, 150)),
    "purple gradient": ((56, 20, 110), (210, 160, 250)),
    "grey gradient": ((50, 54, 60), (226, 230, 234)),
}
"""Colours above and below."""
SCENES = ("sky", "night", "grass", "sea", "sunset", "snow", "desert", "city")


@functools.cache
def draw_ground(name: str, width: int, height: int, view: int = 0) -> Picture:
    """A ground by name; `view` (0 to VIEWS - 1) tells scenes of one name apart. Sizes in pixels."""
    if name in COLOURS:
        return np.broadcast_to(np.array(COLOURS[name], np.float32), (height, width, 3)).copy()
    if name in GRADIENTS:
        return _blend(height, width, *GRADIENTS[name])
    rng = np.random.default_rng((SCENES.index(name), view))
    picture = _SCENES[name](2 * width, 2 * height, rng)
    return picture.reshape(height, 2, width, 2, 3).mean((1, 3), dtype=np.float32).clip(0, 255).astype(np.float32)


def views(name: str) -> int:
    """How many views a ground has."""
    return VIEWS if name in SCENES else 1


def _blend(height: int, width: int, above: tuple[int, int, int], below: tuple[int, int, int]) -> Picture:
    share = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    rows = np.array(above, np.float32) * (1 - share) + np.array(below, np.float32) * share
    return np.broadcast_to(rows, (height, width, 3)).astype(np.float32)


def _grid(picture: Picture) -> tuple[Picture, Picture]:
    """Column and row of each pixel in heights of the picture from its upper left."""
    height, width = picture.shape[:2]
    rows, columns = np.mgrid[:height, :width].astype(np.float32) + 0.5
    return columns / height, rows / height


def _paint(picture: Picture, where: NDArray[np.bool_], colour: tuple[int, int, int], opacity: float = 1.0) -> None:
    picture[where] += opacity * (np.array(colour, np.float32) - picture[where])


def _disc(picture: Picture, x: float, y: float, radius: float, flat: float = 1.0) -> NDArray[np.bool_]:
    columns, rows = _grid(picture)
    return (columns - x) ** 2 + ((rows - y) / flat) ** 2 < radius**2


def _hills(
    picture: Picture, rng: np.random.Generator, level: float, rise: float, colour: tuple[int, int, int], waves: float
) -> None:
    columns, rows = _grid(picture)
    phase = rng.uniform(0, 6.28, 2)
    edge = level + rise * (0.7 * np.sin(waves * columns + phase[0]) + 0.3 * np.sin(2.3 * waves * columns + phase[1]))
    _paint(picture, rows > edge, colour)


def _clouds(picture: Picture, rng: np.random.Generator, count: int, opacity: float) -> None:
    wide = picture.shape[1] / picture.shape[0]
    for _ in range(count):
        x, y, size = rng.uniform(0, wide), rng.uniform(0.06, 0.6), rng.uniform(0.05, 0.09)
        puffs = [(-1.5, 0.2, 0.8), (-0.5, -0.3, 1.1), (0.6, -0.1, 1.0), (1.6, 0.25, 0.7), (0.0, 0.3, 1.2)]
        cloud = np.zeros(picture.shape[:2], np.bool_)
        for dx, dy, radius in puffs:
            cloud |= _disc(picture, x + dx * size, y + dy * size, radius * size, 0.8)
        _paint(picture, cloud, (255, 255, 255), opacity)


def _sky(width: int, height: int, rng: np.random.Generator) -> Picture:
    picture = _blend(height, width, (74, 160, 238), (206, 236, 255))
    _clouds(picture, rng, 5, 0.85)
    return picture


def _night(width: int, height: int, rng: np.random.Generator) -> Picture:
    picture = _blend(height, width, (8, 10, 36), (40, 34, 84))
    for _ in range(70):
        x, y = rng.uniform(0, width / height), rng.uniform(0, 1)
        _paint(picture, _disc(picture, x, y, rng.choice([0.004, 0.006, 0.010])), (255, 250, 220), rng.uniform(0.5, 1))
    return picture


def _grass(width: int, height: int, rng: np.random.Generator) -> Picture:
    picture = _blend(height, width, (150, 214, 250), (226, 246, 255))
    _hills(picture, rng, 0.56, 0.05, (140, 204, 110), 5)
    _hills(picture, rng, 0.66, 0.04, (98, 180, 76), 4)
    columns, rows = _grid(picture)
    blades = (rows > 0.72) & (np.sin(70 * columns + 9 * np.sin(23 * rows)) > 0.75)
    _paint(picture, blades, (70, 150, 58), 0.6)
    return picture


def _sea(width: int, height: int, rng: np.random.Generator) -> Picture:
    picture = _blend(height, width, (160, 220, 250), (234, 248, 255))
    columns, rows = _grid(picture)
    for number, colour in enumerate([(52, 150, 200), (36, 124, 184), (24, 98, 164), (16, 74, 140)]):
        level = 0.42 + 0.15 * number
        crest = level + 0.016 * np.abs(np.sin((9 - number) * columns + rng.uniform(0, 6.28)))
        _paint(picture, rows > crest, colour)
        _paint(picture, (rows > crest) & (rows < crest + 0.012), (220, 242, 250), 0.6)
    return picture


def _sunset(width: int, height: int, rng: np.random.Generator) -> Picture:
    upper = _blend(height // 2, width, (92, 40, 120), (238, 96, 90))
    picture = np.concatenate([upper, _blend(height - height // 2, width, (238, 96, 90), (255, 206, 110))])
    _paint(picture, _disc(picture, rng.uniform(0.3, 0.7) * width / height, 0.8, 0.17), (255, 240, 170))
    _hills(picture, rng, 0.86, 0.03, (70, 30, 70), 4)
    return picture


def _snow(width: int, height: int, rng: np.random.Generator) -> Picture:
    picture = _blend(height, width, (150, 176, 206), (214, 226, 240))
    _hills(picture, rng, 0.62, 0.06, (226, 236, 246), 4)
    _hills(picture, rng, 0.76, 0.04, (250, 252, 255), 5)
    for _ in range(60):
        x, y = rng.uniform(0, width / height), rng.uniform(0, 1)
        _paint(picture, _disc(picture, x, y, rng.uniform(0.006, 0.013)), (255, 255, 255), 0.9)
    return picture


def _desert(width: int, height: int, rng: np.random.Generator) -> Picture:
    picture = _blend(height, width, (120, 200, 240), (252, 236, 200))
    _paint(picture, _disc(picture, 0.82 * width / height, 0.16, 0.09), (255, 240, 150))
    for level, colour in ((0.56, (236, 190, 120)), (0.68, (224, 168, 94)), (0.82, (206, 146, 76))):
        _hills(picture, rng, level, 0.05, colour, 3.5)
    return picture


def _city(width: int, height: int, rng: np.random.Generator) -> Picture:
    picture = _blend(height, width, (110, 150, 200), (240, 214, 190))
    columns, rows = _grid(picture)
    x, wide = -0.02, width / height
    while x < wide:
        across, top = rng.uniform(0.10, 0.18), rng.uniform(0.30, 0.66)
        shade = int(rng.integers(-14, 14))
        house = (columns >= x) & (columns < x + across) & (rows > top)
        _paint(picture, house, (72 + shade, 82 + shade, 108 + shade))
        lit = (np.modf((columns - x) / 0.045)[0] > 0.45) & (np.modf((rows - top) / 0.07)[0] > 0.5)
        inside = house & (columns > x + 0.01) & (columns < x + across - 0.015) & (rows < 0.93)
        _paint(picture, inside & lit, (255, 224, 140), 0.85)
        x += across
    _paint(picture, rows > 0.93, (58, 62, 72))
    return picture


_SCENES = {
    "sky": _sky, "night": _night, "grass": _grass, "sea": _sea,
    "sunset": _sunset, "snow": _snow, "desert": _desert, "city": _city,
}  # fmt: skip
