"""Owns making models: data, the training loop, scoring, and the recipe of the bundled model.

Knows nothing of requests, jobs or servers: it is handed numbers and folders and reports through a callable.
"""
