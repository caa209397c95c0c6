"""Checkpoints on disk: which there are, whether they are what a recipe says; fetching, importing and removing them.

Loads none. huggingface_hub is imported only to fetch and to remove, torch only to rewrite a pickle.
"""
