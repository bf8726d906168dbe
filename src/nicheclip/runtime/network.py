"""Whether jobs may ask the network for what is not on this disk."""

import os

#: carries the config's `offline` to the jobs
VARIABLE = "NICHECLIP_OFFLINE"


def go_offline() -> None:
    """Ask nobody for data and weights from here on, in this process and all that it starts."""
    os.environ[VARIABLE] = "1"
    os.environ["HF_HUB_OFFLINE"] = "1"  # of the hub's own libraries


def is_offline() -> bool:
    """Whether ``go_offline`` was called."""
    return os.environ.get(VARIABLE) == "1"
