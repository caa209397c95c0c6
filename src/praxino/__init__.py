"""Praxino turns words and pictures into images, GIFs and videos with open generative models."""

from __future__ import annotations

__version__ = "0.1.0"
