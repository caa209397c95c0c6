"""Owns fine-tuning: a folder of clips and a checkpoint become a LoRA, or a checkpoint of its own.

The way of the data: `settings` says what is wanted, `clips` reads a folder, `buckets` decides size and length, `cache`
keeps what the networks make of each clip, `objective` turns a step's number into a loss, `training.loop` runs it,
`adapters` and `outputs` write what has been learnt. What differs between families is in `trainees/`, a module each.
"""
