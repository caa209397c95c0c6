"""Scores the bundled model anew from its weights, beside the figures of its card: make score."""

import argparse
from pathlib import Path

from praxino.training.rescore import rescore
from praxino.weights.catalog import find


def main() -> None:
    """Print a row for each kind of clips that the card has a score of."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=78, help="clips of each kind [default 78]")
    parser.add_argument("--folder", type=Path, help="another model, of either edition [default: the bundled one]")
    asked = parser.parse_args()
    for score in rescore(asked.folder or find("pocket").require_path(), asked.count):
        parts = f"thing {score.thing:.0%}, motion {score.motion:.0%}, ground {score.ground:.0%}"
        print(f"{score.kind}: {score.all_right:.0%} of {score.count} all right (card {score.on_card:.0%}); {parts}")


if __name__ == "__main__":
    main()
