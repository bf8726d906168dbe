"""A model's text side, with a count of what went through it."""

from collections.abc import Sequence

from nicheclip.models.encode import encode_texts
from nicheclip.models.features import Array
from nicheclip.models.openclip import Clip


class CountingEncoder:
    """Turns texts into features of length 1; counts them, and those that were cut."""

    def __init__(self, clip: Clip, *, batch_size: int, device: str) -> None:
        self.texts = 0
        self.cut = 0
        self._clip, self._batch_size, self._device = clip, batch_size, device

    def __call__(self, texts: Sequence[str]) -> Array:
        """Features of ``texts`` [n, d]."""
        encoded = encode_texts(self._clip, texts, batch_size=self._batch_size, device=self._device)
        self.texts += len(texts)
        self.cut += encoded.cut
        return encoded.features
