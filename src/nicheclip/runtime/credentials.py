"""Passwords and tokens in addresses, kept out of everything that is written.

The driver hides them in the config, and so in all that is made of it: params, manifests,
``config.json``, Snakemake's records. The one job that asks the server gets them back through its
environment. Logs hide them in every line, wherever it comes from.
"""

import json
import os
import re
from collections.abc import Callable, Collection
from typing import Any

from nicheclip.runtime.errors import InputError

#: stands where a password or token stood
HIDDEN = "***"

#: carries what was hidden to the jobs: a JSON mapping of hidden to full addresses
VARIABLE = "NICHECLIP_CREDENTIALS"

_FROM_ENVIRONMENT = re.compile(r"\$\{(\w+)\}")
_USER = re.compile(r"""(://)(?!(?:\$\{\w+\}:?)+@)[^\s/?#"'<>]+@""")
_USER_WITHOUT_SCHEME = re.compile(r"^(?!(?:\$\{\w+\}:?)+@)[^\s/?#]+@")
_QUERY = re.compile(
    r"""[?&;\#](?P<name>(?:[\w.~-]*[-_.])?(?:api|access|auth|private)?
    (?:key|token|secret|signature|sig|password|passwd|pwd|credential|auth))=
    (?!\$\{\w+\}(?:&|$))[^\s&\#"'<>]*[^\s&\#"'<>:;,.)]""",
    re.VERBOSE | re.IGNORECASE,
)


def masked(text: str, not_secret: Collection[str] = ()) -> str:
    """``text`` with ``***`` for the user and password of each URL and for tokens in its query.

    Args:
        text: any.
        not_secret: parameters of queries that are called like a token and are none.
    """

    def hidden(found: re.Match[str]) -> str:
        whole, name = found[0], found["name"]
        return whole if name in not_secret else f"{whole[0]}{name}={HIDDEN}"

    return _QUERY.sub(hidden, _USER.sub(rf"\1{HIDDEN}@", text))


def hide(config: dict[str, Any]) -> None:
    """Mask the addresses in ``config``, in place, and keep them in the environment for jobs.

    Raises:
        InputError: two addresses differ in nothing but what is hidden.
    """
    full: dict[str, str] = json.loads(os.environ.get(VARIABLE, "{}"))

    def mask(address: str) -> str:
        short = masked(_USER_WITHOUT_SCHEME.sub(f"{HIDDEN}@", address))
        if short != address and full.setdefault(short, address) != address:
            raise InputError(
                f"config: two addresses {short} differ only in their password or token, which "
                "results cannot show. Write ${NAME} for each, and set the variables."
            )
        return short

    hidden = _with_addresses(config, mask)
    config.clear()
    config.update(hidden)
    os.environ[VARIABLE] = json.dumps(full)


def restored(values: Any) -> Any:
    """``values`` with the addresses that ``hide`` masked, and ``${NAME}`` in them filled in.

    Raises:
        InputError: a variable is not set.
    """
    full: dict[str, str] = json.loads(os.environ.get(VARIABLE, "{}"))

    def fill(address: str) -> str:
        return _FROM_ENVIRONMENT.sub(_value, full.get(address, address))

    return _with_addresses(values, fill)


def _value(variable: re.Match[str]) -> str:
    value = os.environ.get(variable[1])
    if value is None:
        raise InputError(
            f"config: the environment variable {variable[1]} of an address is not set. Set it "
            f"before snakemake is called: export {variable[1]}=..."
        )
    return value


def _with_addresses(value: Any, change: Callable[[str], str], key: str = "") -> Any:
    """Plain values with every address changed: URLs, and what stands under the key ``host``."""
    if isinstance(value, dict):
        return {name: _with_addresses(item, change, name) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_addresses(item, change, key) for item in value]
    if isinstance(value, str) and ("://" in value or key == "host"):
        return change(value)
    return value
