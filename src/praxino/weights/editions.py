"""Data: the bundled model's editions by fingerprint, so that what was drawn with an older one names what it needs.

Owns no rule. A new edition adds its line when it ships; none is ever taken out.
"""

POCKET = {"1949055ede7e708718ef051d83fe25f6": "the first edition of pocket, which Praxino 0.1 holds"}
"""What each revision is."""
