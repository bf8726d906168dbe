"""What the methods that train share: views of images without labels, texts, the visual tower."""

import pickle

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter
from torch.nn.functional import normalize

from image_sets import write_images
from nicheclip.adaptation.class_texts import ClassTexts
from nicheclip.adaptation.task_texts import TaskTexts
from nicheclip.adaptation.trained.fair import OBJECTIVE
from nicheclip.adaptation.trained.tower import VisualTower
from nicheclip.adaptation.trained.views import ViewReader, Wanted
from nicheclip.config.adaptation import Method, StrongView
from nicheclip.data.image_set import ImageSet
from nicheclip.engine.sampling import BatchPlan
from nicheclip.models.encode import encode_texts
from nicheclip.models.encode_settings import EncodeSettings
from nicheclip.models.openclip import load
from nicheclip.models.views import ViewSettings, centre_view, decode
from nicheclip.runtime.errors import InputError
from small_adaptation import fair, small_task
from small_features import unit
from small_training import jpeg

SETTINGS = ViewSettings((32, 32), (0.5, 0.4, 0.3), (0.2, 0.25, 0.5))
EVERYTHING = Wanted(weak=(0.5, 1.0), crops=4, strong=StrongView())


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    return small_task(tmp_path_factory.mktemp("task"))


def plan(*rows, epoch=0):
    return BatchPlan(epoch, 0, np.array(rows))


def reader_of(task, wanted=EVERYTHING, seed=0):
    return ViewReader(task.images, SETTINGS, wanted, seed)


def test_a_batch_has_the_views_that_are_wanted(task):
    batch = reader_of(task).read(plan(4, 1, 9))
    assert {name: tuple(view.shape) for name, view in batch.items()} == {
        "plain": (3, 3, 32, 32),
        "weak": (3, 3, 32, 32),
        "crops": (3, 4, 3, 32, 32),
        "strong": (3, 3, 32, 32),
        "rows": (3,),
    }
    assert batch["rows"].tolist() == [4, 1, 9]
    encoded = task.images.read(4)
    image = decode(encoded.encoded, name="4", where="here")
    assert (batch["plain"][0].numpy() == centre_view(SETTINGS)(image)).all()
    assert set(reader_of(task, Wanted()).read(plan(4))) == {"plain", "rows"}
    assert set(reader_of(task, Wanted(plain=False, crops=1)).read(plan(4))) == {"crops", "rows"}


def test_views_follow_from_seed_epoch_and_image_alone(task):
    """The other images of a batch, their order and a copy in another process change nothing."""
    one, other = reader_of(task).read(plan(4, 1, 9)), reader_of(task).read(plan(2, 9, 4))
    copy = pickle.loads(pickle.dumps(reader_of(task))).read(plan(4))
    for name in ("plain", "weak", "crops", "strong"):
        assert one[name][0].equal(other[name][2]) and one[name][2].equal(other[name][1])
        assert one[name][0].equal(copy[name][0])
    for changed in (reader_of(task).read(plan(4, epoch=1)), reader_of(task, seed=1).read(plan(4))):
        assert not one["crops"][0].equal(changed["crops"][0])
        assert one["plain"][0].equal(changed["plain"][0])
    assert len({crop.numpy().tobytes() for crop in one["crops"][0]}) == 4


@pytest.mark.parametrize("kind", ["rand_augment", "moco", "crop"])
def test_each_kind_of_strong_view_changes_the_image(task, kind):
    wanted = Wanted(plain=False, strong=StrongView(kind=kind, crop_scale=(0.5, 1.0)))
    views = reader_of(task, wanted).read(plan(*range(20)))["strong"]
    again = reader_of(task, wanted).read(plan(*range(20), epoch=1))["strong"]
    assert views.equal(reader_of(task, wanted).read(plan(*range(20)))["strong"])
    assert sum(not a.equal(b) for a, b in zip(views, again, strict=True)) > 15


def test_an_image_too_small_for_a_crop_is_named(tmp_path):
    row = {"image_id": "0" * 16, "class_id": "a", "split": "train", "tar": 0}
    write_images(tmp_path, [row | {"jpg": jpeg((9, 9, 9), 0, size=(6, 1))}])
    reader = ViewReader(ImageSet(tmp_path / "train"), SETTINGS, Wanted(crops=2), 0)
    message = r"image 0{16} has 6 x 1 pixels, too few for a crop of 0\.5 of its shorter side"
    with pytest.raises(InputError, match=message):
        reader.read(plan(0))
    # an image smaller than the model's input is enlarged, as everywhere
    row["jpg"] = jpeg((9, 9, 9), 0, size=(6, 4))
    write_images(tmp_path / "larger", [row])
    reader = ViewReader(ImageSet(tmp_path / "larger/train"), SETTINGS, Wanted(crops=2), 0)
    assert reader.read(plan(0))["crops"].shape == (1, 2, 3, 32, 32)


def test_the_tower_gives_the_features_of_the_model_and_the_token_before_the_projection(task):
    clip = load(task.start)
    tower = VisualTower(clip)
    views = reader_of(task, Wanted()).read(plan(*range(5)))["plain"]
    images = tower.normalise(views)
    with torch.no_grad():
        expected = normalize(clip.model.encode_image(images), dim=1)
        visual = clip.model.visual
        last = visual.ln_post(visual.transformer(visual._embeds(images)))[:, 0]
        found = tower(views)
    torch.testing.assert_close(found.features, expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(found.cls, last, rtol=0, atol=1e-5)
    with_gradient = tower(views)  # all at once
    torch.testing.assert_close(with_gradient.features, expected, rtol=0, atol=1e-6)


def test_the_gradient_of_a_tower_is_that_of_the_model(task):
    clip = load(task.start)
    tower, views = VisualTower(clip), reader_of(task, Wanted()).read(plan(*range(5)))["plain"]
    target = torch.randn(5, 16, generator=torch.Generator().manual_seed(0))
    (tower(views).features * target).sum().backward()
    found = {n: p.grad.clone() for n, p in clip.model.visual.named_parameters()}
    clip.model.zero_grad()
    features = normalize(clip.model.encode_image(tower.normalise(views)), dim=1)
    (features * target).sum().backward()
    for name, parameter in clip.model.visual.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, rtol=0, atol=1e-5)


def test_tokens_that_are_put_in_change_the_result_and_learn(task):
    tower, views = VisualTower(load(task.start)), torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
    prompts = torch.randn(3, 32, generator=torch.Generator().manual_seed(0), requires_grad=True)
    found = tower(views, prompts)
    assert not found.features.detach().allclose(tower(views).features.detach(), atol=1e-3)
    found.features[:, 0].sum().backward()
    assert prompts.grad.abs().min() > 0


def test_names_in_templates_go_through_the_start_model(task):
    objective = OBJECTIVE(fair(), start=task.start, images=task.images, texts=task.texts, seed=0)
    sentences = [f"a photo of a {name}." for name in task.texts.class_names]
    expected = encode_texts(load(task.start), sentences, EncodeSettings(batch_size=4)).features
    found = objective.prompts()
    assert found.owners.tolist() == [0, 1, 2]
    np.testing.assert_allclose(found.features.numpy(), expected, atol=1e-6)


def texts(**changes):
    names = ["fig", "date", "plum"]
    given = {
        "class_ids": ("a", "b", "c"),
        "descriptions": ClassTexts.of(names, list(unit(3, 4).split(1))),
    }
    return TaskTexts(**given | changes)


def test_texts_that_do_not_fit_together_are_refused():
    assert texts().prompts() == [[f"a photo of a {n}."] for n in ("fig", "date", "plum")]
    with pytest.raises(InputError, match="2 class ids for 3 class names"):
        texts(class_ids=("a", "b"))
    with pytest.raises(InputError, match="2 class ids for 3 class names"):
        texts(class_ids=("a", "b", "a"))
    with pytest.raises(InputError, match=r"'a photo' has no \{\} for the class name"):
        texts(templates=("a photo",))
    with pytest.raises(InputError, match="templates: there are none"):
        texts(templates=())
    missing = ClassTexts.of(["fig", "date", "plum"], [unit(1, 4), unit(2, 4), unit(0, 4)])
    with pytest.raises(InputError, match="1 of 3 classes have no description: 'plum'"):
        texts(descriptions=missing)
    other = ClassTexts.of(["fig", "plum", "date"], list(unit(3, 4).split(1)))
    with pytest.raises(InputError, match="details and descriptions are not of the same classes"):
        texts(details=other)


def test_another_text_is_another_digest():
    names = ["fig", "date", "plum"]
    digests = {
        texts().digest(),
        texts(class_ids=("a", "b", "d")).digest(),
        texts(templates=("{}",)).digest(),
        texts(details=ClassTexts.of(names, list(unit(3, 4).split(1)))).digest(),
        texts(descriptions=ClassTexts.of(names, [unit(2, 4), *unit(2, 1, 4)])).digest(),
    }
    assert len(digests) == 5 and texts().digest() in digests


@pytest.mark.parametrize(
    ("kind", "epochs", "batch_size", "lr"),
    [
        ("fair", 15, 32, 1e-4),
        ("upl", 50, 32, 2e-3),
        ("pouf", 10, 96, 1e-3),
        ("lafter", 50, 50, 5e-4),
        ("reclip", 50, 64, 1e-3),
        ("dpa", 15, 64, 1e-4),
    ],
)
def test_a_method_has_its_published_numbers(kind, epochs, batch_size, lr):
    method = TypeAdapter(Method).validate_python({"kind": kind})
    assert (method.epochs, method.batch_size, method.optimizer.lr) == (epochs, batch_size, lr)


@pytest.mark.parametrize(
    "kind", ["clip", "cupl", "wca", "coder", "transclip", "stata", "optimal_transport", "must"]
)
def test_a_method_is_known_by_its_kind(kind):
    assert TypeAdapter(Method).validate_python({"kind": kind}).kind == kind


def test_an_unknown_kind_or_key_is_refused():
    with pytest.raises(ValueError, match="does not match any of the expected tags"):
        TypeAdapter(Method).validate_python({"kind": "magic"})
    with pytest.raises(ValueError, match="Extra inputs are not permitted"):
        TypeAdapter(Method).validate_python({"kind": "clip", "crops": 3})
