"""The mathematics of sampling a rectified flow: noise levels, guidance, steps and noise. Knows no model and no file."""
