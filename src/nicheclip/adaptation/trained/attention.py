"""Changes of attention that train instead of the norms: LoRA and K-Adaptation.

Both add to the queries and values of every block, for tokens x of width w, W the frozen weight:

    q(x) = W_q x + scale * D_q drop(x) + b        v(x) = W_v x + scale * D_v drop(x) + b

LoRA (Hu et al., arXiv 2106.09685): D = B A of rank 4, A ~ N(0, 0.02^2), B = 0, scale 128 / 4, no b
and no dropout: 147,456 parameters in a ViT-B/32.
K-Adaptation (He et al., arXiv 2203.16329): D = sum_i R_i (x) (L_i Q_i) over 32 Kronecker products;
R_i = r_i r'_i [32, 32] is shared by all blocks, L_i [w/32, 1] and Q_i [1, w/32] are a block's own;
scale 160, dropout 0.5, b = 0 at first: 50,176 parameters.

Certain: the shapes, numbers and initial values, as the parameter counts are the published ones.
Where b is added is a reconstruction. ``k_adaptation_as_published`` starts all of r', L and Q at
values whose products have no gradient (L = Q = 0), so that only b ever trains; ``k_adaptation``
starts L at random, and then everything does.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, linear, scaled_dot_product_attention

from nicheclip.models.openclip import Clip
from nicheclip.runtime.errors import InputError

Kind = Literal["lora", "k_adaptation", "k_adaptation_as_published"]

LORA_RANK, LORA_ALPHA, LORA_DEVIATION = 4, 128, 0.02
PRODUCTS, K_SCALE, K_DROPOUT = 32, 160.0, 0.5


class Lora(nn.Module):
    """D of one block by LoRA."""

    scale, dropout = LORA_ALPHA / LORA_RANK, 0.0
    bias = None

    def __init__(self, width: int, random: torch.Generator) -> None:
        super().__init__()
        first = LORA_DEVIATION * torch.randn(2, LORA_RANK, width, generator=random)
        self.down = nn.Parameter(first)
        self.up = nn.Parameter(torch.zeros(2, width, LORA_RANK))

    def deltas(self) -> Tensor:
        """[2, w, w]: D_q and D_v."""
        return self.up @ self.down


class Rules(nn.Module):
    """r and r' of all blocks, for queries and values."""

    def __init__(self, random: torch.Generator) -> None:
        super().__init__()
        self.left = nn.Parameter(glorot(2, PRODUCTS, PRODUCTS, 1, random=random))
        self.right = nn.Parameter(glorot(2, PRODUCTS, 1, PRODUCTS, random=random))


class KAdaptation(nn.Module):
    """D of one block by K-Adaptation."""

    scale, dropout = K_SCALE, K_DROPOUT

    def __init__(
        self, width: int, rules: Rules, random: torch.Generator, *, learns: bool = True
    ) -> None:
        super().__init__()
        self._rules = (rules,)  # not a part: the blocks share it
        part = width // PRODUCTS
        left = glorot(2, PRODUCTS, part, 1, random=random)
        self.left = nn.Parameter(left if learns else torch.zeros_like(left))
        self.right = nn.Parameter(torch.zeros(2, PRODUCTS, 1, part))
        self.bias = nn.Parameter(torch.zeros(width))

    def deltas(self) -> Tensor:
        """[2, w, w]: D_q and D_v."""
        rules = self._rules[0].left @ self._rules[0].right
        products = torch.einsum("mkab,mkcd->macbd", rules, self.left @ self.right)
        return products.flatten(3, 4).flatten(1, 2)


def glorot(*shape: int, random: torch.Generator) -> Tensor:
    """Uniform within +-sqrt(6 / (rows + columns)), of matrices in the last two dimensions."""
    bound = math.sqrt(6 / (shape[-1] + shape[-2]))
    return bound * (2 * torch.rand(*shape, generator=random) - 1)


class ChangedAttention(nn.Module):
    """A block's attention with a change; it is called as ``nn.MultiheadAttention``."""

    def __init__(self, attention: nn.MultiheadAttention, change: Lora | KAdaptation) -> None:
        super().__init__()
        self.attention, self.change = attention, change

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, **options: Any
    ) -> tuple[Tensor, None]:
        """Of a visual tower: keys and values [n, tokens, w] are one tensor, of which the queries
        [n, m, w] may be a part; there is no mask.
        """
        del value, options
        change, width = self.change, self.attention.embed_dim
        weight, bias = self.attention.in_proj_weight, self.attention.in_proj_bias
        q = linear(query, weight[:width], bias[:width])
        k, v = linear(key, weight[width:], bias[width:]).chunk(2, dim=-1)
        added = [
            change.scale * dropout(x, change.dropout, self.training) @ delta.T
            for x, delta in zip((query, key), change.deltas(), strict=True)
        ]
        if change.bias is not None:
            added = [x + change.bias for x in added]
        heads = [
            part.unflatten(-1, (self.attention.num_heads, -1)).transpose(-2, -3)
            for part in (q + added[0], k, v + added[1])
        ]
        mixed = scaled_dot_product_attention(*heads).transpose(-2, -3).flatten(-2)
        return self.attention.out_proj(mixed), None

    @torch.no_grad()
    def merged(self) -> nn.MultiheadAttention:
        """Attention without a change that gives the same, but for dropout."""
        attention, change = self.attention, self.change
        width, weight = attention.embed_dim, attention.in_proj_weight
        plain = nn.MultiheadAttention(width, attention.num_heads, batch_first=True)
        plain.load_state_dict(attention.state_dict())
        plain.to(weight)
        deltas = change.scale * change.deltas()
        for start, delta in zip((0, 2 * width), deltas, strict=True):
            plain.in_proj_weight[start : start + width] += delta
            if change.bias is not None:
                plain.in_proj_bias[start : start + width] += change.bias
        return plain.eval()


def change_attention(visual: Any, kind: Kind, seed: int) -> None:
    """Put a change of ``kind`` into every block of a visual tower.

    Raises:
        InputError: K-Adaptation in a tower whose width is no multiple of 32.
    """
    random = torch.Generator().manual_seed(seed)
    blocks = visual.transformer.resblocks
    width = blocks[0].attn.embed_dim
    rules = None
    if kind != "lora" and width % PRODUCTS:
        raise InputError(
            f"adaptation: K-Adaptation cuts the tower's width into {PRODUCTS} parts; the start "
            f"model's is {width}. Choose `train: lora` or `train: layer_norm`."
        )
    if kind != "lora":
        rules = Rules(random)
        visual.rules = rules
    for block in blocks:
        learns = kind == "k_adaptation"
        change = (
            Lora(width, random)
            if rules is None
            else KAdaptation(width, rules, random, learns=learns)
        )
        block.attn = ChangedAttention(block.attn, change)


def attention_changes(module: nn.Module) -> list[str]:
    """Names of the parameters of all changes in ``module``."""
    return [
        f"{name}.{parameter}"
        for name, part in module.named_modules()
        if isinstance(part, Lora | KAdaptation | Rules)
        for parameter, _ in part.named_parameters()
    ]


@contextmanager
def merged(clip: Clip) -> Iterator[Clip]:
    """The model in open_clip's form, its changes added to its weights; they come back after."""
    visual = clip.model.visual
    blocks = getattr(getattr(visual, "transformer", None), "resblocks", ())
    changed = [block for block in blocks if isinstance(block.attn, ChangedAttention)]
    before = [block.attn for block in changed]
    rules = visual._modules.pop("rules", None)
    for block in changed:
        block.attn = block.attn.merged()
    try:
        yield clip
    finally:
        for block, attention in zip(changed, before, strict=True):
            block.attn = attention
        if rules is not None:
            visual.rules = rules
