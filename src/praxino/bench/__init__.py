"""How fast runs are beside plain diffusers: contenders in turn, on the same weights, prompts, seeds and steps.

`work` says what is drawn, `workload` is the process of one contender, `rounds` starts those in turn, `ceilings` says
what the machine could do at best, `results` makes medians and ratios of it all. Only `workload`, `ceilings` and
`published` import torch. Knows the engine; must not know the command.
"""
