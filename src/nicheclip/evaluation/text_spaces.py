"""How the texts of classes lie to each other for a model, and what each gate changes in that."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nicheclip.captions.text_space import space_of_vectors
from nicheclip.models.features import Array, TextFeatures
from nicheclip.runtime.seeding import generator

COMPARED = 2000
"""Texts that are compared, drawn at random where there are more."""

Pair = tuple[str, str]
"""Class and text."""


@dataclass(frozen=True)
class GateSpace:
    """Figures of texts by a model's features; see ``captions.text_space.TextSpace``."""

    gate: str
    """"" for the texts that the classes have; a gate's name for these together with the texts that
    this gate alone took."""
    texts: int
    """That are compared."""
    diversity: float | None
    separability: float | None


class ComparedTexts:
    """The texts of some classes whose features are compared."""

    def __init__(
        self, accepted: Mapping[str, Sequence[str]], refused: Mapping[str, Sequence[Pair]]
    ) -> None:
        """Draw them.

        Args:
            accepted: the texts of each class.
            refused: those that a gate alone took, by gate.
        """
        own = [(class_id, text) for class_id in sorted(accepted) for text in accepted[class_id]]
        self._pairs = {"": _drawn(own, "accepted")}
        for gate, pairs in sorted(refused.items()):
            self._pairs[gate] = [*self._pairs[""], *_drawn(pairs, gate)]

    def spaces(self, encode: "Remembering") -> tuple[GateSpace, ...]:
        """The figures; none where no class has two texts."""
        found = []
        for gate, pairs in self._pairs.items():
            vectors = encode.features([text for _, text in pairs])
            space = space_of_vectors(vectors.astype(np.float64), [one for one, _ in pairs])
            if space.diversity is not None:
                found.append(GateSpace(gate, len(pairs), space.diversity, space.separability))
        return tuple(found)

    @property
    def texts(self) -> list[str]:
        """All of them."""
        return [text for pairs in self._pairs.values() for _, text in pairs]


class Remembering:
    """Encodes texts, and keeps the features of those that are wanted later."""

    def __init__(
        self, encode: Callable[[Sequence[str]], TextFeatures], wanted: Sequence[str]
    ) -> None:
        self._encode = encode
        self._found: dict[str, npt.NDArray[np.float32] | None] = dict.fromkeys(wanted)

    def __call__(self, texts: Sequence[str]) -> TextFeatures:
        """The features of ``texts``."""
        encoded = self._encode(texts)
        for row, text in enumerate(texts):
            if text in self._found:
                self._found[text] = encoded.features[row]
        return encoded

    def features(self, texts: Sequence[str]) -> Array:
        """Those of wanted ``texts`` [n, d]; what was not encoded yet is encoded now."""
        if left := [text for text, feature in self._found.items() if feature is None]:
            self(left)
        return np.stack([feature for text in texts if (feature := self._found[text]) is not None])


def _drawn(pairs: Sequence[Pair], name: str) -> list[Pair]:
    """At most ``COMPARED`` of ``pairs``, in their order; ``name`` decides which."""
    if len(pairs) <= COMPARED:
        return list(pairs)
    places = generator("text space", name).choice(len(pairs), COMPARED, replace=False)
    return [pairs[place] for place in np.sort(places)]
