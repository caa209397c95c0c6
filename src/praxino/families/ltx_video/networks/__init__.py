"""LTX-Video's networks as plain modules: the transformer, the autoencoder and T5, for drawing on a CPU in float32.

They compute what the classes of diffusers and transformers compute, and their weights have the same names; importing
them costs nothing beside torch, where those cost seconds. They know no file and no recipe. What else those classes can
do (LoRAs through peft, training, 8 bits, tiles) they cannot: `load.with_diffusers` gives these, over the same weights.
"""
