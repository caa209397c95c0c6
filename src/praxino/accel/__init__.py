"""How a run fits into a machine's memory: what it needs, which plans there are, and how one is laid on the networks.

`weight` reads what a checkpoint needs off its files, `memory` what the machine has, `plan` knows the ladder of plans
and chooses; none of them imports torch. `networks` and `placement` act on loaded networks, of any family.
"""
