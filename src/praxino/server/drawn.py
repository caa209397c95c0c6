"""What jobs draw, read off their recipes in the database without reading the pictures inside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from praxino.jobs.database import Database
from praxino.jobs.tables import bodies


@dataclass(frozen=True)
class Drawn:
    """What a recipe decides of the files."""

    prompt: str
    caption: str
    """What the model reads of the prompt."""
    width: int
    height: int
    num_frames: int
    fps: float
    seed: int

    @property
    def size(self) -> str:
        """As it is written: WIDTHxHEIGHT."""
        return f"{self.width}x{self.height}"


def read_drawn(database: Database, job_ids: Sequence[str]) -> dict[str, Drawn]:
    """What the jobs of these ids draw, of those that exist. Blocking."""
    recipe = bodies.c.recipe
    wanted = select(
        bodies.c.job_id,
        recipe["prompt"].as_string(),
        recipe["caption"].as_string(),
        recipe["width"].as_integer(),
        recipe["height"].as_integer(),
        recipe["num_frames"].as_integer(),
        recipe["fps"].as_float(),
        recipe["seed"].as_integer(),
    ).where(bodies.c.job_id.in_(job_ids))
    with database.reading() as connection:
        return {row[0]: Drawn(*row[1:]) for row in connection.execute(wanted)}
