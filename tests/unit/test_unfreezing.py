import pytest
import torch

from nicheclip.config.training import OptimizerConfig, UnfreezingConfig
from nicheclip.models.openclip import open_clip
from nicheclip.runtime.errors import InputError
from nicheclip.training.optimization import make_optimizer, parameter_groups
from nicheclip.training.unfreezing import Unfreezer, towers, training_mode
from small_training import tiny_clip


@pytest.fixture
def model(tmp_path):
    return tiny_clip(tmp_path).model


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
        "visual.attnpool", "visual.layer4", "visual.layer3", "visual.layer2", "visual.layer1",
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
    training_mode(model)
    before = {k: v.clone() for k, v in model.state_dict().items() if "running" in k}
    model(torch.rand(4, 3, 32, 32), torch.randint(1, 99, (4, 12)))
    moved = {k for k, v in model.state_dict().items() if k in before and not v.equal(before[k])}
    assert moved and all(name.startswith("visual.layer4") for name in moved)


def test_a_tower_with_unknown_blocks_is_refused_with_a_way_out():
    class Timm(torch.nn.Module):
        visual = open_clip.model.TimmModel.__new__(open_clip.model.TimmModel)

    with pytest.raises(InputError, match=r"image tower \(TimmModel\).*unfreezing to null"):
        Unfreezer(Timm(), UnfreezingConfig())


def test_the_optimiser_holds_what_trains_and_decays_only_matrices(model):
    unfreezer = Unfreezer(model, UnfreezingConfig(epochs_per_block=1, projections=True))
    groups = parameter_groups(model, unfreezer.apply(0), 0.2)
    optimizer = make_optimizer(OptimizerConfig(), groups, fused=True)
    for group in parameter_groups(model, unfreezer.apply(1), 0.2):
        optimizer.add_param_group(group)
    held = {id(p): group["weight_decay"] for group in optimizer.param_groups
            for p in group["params"]}  # fmt: skip
    names = {name: held[id(p)] for name, p in model.named_parameters() if id(p) in held}
    assert set(names) == trainable(model)
    assert names["logit_scale"] == names["ln_final.weight"] == 0
    assert names["transformer.resblocks.1.attn.in_proj_bias"] == 0
    assert names["transformer.resblocks.1.mlp.c_fc.weight"] == names["text_projection"] == 0.2
