"""Class texts that begin with context vectors instead of words: what prompt learning trains.

A class c with the tokens n_1 ... n_k of its name, context vectors v_1 ... v_M of the width of the
token embeddings e, and the text encoder g (positions added, transformer, final norm, projection):

    t_c = g([start] v_1 ... v_M e(n_1) ... e(n_k) e(.) [end]),  divided by its length

All classes share the context (Zhou et al. arXiv 2109.01134, unified context, class at the end).
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from nicheclip.models.openclip import Clip, open_clip
from nicheclip.runtime.errors import InputError


class PromptedTexts(nn.Module):
    """The context as the parameter ``context``, and class features that follow from it.

    The text encoder belongs to the caller and is no part of this module's parameters.

    Raises:
        InputError: the text tower takes no context vectors, or a name does not fit beside them.
    """

    tokens: Tensor

    def __init__(self, clip: Clip, class_names: Sequence[str], context: Tensor) -> None:
        super().__init__()
        self.context = nn.Parameter(context.clone())
        self._tower = (TextTower(clip),)  # in a tuple: not registered
        tokens = _tokens(clip, class_names, len(context))
        self.register_buffer("tokens", tokens, persistent=False)

    def forward(self) -> Tensor:
        """[C, d], rows of length 1: the features of the classes."""
        tower, length = self._tower[0], len(self.context)
        words = tower.embed(self.tokens)
        context = self.context.expand(len(words), -1, -1)
        embedded = torch.cat([words[:, :1], context, words[:, 1 + length :]], dim=1)
        return normalize(tower.encode(embedded, self.tokens), dim=1)


class TextTower:
    """The text encoder of a CLIP, from token embeddings on.

    Raises:
        InputError: its features do not follow from token embeddings alone.
    """

    def __init__(self, clip: Clip) -> None:
        tower: Any = getattr(clip.model, "text", clip.model)
        pool = getattr(tower, "pool_type", getattr(tower, "text_pool_type", None))
        causal = getattr(tower, "attn_mask", None) is not None
        extra = getattr(tower, "cls_emb", None) is not None
        known = hasattr(tower, "token_embedding") and pool in ("argmax", "eos")
        if extra or not (causal and known):
            raise InputError(
                "adaptation: this model's text tower is not CLIP's transformer, which ends each "
                "text with a mark and reads the feature there. Choose a method that changes no "
                "texts (`dpa`, `fair`, `lafter`)."
            )
        if not isinstance(clip.tokenizer, open_clip.tokenizer.SimpleTokenizer):
            raise InputError(
                "adaptation: this model's tokenizer is not CLIP's own. Choose a method that "
                "changes no texts (`dpa`, `fair`, `lafter`)."
            )
        self._tower, self._pool = tower, pool

    @property
    def width(self) -> int:
        """Of the token embeddings."""
        return int(self._tower.token_embedding.weight.shape[1])

    def embed(self, tokens: Tensor) -> Tensor:
        """[n, length, width]: the embeddings of ``tokens`` [n, length]."""
        embedded: Tensor = self._tower.token_embedding(tokens)
        return embedded

    def encode(self, embedded: Tensor, tokens: Tensor) -> Tensor:
        """[n, d]: features, not normalised, of texts that may be shorter than the model's context.

        The mask is causal, so what comes after the end mark changes nothing and may be left out.

        Args:
            embedded: [n, length, width].
            tokens: [n, length]; they say where each text ends.
        """
        tower, length = self._tower, tokens.shape[1]
        x = embedded + tower.positional_embedding[:length].to(embedded.dtype)
        x = tower.transformer(x, attn_mask=tower.attn_mask[:length, :length])
        end = getattr(tower, "eos_id", getattr(tower, "text_eos_id", None))
        pool = open_clip.transformer.text_global_pool
        pooled: Tensor = pool(tower.ln_final(x), tokens, self._pool, eos_token_id=end)
        projection = tower.text_projection
        if projection is None:
            return pooled
        found: Tensor = (
            projection(pooled) if isinstance(projection, nn.Linear) else pooled @ projection
        )
        return found


def random_context(clip: Clip, length: int, random: torch.Generator) -> Tensor:
    """[length, width]: drawn from N(0, 0.02^2)."""
    width = TextTower(clip).width
    return torch.empty(length, width).normal_(0, 0.02, generator=random)


def words_context(clip: Clip, words: str) -> Tensor:
    """[tokens, width]: the embeddings of the tokens of ``words``.

    Raises:
        InputError: there is no token.
    """
    tower = TextTower(clip)
    tokens = clip.tokenizer([words])
    length = int(_ends(tokens)[0]) - 1
    if length < 1:
        raise InputError(f"prompt vectors: no token in {words!r}; give at least one word.")
    return tower.embed(tokens)[0, 1 : 1 + length].detach().clone()


def cut_tokens(clip: Clip, texts: Sequence[str]) -> Tensor:
    """[n, longest]: the tokens of ``texts`` without the places that all of them leave empty."""
    tokens: Tensor = clip.tokenizer(list(texts))
    return tokens[:, : int(_ends(tokens).max()) + 1].contiguous()


def _tokens(clip: Clip, class_names: Sequence[str], length: int) -> Tensor:
    """[C, longest]: start mark, ``length`` places for the context, name, full stop, end mark."""
    plain = clip.tokenizer([f"{name.replace('_', ' ')}." for name in class_names])
    ends = _ends(plain) + length
    longest = int(ends.max())
    # the tokenizer cuts what is too long, and what it cut would be too long here as well
    if longest >= clip.context_length:
        name = class_names[int(ends.argmax())]
        raise InputError(
            f"prompt vectors: the class name {name!r} takes {longest + 1} tokens with {length} "
            f"context vectors, and the model reads {clip.context_length}. Use fewer vectors or "
            "shorter names."
        )
    # any token that is no mark holds the place of a context vector
    places = plain[:, 1:2].expand(-1, length)
    return torch.cat([plain[:, :1], places, plain[:, 1:]], dim=1)[:, : longest + 1].contiguous()


def _ends(tokens: Tensor) -> Tensor:
    """[n]: the place of the end mark, which is the largest token."""
    return tokens.argmax(dim=1)
