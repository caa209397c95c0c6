"""HunyuanVideo by Tencent: words to video. Importing this costs no torch."""

from __future__ import annotations

from praxino.families import Family
from praxino.families._hunyuan.family import HunyuanFamily
from praxino.families.hunyuan_video.variants import PUBLISHED

FAMILY: Family = HunyuanFamily(name="hunyuan-video", title="HunyuanVideo", variants=PUBLISHED)
