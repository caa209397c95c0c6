"""`python -m praxino` is the command `praxino`."""

from praxino.cli import program

if __name__ == "__main__":
    program()
