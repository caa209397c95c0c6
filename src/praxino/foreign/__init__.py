"""Settings that other programs keep in their pictures, read into the fields of a Request.

Knows how AUTOMATIC1111's web UI and ComfyUI write them; knows no model, draws nothing and runs nothing. What has no
place in a Request is listed, never dropped. All that is read here was written by strangers: whatever is wrong with it
is one UserError.
"""

from praxino.foreign.read import read
from praxino.foreign.settings import Settings, Unmapped

__all__ = ["Settings", "Unmapped", "read"]
