"""Write a whole model folder in open_clip's layout from a delta, for other people's tools.

``python -m nicheclip.models.export FOLDER OUTPUT``; then
``open_clip.create_model_and_transforms("local-dir:OUTPUT")`` loads it.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from nicheclip.models.deltas import export
from nicheclip.runtime.errors import InputError


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 2 for input that cannot be used."""
    parser = argparse.ArgumentParser(
        prog="python -m nicheclip.models.export", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("folder", type=Path, help="a model folder, whole or a delta")
    parser.add_argument("output", type=Path, help="the folder to write")
    options = parser.parse_args(arguments)
    try:
        files = export(options.folder, options.output)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(*files, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
