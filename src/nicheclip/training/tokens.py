"""Tokens of texts that come again and again."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

#: texts whose tokens are kept; 8 MB with 77 tokens each
KEPT = 1 << 13


class TokenCache:
    """A tokenizer that remembers the texts that came last.

    Class texts come once for each image of the class, captions once in each epoch. A tokenizer cuts
    every text to the same length by itself, so a text's tokens do not depend on those beside it.
    """

    def __init__(self, tokenizer: Any, kept: int = KEPT) -> None:
        """Of ``tokenizer``, as ``Clip`` has it; ``kept`` texts are remembered."""
        self._tokenizer, self._size = tokenizer, kept
        self._kept: OrderedDict[str, Tensor] = OrderedDict()

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """int64 [n, context]: the tokens of n ``texts``."""
        found = {text: self._kept[text] for text in texts if text in self._kept}
        if new := [text for text in dict.fromkeys(texts) if text not in found]:
            rows = self._tokenizer(new)
            found |= {text: row.clone() for text, row in zip(new, rows, strict=True)}
        for text, row in found.items():
            self._kept[text] = row
            self._kept.move_to_end(text)
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)
        return torch.stack([found[text] for text in texts])
