"""``python -m nicheclip``: the command, where it is not installed."""

from nicheclip.cli.main import main

if __name__ == "__main__":
    main()
