import pytest
import torch

from nicheclip.config.optimization import OptimizerConfig
from nicheclip.config.training import UnfreezingConfig
from nicheclip.engine.objective import ParameterGroup
from nicheclip.engine.optimization import make_optimizer, parameter_groups
from nicheclip.engine.updates import set_training_mode
from nicheclip.models.openclip import open_clip
from nicheclip.runtime.errors import InputError
from nicheclip.training.unfreezing import Unfreezing, towers
from small_training import tiny_clip


@pytest.fixture
def model(tmp_path):
    return tiny_clip(tmp_path).model


class Unfreezer:
    """Applies an unfreezing to a model, as the engine does."""

    def __init__(self, model, config):
        self._unfreezing, self._model = Unfreezing(model, config), model
        model.requires_grad_(False)

    def apply(self, epoch):
        names = self._unfreezing.thawed(epoch)
        for name in names:
            self._model.get_parameter(name).requires_grad_(True)
        return names


def trainable(model):
    return {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def blocks(names):
    """``visual.transformer.resblocks.1.ln_1.weight`` -> ``visual 1``"""
    found = set()
    for name in names:
        if ".resblocks." in f".{name}":
            tower = "visual" if name.startswith("visual") else "text"
            found.add(f"{tower} {name.split('resblocks.')[1][0]}")
    return found


def test_only_the_temperature_trains_at_first(model):
    unfreezer = Unfreezer(model, UnfreezingConfig(epochs_per_block=5))
    assert unfreezer.apply(0) == ["logit_scale"]
    assert trainable(model) == {"logit_scale"}


def test_blocks_thaw_from_the_last_every_k_epochs(model):
    unfreezer = Unfreezer(model, UnfreezingConfig(epochs_per_block=5))
    history = [blocks(unfreezer.apply(epoch)) for epoch in range(12)]
    assert history[5] == {"visual 1", "text 1"}
    assert history[10] == {"visual 0", "text 0"}
    assert all(not history[epoch] for epoch in (0, 1, 2, 3, 4, 6, 7, 8, 9, 11))
    left = {name for name, _ in model.named_parameters()} - trainable(model)
    assert left == {
        "positional_embedding", "token_embedding.weight", "ln_final.weight", "ln_final.bias",
        "text_projection", "visual.class_embedding", "visual.positional_embedding", "visual.proj",
        "visual.conv1.weight", "visual.ln_pre.weight", "visual.ln_pre.bias",
        "visual.ln_post.weight", "visual.ln_post.bias",
    }  # fmt: skip


@pytest.mark.parametrize("architecture", ["tiny", "tiny-custom-text", "tiny-resnet"])
def test_with_projections_and_embeddings_everything_trains_in_the_end(tmp_path, architecture):
    model = tiny_clip(tmp_path, architecture).model
    config = UnfreezingConfig(epochs_per_block=1, projections=True, embeddings=True)
    unfreezer = Unfreezer(model, config)
    new = [unfreezer.apply(epoch) for epoch in range(7)]
    assert any("proj" in name for name in new[0]) and not blocks(new[0])
    assert trainable(model) == {name for name, _ in model.named_parameters()}
    assert any("token_embedding" in name for name in new[3])  # after both blocks of the text tower


def test_a_resnet_thaws_its_pool_and_stages_or_nothing(tmp_path):
    model = tiny_clip(tmp_path, "tiny-resnet").model
    image, _ = towers(model, "stages")
    assert image.blocks == (
        ("visual.attnpool",), ("visual.layer4",), ("visual.layer3",), ("visual.layer2",),
        ("visual.layer1",),
    )  # fmt: skip
    frozen = Unfreezer(model, UnfreezingConfig(first_blocks=9, projections=True, resnet="frozen"))
    frozen.apply(0)
    assert not any(name.startswith("visual") for name in trainable(model))


def test_no_config_trains_everything_from_the_start(model):
    assert set(Unfreezer(model, None).apply(0)) == {name for name, _ in model.named_parameters()}


def test_statistics_of_frozen_batch_norms_stand_still_and_thawed_ones_move(tmp_path):
    model = tiny_clip(tmp_path, "tiny-resnet").model
    unfreezer = Unfreezer(model, UnfreezingConfig(epochs_per_block=1, first_blocks=2))
    unfreezer.apply(0)  # the pool and layer 4
    set_training_mode(model)
    before = {k: v.clone() for k, v in model.state_dict().items() if "running" in k}
    model(torch.rand(4, 3, 32, 32), torch.randint(1, 99, (4, 12)))
    moved = {k for k, v in model.state_dict().items() if k in before and not v.equal(before[k])}
    assert moved and all(name.startswith("visual.layer4") for name in moved)


TIMM = {
    "eva02_tiny_patch14_224": 12,
    "convnext_atto": 12,
    "fastvit_t8": 10,
    "vitamin_small_224": 14,
}
"""Blocks of timm towers of the kinds that open_clip uses (EVA, ConvNeXt, MobileCLIP, ViTamin)."""


@pytest.fixture(scope="module", params=TIMM)
def timm(request):
    visual = open_clip.timm_model.TimmModel(
        request.param, embed_dim=8, image_size=224, pool="", proj="linear", pretrained=False
    )
    text = open_clip.transformer.TextTransformer(12, 99, width=16, heads=2, layers=2, output_dim=8)
    model = torch.nn.Module()
    model.visual, model.text = visual, text
    model.logit_scale = torch.nn.Parameter(torch.ones(()))
    return request.param, model


def test_a_timm_tower_thaws_block_by_block_to_the_end(timm):
    name, model = timm
    image, _ = towers(model, "stages")
    assert len(image.blocks) == TIMM[name]
    config = UnfreezingConfig(epochs_per_block=1, projections=True, embeddings=True)
    unfreezer = Unfreezer(model, config)
    history = [unfreezer.apply(epoch) for epoch in range(len(image.blocks) + 2)]
    of_tower = [[n for n in names if n.startswith("visual.trunk")] for names in history]
    assert any(n.startswith("visual.head") for n in history[0])
    assert all(of_tower[1:]), "an epoch thaws no block"
    # the last block first, the first block last but for the stem
    order = [n for names in of_tower[1:] for n in names]
    written = [n for n, _ in model.named_parameters() if n.startswith("visual.trunk")]
    assert written.index(of_tower[1][0]) > written.index(of_tower[-2][0])
    assert any("stem" in n or "patch_embed" in n for n in of_tower[-1])
    assert len(order) == len(set(order))
    assert trainable(model) == {n for n, _ in model.named_parameters()}


def test_a_tower_with_unknown_blocks_is_refused_with_a_way_out():
    class Strange(torch.nn.Module):
        visual = torch.nn.Linear(1, 1)

    with pytest.raises(InputError, match=r"image tower \(Linear\).*unfreezing to null"):
        Unfreezing(Strange(), UnfreezingConfig())


def test_the_optimiser_holds_what_trains_and_decays_only_matrices(model):
    unfreezer = Unfreezer(model, UnfreezingConfig(epochs_per_block=1, projections=True))
    groups = parameter_groups(model, ParameterGroup(unfreezer.apply(0)), 0.2)
    optimizer = make_optimizer(OptimizerConfig(), groups, fused=True)
    for group in parameter_groups(model, ParameterGroup(unfreezer.apply(1)), 0.2):
        optimizer.add_param_group(group)
    held = {id(p): group["weight_decay"] for group in optimizer.param_groups
            for p in group["params"]}  # fmt: skip
    names = {name: held[id(p)] for name, p in model.named_parameters() if id(p) in held}
    assert set(names) == trainable(model)
    assert names["logit_scale"] == names["ln_final.weight"] == 0
    assert names["transformer.resblocks.1.attn.in_proj_bias"] == 0
    assert names["transformer.resblocks.1.mlp.c_fc.weight"] == names["text_projection"] == 0.2
