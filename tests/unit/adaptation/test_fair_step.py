"""A step of FAIR against its equations in loops, with each of its ablations."""

import math

import pytest
import torch
from fair_objective import first_batch, objective_of, step_of
from torch.nn.functional import normalize

from nicheclip.engine.objective import LOSS
from small_adaptation import small_task


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    return small_task(tmp_path_factory.mktemp("task"))


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
