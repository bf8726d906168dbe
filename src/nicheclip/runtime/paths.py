"""Paths as users write them."""

import os
from pathlib import Path

from nicheclip.runtime.errors import InputError


def expand_path(path: str) -> Path:
    """``path`` with environment variables and ``~`` filled in.

    Raises:
        InputError: a variable is not set.
    """
    expanded = os.path.expandvars(path)
    if "$" in expanded:
        raise InputError(f"{path}: this environment variable is not set. Set it, or write a path.")
    return Path(expanded).expanduser()
