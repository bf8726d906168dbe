"""What the result of a run follows from, and in what two runs differ."""

import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict

from nicheclip.runtime.seeding import stable_hash

#: of the engine: raise it when the content of a state or the meaning of a step changes
FORMAT = 4

#: longest list of differences in a message
SHOWN = 4

MISSING = "missing"


class Origin(BaseModel):
    """All that a run's result follows from, but the code; that has versions instead."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = FORMAT
    """Of the engine."""
    version: int
    """Of the objective."""
    config: dict[str, Any]
    """What of the run's config can change the result."""
    seed: int
    inputs: dict[str, str]
    """``Objective.inputs``: digests, by what they are of."""

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits: runs with the same have the same result on the same code."""
        return f"{stable_hash(json.dumps(self.model_dump(mode='json'), sort_keys=True)):016x}"

    def differences(self, now: "Origin") -> str:
        """In what a run of this origin differs from one of ``now``, in words."""
        found = list(_differences(self, now))
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        return ", ".join(found[:SHOWN]) + more


def _differences(one: Origin, now: Origin) -> Iterator[str]:
    if one.format != now.format:
        yield f"format of the engine {one.format}, now {now.format}"
    if one.version != now.version:
        yield f"version of the objective {one.version}, now {now.version}"
    yield from _changes(one.config, now.config)
    if one.seed != now.seed:
        yield f"seed {one.seed}, now {now.seed}"
    for name in sorted(one.inputs.keys() | now.inputs.keys()):
        if one.inputs.get(name) != now.inputs.get(name):
            yield f"another {name}"


def _changes(before: Any, after: Any, key: str = "") -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted(before.keys() | after.keys()):
            inner = f"{key}.{name}" if key else name
            yield from _changes(before.get(name, MISSING), after.get(name, MISSING), inner)
    elif before != after:
        shown = [MISSING if v == MISSING else json.dumps(v) for v in (before, after)]
        yield f"{key} {shown[0]}, now {shown[1]}"
