"""Whether this process is one of several that were launched to draw one job together. Imports next to nothing."""

from __future__ import annotations

import os

RENDEZVOUS = "PRAXINO_RENDEZVOUS"
"""The file through which processes that `praxino --gpus` started find one another; torchrun has its own ways."""


def count_launched() -> int:
    """How many processes draw this job together; 1 where nothing launched several."""
    launched = RENDEZVOUS in os.environ or "TORCHELASTIC_RUN_ID" in os.environ
    return int(os.environ.get("WORLD_SIZE", "1")) if launched else 1


def rank_here() -> int:
    """Which of them this one is; 0 leads."""
    return int(os.environ.get("RANK", "0")) if count_launched() > 1 else 0
