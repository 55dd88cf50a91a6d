"""`python -m tinysight` is the command `tinysight`."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; Ctrl-C is said in one line even while it is being imported."""
    try:
        from tinysight import cli
    except KeyboardInterrupt:
        sys.stderr.write("error: stopped by SIGINT\n")
        sys.exit(130)
    cli.main()


if __name__ == "__main__":
    main()
