"""Scores the bundled model anew from its weights, beside the figures of its card: make score."""

import argparse

from praxino.training.card import scores_on_card
from praxino.training.evaluate import score_combinations
from praxino.training.export import read_folder
from praxino.weights.catalog import find


def main() -> None:
    """Print a row for the trained and one for the held-out combinations."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=78, help="combinations of each kind [default 78, as on the card]")
    count = parser.parse_args().count
    folder = find("pocket").require_path()
    scores = score_combinations(read_folder(folder), count)
    for (name, on_card), score in zip(scores_on_card(folder).items(), scores, strict=True):
        parts = f"thing {score.thing:.0%}, motion {score.motion:.0%}, ground {score.ground:.0%}"
        print(f"{name}: {score.all_three:.0%} of {score.count} all right (card {on_card:.0%}); {parts}")


if __name__ == "__main__":
    main()
