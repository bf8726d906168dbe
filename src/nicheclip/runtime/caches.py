"""Caches of libraries in the working folder: they hold gigabytes, and home folders are small."""

from collections.abc import Mapping
from pathlib import Path


def cache_folders(own: Mapping[str, str], working_folder: Path, home: Path) -> dict[str, str]:
    """Environment variables that lead hub, torch and matplotlib to caches in the working folder.

    What the user has set stays, and so does a login to the hub.

    Args:
        own: the environment.
        working_folder: of the workflow.
        home: of the user.
    """
    cache = Path(own.get("XDG_CACHE_HOME", working_folder / ".cache"))
    usual = Path(own.get("XDG_CACHE_HOME", home / ".cache"))
    login = Path(own.get("HF_HOME", usual / "huggingface"))
    folders = {
        "XDG_CACHE_HOME": cache,
        "HF_HOME": cache / "huggingface",
        "HF_TOKEN_PATH": login / "token",
        "TORCH_HOME": cache / "torch",
        "MPLCONFIGDIR": cache / "matplotlib",
    }
    return {name: own.get(name, str(folder)) for name, folder in folders.items()}
