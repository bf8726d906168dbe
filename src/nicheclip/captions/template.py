"""Captions from a grammar over class attributes: offline, seeded, without repeats."""

import math
from pathlib import Path

from nicheclip.captions.backend import (
    BackendSetting,
    Identity,
    OpenedBackend,
    Reply,
    Request,
)
from nicheclip.captions.prompts import CLASS_SLOTS, Grammar, fill, load, slots
from nicheclip.config.captions import TemplateBackend as TemplateConfig
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import sha256_file
from nicheclip.runtime.seeding import stable_hash

FEISTEL_ROUNDS = 4


class TemplateBackend:
    """Each sample is another place in a class's space of (pattern, fillers), shuffled by the seed.

    A class that the grammar does not name uses the shared fillers and its own names.
    """

    def __init__(self, folder: Path, name: str, class_names: dict[str, dict[str, str]]) -> None:
        """Read the grammar ``folder/name.yaml``.

        Args:
            folder: the prompt registry.
            name: of the grammar.
            class_names: by class_id, what fills the slots ``CLASS_SLOTS``.

        Raises:
            InputError: the file is not valid, or a class lacks fillers for a slot.
        """
        path = folder / f"{name}.yaml"
        self._grammar = load(folder, name, Grammar)
        self._fillers = {
            class_id: self._fillers_of(class_id, names, path)
            for class_id, names in class_names.items()
        }
        self._identity = Identity(f"template:{name}", sha256_file(path), "")

    @property
    def identity(self) -> Identity:
        """The grammar's name and the sha256 of its file."""
        return self._identity

    def available(self, class_id: str, image_id: str | None, asked: int) -> int:
        """At most the number of combinations that the grammar has for the class."""
        return min(asked, self.combinations(class_id))

    def combinations(self, class_id: str) -> int:
        """Number of (pattern, fillers) of a class."""
        return sum(self._sizes(class_id))

    def generate(self, request: Request) -> Reply:
        """The combination that the seed's shuffle puts at place ``request.sample``."""
        index = permuted(
            request.sample,
            self.combinations(request.class_id),
            ("grammar", request.seed, request.class_id),
        )
        return Reply(
            text=self._text(request.class_id, index),
            done_reason="stop",
            model=self.identity.model,
            digest=self.identity.digest,
            server="",
            options="{}",
        )

    def _fillers_of(self, class_id: str, names: dict[str, str], path: Path) -> dict[str, list[str]]:
        own = self._grammar.classes.get(class_id, {})
        fillers = {
            **self._grammar.shared,
            **own,
            **{slot: [names[slot]] for slot in CLASS_SLOTS},
        }
        for pattern in self._grammar.patterns:
            for slot in slots(pattern):
                if slot not in fillers:
                    raise InputError(
                        f"{path}: classes.{class_id}.{slot} is missing: the pattern {pattern!r} "
                        f"needs it, and `shared` has no {slot!r}. Add a list of fillers."
                    )
        return fillers

    def _sizes(self, class_id: str) -> list[int]:
        fillers = self._fillers[class_id]
        return [
            math.prod(len(fillers[slot]) for slot in slots(pattern))
            for pattern in self._grammar.patterns
        ]

    def _text(self, class_id: str, index: int) -> str:
        """Read ``index`` as a pattern and, in mixed radix, one filler for each of its slots."""
        for pattern, size in zip(self._grammar.patterns, self._sizes(class_id), strict=True):
            if index < size:
                return self._rendered(pattern, self._fillers[class_id], index)
            index -= size
        raise IndexError(f"{class_id}: no combination {index}")

    def _rendered(self, pattern: str, fillers: dict[str, list[str]], index: int) -> str:
        chosen = {}
        for slot in slots(pattern):
            index, digit = divmod(index, len(fillers[slot]))
            chosen[slot] = fillers[slot][digit]
        text = fill(pattern, chosen)
        return text[:1].upper() + text[1:]


def permuted(place: int, size: int, key: tuple[object, ...]) -> int:
    """The number at ``place`` of a shuffle of 0..size-1 that ``key`` fixes.

    A Feistel network over the next power of four, walked until it lands below ``size``: a
    permutation for any size, without a table of it.
    """
    bits = max(1, ((size - 1).bit_length() + 1) // 2)
    mask = (1 << bits) - 1
    while True:
        left, right = place >> bits, place & mask
        for number in range(FEISTEL_ROUNDS):
            left, right = right, left ^ (stable_hash(*key, number, right) & mask)
        place = left << bits | right
        if place < size:
            return place


def open_backend(config: TemplateConfig, setting: BackendSetting) -> OpenedBackend:
    """The backend; raises InputError where images are to be described, or for a wrong grammar."""
    if setting.per == "image":
        raise InputError(
            f"captions of {setting.dataset!r}: a grammar does not see images; set `per: class`."
        )
    return OpenedBackend(TemplateBackend(setting.prompts, config.grammar, setting.class_names))
