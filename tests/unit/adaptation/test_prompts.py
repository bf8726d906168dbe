import pytest
import torch
from torch.nn.functional import normalize

from nicheclip.adaptation.trained.prompts import (
    PromptedTexts,
    TextTower,
    cut_tokens,
    random_context,
    words_context,
)
from nicheclip.runtime.errors import InputError
from small_training import tiny_clip

NAMES = ["Red_thing", "very long green thing"]


@pytest.mark.parametrize("architecture", ["tiny", "tiny-custom-text"])
def test_a_context_of_words_is_the_text_in_words(tmp_path, architecture):
    clip = tiny_clip(tmp_path, architecture)
    found = PromptedTexts(clip, NAMES, words_context(clip, "a photo of a"))()
    texts = clip.tokenizer(["a photo of a Red thing.", "a photo of a very long green thing."])
    expected = normalize(clip.model.encode_text(texts), dim=1)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_the_context_takes_the_place_of_the_words(tmp_path):
    """Token by token, through the whole tower at full length."""
    clip = tiny_clip(tmp_path)
    context = random_context(clip, 3, torch.Generator().manual_seed(1))
    assert context.std().item() == pytest.approx(0.02, rel=0.2)
    found = PromptedTexts(clip, NAMES, context)()
    model = clip.model
    for row, name in enumerate(["Red thing.", "very long green thing."]):
        tokens = clip.tokenizer([name])[0]
        words = [model.token_embedding(token) for token in tokens]
        embedded = torch.stack([words[0], *context, *words[1:]])[: clip.context_length]
        x = (embedded + model.positional_embedding)[None]
        x = model.ln_final(model.transformer(x, attn_mask=model.attn_mask))[0]
        feature = x[tokens.tolist().index(49407) + 3] @ model.text_projection
        torch.testing.assert_close(found[row], normalize(feature, dim=0), rtol=0, atol=1e-6)


def test_texts_may_be_cut_to_the_longest(tmp_path):
    clip = tiny_clip(tmp_path)
    clip.model.double()  # rounding cannot hide a difference
    tower, texts = TextTower(clip), ["a red thing.", "a very long green thing, seen from above."]
    tokens = cut_tokens(clip, texts)
    assert tokens.shape == (2, 12) and cut_tokens(clip, texts[:1]).shape == (1, 6)
    expected = clip.model.encode_text(clip.tokenizer(texts[:1]))
    found = tower.encode(tower.embed(cut_tokens(clip, texts[:1])), cut_tokens(clip, texts[:1]))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_gradients_reach_the_context_alone(tmp_path):
    clip = tiny_clip(tmp_path)
    clip.model.requires_grad_(False)
    prompts = PromptedTexts(clip, NAMES, words_context(clip, "a photo"))
    assert [name for name, _ in prompts.named_parameters()] == ["context"]
    prompts()[0, 0].backward()
    assert prompts.context.grad.abs().sum(dim=1).min() > 0


def test_names_that_do_not_fit_are_refused(tmp_path):
    clip = tiny_clip(tmp_path)
    with pytest.raises(InputError, match="'very long green thing' takes 13 tokens with 6 context"):
        PromptedTexts(clip, NAMES, torch.zeros(6, 32))
    with pytest.raises(InputError, match="no token in ' '"):
        words_context(clip, " ")


def test_other_text_towers_are_refused(tmp_path):
    clip = tiny_clip(tmp_path)
    clip.model.text_pool_type = "last"
    with pytest.raises(InputError, match="not CLIP's transformer"):
        TextTower(clip)
