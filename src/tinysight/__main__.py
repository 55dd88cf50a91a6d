"""`python -m tinysight` is the command `tinysight`."""

from tinysight.cli import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
