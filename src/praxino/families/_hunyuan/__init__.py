"""What Tencent's HunyuanVideo and HunyuanVideo-I2V share: the same networks, read and sampled as their authors do.

`settings`, `sizes`, `template`, `words`, `names`, `card`, `identify` and `plan` need no torch; `family` is the contract
over them, and imports the rest when something is loaded or run.
"""
