"""`python -m praxino` is the command `praxino`."""

from praxino.cli import main

if __name__ == "__main__":
    main()
