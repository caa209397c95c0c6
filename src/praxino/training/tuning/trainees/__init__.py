"""How each family learns: a module each, found by its name."""
