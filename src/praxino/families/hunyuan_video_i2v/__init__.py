"""HunyuanVideo-I2V by Tencent: a picture set in motion. Importing this costs no torch."""

from __future__ import annotations

from praxino.families import Family
from praxino.families._hunyuan.family import HunyuanFamily
from praxino.families.hunyuan_video_i2v.variants import PUBLISHED

FAMILY: Family = HunyuanFamily(name="hunyuan-video-i2v", title="HunyuanVideo-I2V", variants=PUBLISHED)
