"""Driving clips with a name: how a figure's joints move, drawn as OpenPose draws poses.

Knows no model and no request. numpy and Pillow are imported when a motion is drawn.
"""

from praxino.motions.shelf import find, names

__all__ = ["find", "names"]
