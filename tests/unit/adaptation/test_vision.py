"""Image models without texts beside the CLIP: what a job of optimal transport makes of them."""

import io

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch.nn.functional import normalize

from literal_transport import Literal
from nicheclip.adaptation.entries import Entry, Where
from nicheclip.adaptation.job import adapt
from nicheclip.config.compute import ComputeConfig
from nicheclip.config.training_free import TransportMethod
from nicheclip.data.image_set import ImageSet
from nicheclip.data.task_files import (
    FIT,
    JUDGE,
    TEXTS,
    TaskSentences,
    write_sentences,
    write_subset,
)
from nicheclip.models.backbones import create_backbone, save_backbone
from nicheclip.models.class_scores import read_scores
from nicheclip.models.openclip import load
from nicheclip.runtime.errors import InputError
from small_training import NAMES, start_model, write_squares

TEMPLATES = ("a photo of a {}.", "one {}.")
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """A task, a tiny CLIP and a tiny image model."""
    folder = tmp_path_factory.mktemp("job")
    write_squares(folder / "squares", train=18, val=9)
    start_model(folder)
    save_backbone(create_backbone("test_efficientnet", size=32, seed=3), folder / "dino/seed0")
    for task, judged in (("apart", "val"), ("same", "train")):
        for part, split in ((FIT, "train"), (JUDGE, judged)):
            images = ImageSet(folder / "squares" / split)
            write_subset(images, np.ones(len(images), bool), folder / task / part)
        names = tuple(NAMES.values())
        sentences = TaskSentences(
            class_ids=tuple(NAMES),
            class_names=names,
            templates=TEMPLATES,
            descriptions=tuple((f"a {name}.",) for name in names),
        )
        write_sentences(folder / task / TEXTS, sentences)
    return folder


def run(folder, models, task="apart", **options):
    """The probabilities of the judged images, and how many results were there already."""
    method = TransportMethod(kind="optimal_transport", **options)
    entry = Entry(name="transport", method=method, tasks=(task,), seeds=(0,))
    where = Where(
        start=folder / "start",
        tasks={task: folder / task},
        models=models,
        run_folder=models / "run",
        log=models / "log",
        compute=ComputeConfig(),
        code="",
        backbones={"dino": folder / "dino/seed0"},
    )
    _, kept = adapt([entry], where)
    scores = read_scores(models / "transport" / task / "seed0/scores.safetensors")
    return torch.from_numpy(scores.probabilities).double(), kept


def views(folder, size, mean, std):
    """[n, 3, s, s], by Pillow alone: the shorter side to ``size``, the centre, normalised."""
    found = []
    images = ImageSet(folder)
    for one in images.read_many(range(len(images))):
        image = Image.open(io.BytesIO(one.encoded)).convert("RGB")
        assert image.size == (40, 36)
        image = image.resize((int(size * 40 / 36), size), Image.Resampling.BICUBIC)
        left = round((image.width - size) / 2)
        pixels = np.array(image.crop((left, 0, left + size, size)))
        found.append(torch.from_numpy(pixels).permute(2, 0, 1) / 255)
    return (torch.stack(found) - mean[:, None, None]) / std[:, None, None]


@torch.inference_mode()
def seen(folder, part):
    """The features that timm's model gives of a task's images, in float64."""
    model = timm.create_model("test_efficientnet", num_classes=0).eval()
    model.load_state_dict(load_file(folder / "dino/seed0/backbone.safetensors"))
    return normalize(model(views(folder / part, 32, MEAN, STD)).double(), dim=1)


@torch.inference_mode()
def told(folder, part):
    """The CLIP's probabilities of a task's images, in float64."""
    clip = load(folder / "start")
    clip.model.eval()
    anchors = []
    for name in NAMES.values():
        texts = clip.model.encode_text(clip.tokenizer([t.format(name) for t in TEMPLATES]))
        anchors.append(normalize(texts.double(), dim=1).mean(dim=0))
    images = clip.model.encode_image(
        views(folder / part, 32, torch.tensor(clip.mean), torch.tensor(clip.std))
    )
    cosines = normalize(images.double(), dim=1) @ normalize(torch.stack(anchors), dim=1).T
    return (clip.logit_scale * cosines).softmax(dim=1)


def literal(folder, task, formula):
    """Ten iterations of the published equations in loops, and the classes of the judged images."""
    found = Literal([seen(folder, f"{task}/fit")], [told(folder, f"{task}/fit")], formula)
    for _ in range(10):
        found.iterate()
    if task == "same":
        return torch.tensor(found.plan, dtype=torch.float64) * found.n
    found.vision, found.n = [seen(folder, f"{task}/judge").numpy()], 9
    p, q = found.posterior(0), told(folder, f"{task}/judge").tolist()
    joined = torch.tensor(
        [
            [found.alpha[0] * p[i][c] + found.beta[0] * q[i][c] for c in range(found.k)]
            for i in range(found.n)
        ],
        dtype=torch.float64,
    )
    return joined / joined.sum(dim=1, keepdim=True)


@pytest.mark.parametrize("task", ["apart", "same"])
@pytest.mark.parametrize("formula", ["paper", "code"])
def test_a_job_joins_the_clip_with_the_image_model_as_published(job, tmp_path, task, formula):
    found, _ = run(job, tmp_path, task, vision=["dino"], formula=formula)
    torch.testing.assert_close(found, literal(job, task, formula), rtol=0, atol=1e-6)
    alone, _ = run(job, tmp_path, task, formula=formula)
    assert (alone - found).abs().max() > 1e-3, "the CLIP's own features stand in without one"


def test_weights_of_others_are_the_same_model_by_another_way(job, tmp_path):
    file = tmp_path / "weights.safetensors"
    save_file(load_file(job / "dino/seed0/backbone.safetensors"), file)
    given = {"architecture": "test_efficientnet", "weights": str(file), "size": 32}
    named, _ = run(job, tmp_path / "named", vision=["dino"])
    found, _ = run(job, tmp_path / "given", vision=[given])
    assert torch.equal(found, named)
    both, _ = run(job, tmp_path / "both", vision=["dino", given])
    torch.testing.assert_close(both.sum(dim=1), torch.ones(9).double())


def test_another_image_model_makes_the_result_anew(job, tmp_path):
    first, kept = run(job, tmp_path, vision=["dino"])
    assert kept == 0 and run(job, tmp_path, vision=["dino"])[1] == 1
    before = (job / "dino/seed0/backbone.safetensors").read_bytes()
    save_backbone(create_backbone("test_efficientnet", size=32, seed=4), job / "dino/seed0")
    try:
        other, kept = run(job, tmp_path, vision=["dino"])
    finally:
        (job / "dino/seed0/backbone.safetensors").write_bytes(before)
    assert kept == 0 and not torch.equal(other, first)


def test_damaged_weights_are_an_error(job, tmp_path):
    file = tmp_path / "weights.safetensors"
    save_file({"a": torch.zeros(2)}, file)
    given = {"architecture": "test_efficientnet", "weights": str(file), "size": 32}
    with pytest.raises(InputError, match="weights are not those of test_efficientnet"):
        run(job, tmp_path, vision=[given])


def test_a_model_that_is_there_twice_is_refused():
    with pytest.raises(ValueError, match="vision: dino is there twice"):
        TransportMethod(kind="optimal_transport", vision=["dino", "dino"])
