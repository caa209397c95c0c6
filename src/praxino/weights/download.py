"""About how much a published checkpoint's files weigh, reckoned from the networks in them. Knows no network, no disk.

What a pull really takes is in the Hub's list of files; this is known before anything is asked.
"""

from __future__ import annotations

from praxino.families import Variant

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
"""Of a weight, by its number format."""


def download_bytes(variant: Variant) -> int | None:
    """Weights times bytes of each network's published files; None where there are none, or they were not counted.

    Configs and tokenizers, a few megabytes, are left out. What comes with another model is not counted.
    """
    formats = {folder: variant.file_formats.get(folder, variant.dtype) for folder in variant.networks}
    if not variant.source or not formats:
        return None
    return sum(
        network.parameters * BYTES[formats[folder]] for folder, network in variant.networks.items() if formats[folder]
    )
