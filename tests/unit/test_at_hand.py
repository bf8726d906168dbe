"""Whether weights can be had, without loading any."""

import pytest

from nicheclip.models import at_hand


@pytest.fixture
def hub(monkeypatch):
    """A hub that answers for what is in the list, and a cache with what is in the other."""
    reachable, cached = [], []
    monkeypatch.setattr(at_hand, "_answers", lambda url, headers=None: url in reachable)
    monkeypatch.setattr(
        at_hand,
        "try_to_load_from_cache",
        lambda repository, file: f"/cache/{file}" if (repository, file) in cached else None,
    )
    monkeypatch.setattr(at_hand.constants, "HF_HUB_OFFLINE", False)
    return reachable, cached


def test_weights_are_at_hand_when_cached_or_reachable(hub):
    reachable, cached = hub
    model = ("one", "RN50", "openai")
    repository, file = "timm/resnet50_clip.openai", "open_clip_model.safetensors"
    said = at_hand.missing(*model)
    assert said.startswith(f"models.one: the weights ({repository}) are neither cached nor")
    cached.append((repository, file))
    assert at_hand.missing(*model) is None
    cached.clear()
    reachable.append(at_hand.hf_hub_url(repository, file))
    assert at_hand.missing(*model) is None


def test_a_hub_model_is_asked_for_its_config(hub):
    said = at_hand.missing("one", "hf-hub:owner/name", None)
    assert said.startswith("models.one: the weights (owner/name) are neither")
    hub[1].append(("owner/name", "open_clip_config.json"))
    assert at_hand.missing("one", "hf-hub:owner/name", None) is None


def test_a_text_tower_of_transformers_names_the_package(monkeypatch):
    monkeypatch.setattr(at_hand, "find_spec", lambda name: None)
    said = at_hand.missing("one", "roberta-ViT-B-32", None)
    assert (
        said
        == "models.one: roberta-ViT-B-32 needs the package transformers, which is not installed."
    )


def test_a_tag_that_is_none_lists_those_that_are(tmp_path):
    said = at_hand.missing("one", "RN50", "opnai")
    assert "'opnai' is neither a file nor one of open_clip's weights of RN50 (openai, " in said
    (tmp_path / "weights.pt").touch()
    assert at_hand.missing("one", "RN50", str(tmp_path / "weights.pt")) is None
    assert at_hand.missing("one", "RN50", None) is None
    assert at_hand.missing("one", "local-dir:/nowhere", None) is None


def test_weights_of_a_backbone_are_looked_for_where_they_are_kept(hub, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    reachable, cached = hub
    url = "https://example.org/dino_resnet50.pth"
    said = at_hand.missing_backbone("alignment.one", "resnet50", url)
    assert said == (
        f"alignment.one: the weights ({url}) are not reachable. Put dino_resnet50.pth into "
        "results/downloads/backbones, or give its path."
    )
    reachable.append(url)
    assert at_hand.missing_backbone("alignment.one", "resnet50", url) is None
    reachable.clear()
    place = tmp_path / "results/downloads/backbones"
    place.mkdir(parents=True)
    (place / "dino_resnet50.pth").touch()
    assert at_hand.missing_backbone("alignment.one", "resnet50", url) is None
    tag = ("pretraining.two", "vit_base_patch16_224", "dino")
    said = at_hand.missing_backbone(*tag)
    assert "the weights (timm/vit_base_patch16_224.dino) are neither cached" in said
    cached.append(("timm/vit_base_patch16_224.dino", "model.safetensors"))
    assert at_hand.missing_backbone(*tag) is None
    said = at_hand.missing_backbone("pretraining.two", "vit_base_patch16_224", "dina")
    assert said.startswith("pretraining.two: 'dina' is neither a file (.pth, ") and "dino" in said
