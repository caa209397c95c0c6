"""Checkpoints on disk: which there are, what they are, whether they are what a recipe says. Loads nothing."""
