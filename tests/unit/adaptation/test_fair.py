"""FAIR on a small task: what trains, what a step minimises, what is saved."""

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from nicheclip.adaptation.trained.fair import OBJECTIVE, FairModule
from nicheclip.adaptation.trained.tower import layer_norms
from nicheclip.config.compute import ComputeConfig
from nicheclip.data.image_set import ImageSet
from nicheclip.engine.objective import LOSS, Step
from nicheclip.engine.processes import join_processes
from nicheclip.engine.sampling import BatchPlan
from nicheclip.models.classifier import read_classifier
from nicheclip.models.deltas import DELTA_FILE
from nicheclip.models.encode import encode_images
from nicheclip.models.encode_settings import EncodeSettings
from nicheclip.models.openclip import Clip, load, open_clip
from nicheclip.runtime.errors import InputError
from small_adaptation import (
    adapt,
    bytes_of,
    fair,
    in_two_processes,
    killed,
    small_task,
    small_texts,
)
from small_training import start_model, write_squares

SEED = 0


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    return small_task(tmp_path_factory.mktemp("task"))


@pytest.fixture(scope="module")
def adapted(task):
    folder = task.folder / "adapted"
    return folder, adapt(task, folder, fair())


def objective_of(task, **changes):
    return OBJECTIVE(
        fair(**changes), start=task.start, images=task.images, texts=task.texts, seed=SEED
    )


def first_batch(objective, rows=(3, 0, 11, 7, 16)):
    return objective.reader.read(BatchPlan(0, 0, np.array(rows)))


def step_of(rows):
    return Step(0, 1, 0, (rows,), join_processes(ComputeConfig(), "32-true"))


# --- what trains


@pytest.fixture(scope="module")
def vit_b_32():
    """The real architecture without weights."""
    config = open_clip.get_model_config("ViT-B-32")
    with torch.device("meta"):
        return lambda: Clip(open_clip.create_model("ViT-B-32", device="meta"), None, config)


def trained_parameters(module):
    parameters = dict(module.named_parameters())
    return sum(parameters[name].numel() for name in module.trained())


@pytest.mark.parametrize(
    ("train", "count"),
    [
        ("layer_norm", 45_056),  # 39,936 + 10 x 512: Table 9's 45.1K
        ("lora", 147_456 + 5_120),
        ("k_adaptation", 50_176 + 5_120),
        ("k_adaptation_as_published", 50_176 + 5_120),
    ],
)
def test_a_vit_b_32_with_ten_classes_trains_as_many_numbers_as_published(vit_b_32, train, count):
    anchors = torch.zeros(10, 512)
    module = FairModule(vit_b_32(), anchors, fair(train=train), logit_scale=100.0)
    assert trained_parameters(module) == count
    assert len(set(module.trained())) == len(module.trained())


def gradients(objective):
    """Names of the parameters that a step's loss moves, when those that train may move."""
    module = objective.module
    groups = {name for group in objective.trainable(0) for name in group.names}
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(name in groups)
    batch = first_batch(objective)
    torch.manual_seed(0)
    objective.losses(module(batch), batch, step_of(5))[LOSS].backward()
    return groups, {
        name
        for name, parameter in module.named_parameters()
        if parameter.grad is not None and float(parameter.grad.abs().max()) > 0
    }


def test_gradients_reach_the_norms_and_the_anchors_alone(task):
    objective = objective_of(task)
    groups, moved = gradients(objective)
    norms = set(layer_norms(objective.module))
    assert groups == moved == norms | {"anchors"}
    # two blocks with two norms each, one before and one after; weights and biases
    assert len(norms) == 12 and all(".ln_" in name for name in norms)


@pytest.mark.parametrize("train", ["lora", "k_adaptation", "k_adaptation_as_published"])
def test_gradients_reach_what_can_learn(task, train):
    """At the start LoRA's second factor is 0, and so is one of K-Adaptation's: what is before it
    has no gradient yet. As published K-Adaptation moves its bias alone.
    """
    groups, moved = gradients(objective_of(task, train=train))
    last = {"lora": "up", "k_adaptation": "right", "k_adaptation_as_published": "bias"}[train]
    blocks = [f"tower.visual.transformer.resblocks.{b}.attn.change." for b in (0, 1)]
    expected = {"anchors", *(block + last for block in blocks)}
    if train == "k_adaptation":
        expected |= {block + "bias" for block in blocks}
    assert moved == expected and moved < groups


def test_k_adaptation_learns_its_factors_and_as_published_never(task):
    for train, learns in (("k_adaptation", True), ("k_adaptation_as_published", False)):
        objective = objective_of(task, train=train)
        module = objective.module
        before = {name: p.detach().clone() for name, p in module.named_parameters()}
        names = [name for group in objective.trainable(0) for name in group.names]
        optimizer = torch.optim.AdamW([dict(module.named_parameters())[n] for n in names], lr=1e-3)
        for _ in range(3):
            batch = first_batch(objective)
            optimizer.zero_grad()
            objective.losses(module(batch), batch, step_of(5))[LOSS].backward()
            optimizer.step()
        moved = {n for n, p in module.named_parameters() if not p.equal(before[n])}
        factors = {n for n in names if n.endswith((".left", ".right"))}
        # AdamW shrinks what has a gradient of 0, which is no learning
        shrunk = {n for n in factors if dict(module.named_parameters())[n].grad.abs().max() == 0}
        assert (not shrunk) == learns
        assert moved <= set(names)
        if not learns:
            assert shrunk == factors


# --- what a step minimises


def encoded(objective, view):
    """Feature and [CLS] of one view, as float64 rows."""
    with torch.no_grad():
        found = objective.module.tower.eval()(view[None])
    return found.features[0].double(), found.cls[0].double()


def cosine(one, other):
    return float((one * other).sum() / one.norm() / other.norm())


def softmax(values):
    return (torch.tensor(values, dtype=torch.float64)).softmax(dim=0).tolist()


def literal_scores(objective, batch, image):
    """The scores of an image's label, by loops over its crops, classes and descriptions."""
    options, texts = objective.options, objective.texts
    anchors = normalize(objective.module.anchors.detach().double(), dim=1)
    if options.labels == "image":
        feature = encoded(objective, batch["weak"][image])[0]
        return [cosine(feature, anchor) for anchor in anchors]
    whole, whole_cls = encoded(objective, batch["plain"][image])
    crops = [encoded(objective, crop) for crop in batch["crops"][image]]
    if options.relevance == "cls":
        w = [cosine(whole_cls, cls) for _, cls in crops]
    else:
        w = softmax([cosine(whole, feature) for feature, _ in crops])
    chosen = sorted(range(len(w)), key=lambda i: -w[i])[: options.top_crops]
    total = sum(abs(w[i]) for i in chosen)
    if options.classes != "descriptions":
        return [sum(w[i] * cosine(crops[i][0], a) for i in chosen) / total for a in anchors]
    descriptions = texts.descriptions
    prompts = objective.prompts()
    scores = []
    for c in range(texts.classes):
        mine = descriptions.features[descriptions.owners == c].double()
        prompt = prompts.features[prompts.owners == c][0].double()
        v = softmax([cosine(prompt, one) for one in mine])
        pairs = [(i, j) for i in chosen for j in range(len(mine))]
        scores.append(sum(w[i] * v[j] * cosine(crops[i][0], mine[j]) for i, j in pairs) / total)
    return scores


ABLATIONS = {
    "fair": {},
    "without weight": {"weight": "none"},
    "one factor": {"weight_by_anchors": False},
    "fair-g": {"labels": "image", "weight": "none"},
    "wca": {"classes": "descriptions", "relevance": "feature", "top_crops": None, "weight": "none"},
    "wca + selection": {"classes": "descriptions", "relevance": "feature", "weight": "none"},
    "wca + cls": {"classes": "descriptions", "top_crops": None, "weight": "none"},
    "wca + anchors": {"relevance": "feature", "top_crops": None, "weight": "none"},
}


@pytest.mark.parametrize("name", ABLATIONS)
def test_a_step_minimises_what_the_equations_say(task, name):
    objective = objective_of(task, **ABLATIONS[name])
    module, options = objective.module, objective.options
    with torch.no_grad():  # far enough apart for labels that differ
        module.anchors += 0.3 * torch.randn(
            module.anchors.shape, generator=torch.Generator().manual_seed(2)
        )
    batch = first_batch(objective)
    terms = objective.losses(module(batch), batch, step_of(5))
    found = {name: term.item() for name, term in terms.items()}

    anchors = normalize(module.anchors.detach().double(), dim=1)
    scale, learnt, mean = objective.logit_scale, [], [0.0] * 3
    for image in range(5):
        scores = literal_scores(objective, batch, image)
        label, second = sorted(range(3), key=lambda c: -scores[c])[:2]
        q = softmax([scale * s for s in scores])
        weight = 1.0 if options.weight == "none" else q[label] - q[second]
        if options.weight != "none" and options.weight_by_anchors:
            weight *= 1 - cosine(anchors[label], anchors[second])
        strong = encoded(objective, batch["strong"][image])[0]
        p = softmax([scale * cosine(strong, anchor) for anchor in anchors])
        learnt.append(-weight * math.log(p[label]))
        mean = [m + one / 5 for m, one in zip(mean, p, strict=True)]
    assert found["self_training"] == pytest.approx(sum(learnt) / 5, rel=1e-4, abs=1e-6)
    fairness = -sum(math.log(m) for m in mean) / 3 / 0.5
    assert found["fairness"] == pytest.approx(fairness, rel=1e-4, abs=1e-6)
    assert found[LOSS] == pytest.approx(sum(learnt) / 5 + fairness, rel=1e-4, abs=1e-6)


def test_the_moving_average_begins_anew_in_an_epoch_and_is_kept_in_checkpoints(task):
    objective, other = objective_of(task), objective_of(task)
    batch = first_batch(objective)
    outputs = {name: value.detach() for name, value in objective.module(batch).items()}
    objective.losses(outputs, batch, step_of(5))
    kept = objective.state_dict()
    mean = outputs["logits"].softmax(dim=1).mean(dim=0)
    torch.testing.assert_close(kept["average"], mean)
    fresh = float(other.losses(outputs, batch, step_of(5))["fairness"])
    skewed = {"average": torch.tensor([0.98, 0.01, 0.01])}
    other.load_state_dict(skewed)
    half = (mean + skewed["average"]) / 2
    found = float(other.losses(outputs, batch, step_of(5))["fairness"])
    assert found == pytest.approx(float(-half.log().mean() / 0.5), rel=1e-5)
    other.begin_epoch(None)
    assert other.state_dict() == {"average": None}
    assert float(other.losses(outputs, batch, step_of(5))["fairness"]) == fresh


def test_classes_that_do_not_learn_stay_what_they_were(task):
    for changes in ({"classes": "initial"}, {"labels": "coder"}, {"classes": "descriptions"}):
        objective = objective_of(task, **changes)
        batch = first_batch(objective)
        before = objective.module(batch)["scores"]
        with torch.no_grad():
            objective.module.anchors.add_(torch.randn(3, 16))
        assert objective.module(batch)["scores"].equal(before), changes
    learned = objective_of(task)
    before = learned.module(batch := first_batch(learned))["scores"]
    with torch.no_grad():
        learned.module.anchors.add_(torch.randn(3, 16))
    assert not learned.module(batch)["scores"].equal(before)


def test_coder_labels_by_names_and_details(task):
    objective = objective_of(task, labels="coder")
    batch = first_batch(objective)
    scores = objective.module(batch)["scores"]
    feature = encoded(objective, batch["weak"][0])[0]
    names, details = objective.prompts(), objective.texts.details
    for c in range(3):
        name = max(cosine(feature, t) for t in names.features[names.owners == c])
        rest = [cosine(feature, t) for t in details.features[details.owners == c]]
        assert float(scores[0, c]) == pytest.approx(sum([name, *rest]) / (1 + len(rest)), abs=1e-6)


# --- the run


def test_the_loss_falls_and_the_report_has_the_facts(adapted):
    folder, report = adapted
    assert report.final["loss"] < read_history(folder)[0]
    assert report.trainable == 384 + 3 * 16
    assert report.facts == {"images": 20, "classes": 3}


def read_history(folder):
    header, *rows = (folder / "out/history.csv").read_text().splitlines()
    place = header.split(",").index("loss")
    return [float(row.split(",")[place]) for row in rows]


def test_the_result_is_a_subject(task, adapted):
    """A delta of the image tower alone, and a classifier; both are what the run ended with."""
    folder, _ = adapted
    classifier = read_classifier(folder / "out/classifier.safetensors")
    assert classifier.class_ids == ("a", "b", "c")
    assert classifier.class_names == ("Red thing", "Green thing", "Blue thing")
    assert classifier.logit_scale == pytest.approx(load(task.start).logit_scale)
    np.testing.assert_allclose(np.linalg.norm(classifier.anchors, axis=1), 1, rtol=1e-5)
    before, after = load(task.start).tensors(), load(folder / "out").tensors()
    changed = {name for name in before if not before[name].equal(after[name])}
    assert changed and all(name.startswith("visual.") and ".ln_" in name for name in changed)
    features = encode_images(
        load(folder / "out"), task.images, EncodeSettings(batch_size=8)
    ).features
    assert (features @ classifier.anchors.T).shape == (20, 3)


@pytest.mark.parametrize("train", ["lora", "k_adaptation"])
def test_what_attention_learned_is_saved_in_its_weights(tmp_path, task, train):
    """The saved model gives the same features as the module had in the end."""
    kept = {}
    original = OBJECTIVE.save

    def save(self, folder):
        with self.module.tower.evaluating():
            batch = first_batch(self)
            kept["features"] = self.module.tower(batch["plain"]).features
        original(self, folder)
        with self.module.tower.evaluating():
            assert self.module.tower(batch["plain"]).features.equal(kept["features"])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OBJECTIVE, "save", save)
        adapt(task, tmp_path, fair(train=train))
    rows = [3, 0, 11, 7, 16]
    clip = load(tmp_path / "out")
    found = encode_images(clip, task.images, EncodeSettings(batch_size=8)).features[rows]
    np.testing.assert_allclose(found, kept["features"].numpy(), atol=1e-5)
    untouched = encode_images(load(task.start), task.images, EncodeSettings(batch_size=8)).features[
        rows
    ]
    assert np.abs(found - untouched).max() > 1e-3


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tmp_path, task, adapted):
    adapt(task, tmp_path / "adapted", fair())
    again = bytes_of(tmp_path / "adapted")
    first = bytes_of(adapted[0])
    assert again[DELTA_FILE] == first[DELTA_FILE]
    assert again["classifier.safetensors"] == first["classifier.safetensors"]
    assert again["history.csv"] == first["history.csv"]
    adapt(task, tmp_path / "other", fair(), seed=1)
    assert bytes_of(tmp_path / "other")[DELTA_FILE] != first[DELTA_FILE]


@pytest.mark.parametrize(
    ("at_step", "changes"),
    [(2, {}), (5, {}), (4, {"train": "k_adaptation", "weight": "relative_ratio"})],
)
def test_killed_and_resumed_gives_the_same_bytes(tmp_path, task, adapted, at_step, changes):
    """Three steps an epoch: within the first, the second, and after the first of the second."""
    options = fair(**changes)
    killed(task, tmp_path / "killed", options, at_step=at_step)
    report = adapt(task, tmp_path / "killed", options)
    assert report.resumed_at_steps == [at_step - 1]
    if changes:
        adapt(task, tmp_path / "whole", options)
    whole = tmp_path / "whole" if changes else adapted[0]
    names = (DELTA_FILE, "classifier.safetensors", "history.csv")
    one, other = bytes_of(tmp_path / "killed"), bytes_of(whole)
    assert [one[name] for name in names] == [other[name] for name in names]


def test_in_bfloat16_scores_and_logits_stay_float32(task):
    objective = objective_of(task, relevance="feature")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = objective.module(first_batch(objective))
    exact = objective.module(first_batch(objective))
    for name, values in found.items():
        assert values.dtype == torch.float32
        torch.testing.assert_close(values, exact[name], rtol=0, atol=0.3)
    bfloat16 = found["scores"].detach().bfloat16().float()
    assert not bfloat16.equal(found["scores"]), "they were rounded"


def test_pieces_give_the_loss_of_the_whole(tmp_path, task, adapted):
    report = adapt(task, tmp_path, fair(accumulation=2))
    assert report.final["loss"] == pytest.approx(adapted[1].final["loss"], abs=1e-4)


def test_two_processes_adapt_like_one(tmp_path, task):
    """The moving average and the mean weight are those of the whole batch. A larger eps keeps
    AdamW from making much of gradients that are almost 0.
    """
    optimizer = {"lr": 1e-2, "weight_decay": 0.1, "eps": 1e-3}
    options = fair(optimizer=optimizer, weight="relative_ratio", epochs=2)
    adapt(task, tmp_path / "one", options)
    in_two_processes(task, tmp_path / "two", options)
    one, two = (
        read_classifier(tmp_path / folder / "out/classifier.safetensors").anchors
        for folder in ("one", "two")
    )
    np.testing.assert_allclose(one, two, atol=1e-5)
    start = OBJECTIVE(
        options, start=task.start, images=task.images, texts=task.texts, seed=0
    ).description_anchors()
    assert np.abs(one - start.numpy()).max() > 1e-3


def test_labels_are_not_reachable(task):
    """There is no file of labels, and nothing that the method is given has them."""
    assert not list(task.folder.rglob("squares/train/labels.arrow"))
    assert isinstance(objective_of(task).images, ImageSet)
    assert not hasattr(objective_of(task).images, "class_id")


# --- bad input


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"top_crops": 4}, "top_crops: 4 of 3 crops; expected at most as many"),
        ({"crop_side": [0.9, 0.5]}, "crop_side: expected 0 < low <= high <= 1"),
        ({"crops": 0}, "greater than or equal to 1"),
    ],
)
def test_options_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        fair(**changes)


def test_one_class_is_refused(task):
    texts = task.texts
    alone = type(texts)(
        ("a",), type(texts.descriptions).of(["Red thing"], [texts.descriptions.features[:2]])
    )
    with pytest.raises(InputError, match=r"one class \('Red thing'\); expected at least two"):
        OBJECTIVE(fair(), start=task.start, images=task.images, texts=alone, seed=0)


def test_fewer_images_than_classes_are_refused(tmp_path, task):
    write_squares(tmp_path, train=2, val=0, tars=1)
    with pytest.raises(InputError, match="2 images for 3 classes; expected at least as many"):
        OBJECTIVE(
            fair(),
            start=task.start,
            images=ImageSet(tmp_path / "train"),
            texts=task.texts,
            seed=0,
        )


def test_a_resnet_is_refused(tmp_path, task):
    start = start_model(tmp_path, "tiny-resnet")
    with pytest.raises(InputError, match=r"visual tower \(ModifiedResNet\) has no \[CLS\] token"):
        OBJECTIVE(fair(), start=start, images=task.images, texts=small_texts(start), seed=0)


def test_texts_of_another_model_and_missing_details_are_refused(task):
    texts = task.texts
    features = normalize(torch.randn(9, 8), dim=1)
    other = type(texts.descriptions)(texts.class_names, features, texts.descriptions.owners)
    given = {"start": task.start, "images": task.images, "seed": 0}
    with pytest.raises(InputError, match="features of 8 dimensions, the start model has 16"):
        OBJECTIVE(fair(), texts=type(texts)(texts.class_ids, other), **given)
    bare = type(texts)(texts.class_ids, texts.descriptions)
    with pytest.raises(InputError, match="`labels: coder` needs attributes and analogies"):
        OBJECTIVE(fair(labels="coder"), texts=bare, **given)
