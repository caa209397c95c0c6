"""How a run fits into a machine's memory, and what makes it faster.

Memory: `weight` reads what a checkpoint needs off its files, `memory` what the machine has, `plan` knows the ladder of
plans and chooses; `networks` and `placement` act on loaded networks, of any family. Speed: `speed` knows the means and
chooses; `answers` and `encoders` keep what text encoders answer, `reuse` leaves steps out. `weight`, `memory`, `plan`
and `speed` import no torch.
"""
