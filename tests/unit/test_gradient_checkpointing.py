"""Gradient checkpointing saves memory, not at the cost of another result."""

import torch
from torch.nn.functional import normalize

from small_training import tiny_clip


def gradients(clip, images, tokens):
    """Of a contrastive loss, by parameter; and how often an image block ran."""
    runs = []
    block = clip.model.visual.transformer.resblocks[0]
    handle = block.attn.register_forward_pre_hook(lambda *_: runs.append(1))
    image_features, text_features, scale = clip.model(images, tokens)[:3]
    logits = scale * normalize(image_features, dim=1) @ normalize(text_features, dim=1).T
    clip.model.zero_grad()
    torch.nn.functional.cross_entropy(logits, torch.arange(len(images))).backward()
    handle.remove()
    found = {n: p.grad.clone() for n, p in clip.model.named_parameters() if p.grad is not None}
    return found, len(runs)


def test_gradients_are_the_same_and_blocks_run_twice(tmp_path):
    clip = tiny_clip(tmp_path)
    clip.model.train()
    images = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    tokens = clip.tokenizer(["a red thing", "a green thing", "a blue thing"])
    plain, once = gradients(clip, images, tokens)
    clip.model.set_grad_checkpointing()
    saved, twice = gradients(clip, images, tokens)
    assert (once, twice) == (1, 2)
    assert plain.keys() == saved.keys() and "visual.conv1.weight" in plain
    for name, gradient in plain.items():
        torch.testing.assert_close(saved[name], gradient, rtol=1e-5, atol=1e-7)
