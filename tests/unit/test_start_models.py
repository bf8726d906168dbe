"""Start models beyond open_clip's own: of the hub, of a folder, with towers of transformers."""

import json

import pytest

from nicheclip.config.models import ModelConfig
from nicheclip.models import openclip
from nicheclip.models.encode import encode_texts
from nicheclip.models.encode_settings import EncodeSettings
from nicheclip.models.export import export
from nicheclip.models.openclip import create, load, open_clip, save
from nicheclip.runtime.errors import InputError
from small_training import TINY, start_model, tiny_clip

EXTRA = r"needs the package transformers, .*pip install -c constraints\.txt -e '\.\[hf\]'"
WORDS = ["<pad>", "</s>", "<unk>", "a", "photo", "of", "red", "thing"]


@pytest.fixture
def without_transformers(monkeypatch):
    monkeypatch.setattr(openclip, "find_spec", lambda name: None)


@pytest.mark.parametrize(
    ("name", "needs"),
    [("ViT-B-16-SigLIP", "timm/ViT-B-16-SigLIP"), ("roberta-ViT-B-32", "roberta-base")],
)
@pytest.mark.parametrize("pretrained", [None, "webli"])
def test_towers_of_transformers_name_the_extra(
    tmp_path, without_transformers, name, needs, pretrained
):
    config = ModelConfig(architecture=name, pretrained=pretrained)
    with pytest.raises(InputError, match=rf"architecture '{name}': .*\({needs}\) {EXTRA}"):
        create(config, seed=0, registry=tmp_path)


def test_a_folder_with_such_a_tower_names_the_extra(tmp_path, without_transformers):
    folder = start_model(tmp_path)
    config = json.loads((folder / "open_clip_config.json").read_text())
    config["model_cfg"]["text_cfg"]["hf_tokenizer_name"] = "timm/ViT-B-16-SigLIP"
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=rf"{folder}: .*\(timm/ViT-B-16-SigLIP\) {EXTRA}"):
        load(folder)


def test_the_hub_without_network_is_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    config = ModelConfig(architecture="hf-hub:imageomics/bioclip", pretrained="hub")
    words = (
        r"'hf-hub:imageomics/bioclip': expected a model of the hub .*HF_HOME\), or give the path"
    )
    with pytest.raises(InputError, match=words) as error:
        create(config, seed=0, registry=tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("pretrained", [None, "folder"])
def test_a_folder_starts_with_its_own_weights(tmp_path, monkeypatch, pretrained):
    monkeypatch.setenv("HOME", str(tmp_path))
    start = load(start_model(tmp_path)).tensors()
    config = ModelConfig(architecture="local-dir:~/start", pretrained=pretrained)
    clip = create(config, seed=5, registry=tmp_path)
    assert all(tensor.equal(start[name]) for name, tensor in clip.tensors().items())
    assert clip.model_config == tiny_clip(tmp_path).model_config


def test_a_folder_without_weights_is_no_random_model(tmp_path):
    folder = start_model(tmp_path)
    (folder / "open_clip_model.safetensors").unlink()
    for name in (folder, tmp_path / "absent"):
        config = ModelConfig(architecture=f"local-dir:{name}")
        with pytest.raises(InputError, match=rf"'local-dir:{name}': expected a model folder in"):
            create(config, seed=0, registry=tmp_path)


@pytest.fixture
def tower(tmp_path):
    """A folder of architectures whose tokenizer, or whole text tower, is one of transformers."""
    transformers = pytest.importorskip("transformers", reason="the extra hf is not installed")
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>")
    plain = Tokenizer(words)
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=plain, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(tmp_path / "tokenizer")
    transformers.BertConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=16,
    ).save_pretrained(tmp_path / "bert")
    tokenizer = {"hf_tokenizer_name": str(tmp_path / "tokenizer"), "context_length": 12}
    siglip = TINY | {
        "custom_text": True,
        "init_logit_bias": -10,
        "text_cfg": TINY["text_cfg"] | tokenizer | {"vocab_size": len(WORDS), "pool_type": "last"},
    }
    whole = {"hf_model_name": str(tmp_path / "bert"), "hf_pooler_type": "mean_pooler"}
    bert = TINY | {"text_cfg": tokenizer | whole | {"hf_proj_type": "mlp"}}
    (tmp_path / "siglip.json").write_text(json.dumps(siglip))
    (tmp_path / "bert.json").write_text(json.dumps(bert))
    return tmp_path


@pytest.mark.parametrize("name", ["siglip", "bert"])
def test_such_a_tower_is_made_saved_and_loaded_with_its_tokenizer(tower, name):
    clip = create(ModelConfig(architecture=name), seed=0, registry=tower)
    save(clip, tower / "saved")
    texts = ["a photo of a red thing", "red " * 20]
    expected = encode_texts(clip, texts, EncodeSettings(batch_size=2))
    assert expected.cut.tolist() == [False, True]
    assert open_clip.get_tokenizer(f"local-dir:{tower / 'saved'}")(texts).equal(
        clip.tokenizer(texts)
    )

    def loaded():
        return encode_texts(load(tower / "saved"), texts, EncodeSettings(batch_size=2)).features

    assert (loaded() == expected.features).all()
    export(tower / "saved", tower / "exported")
    assert open_clip.get_tokenizer(f"local-dir:{tower / 'exported'}")(texts).shape == (2, 12)
    (tower / "saved/tokenizer.json").unlink()
    with pytest.raises(InputError, match="saved: expected a tokenizer"):
        loaded()
    (tower / "saved/tokenizer_config.json").unlink()  # then it comes from where the config says
    assert (loaded() == expected.features).all()
