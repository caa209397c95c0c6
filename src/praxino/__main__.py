"""`python -m praxino` is the command `praxino`."""

from praxino.cli import main

main()
