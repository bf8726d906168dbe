"""DINO: its equations as loops in float64, its schedules, its crops, and whole tiny runs."""

import csv
import math
import signal

import numpy as np
import pytest
import torch

from fork_server import start, start_two, statuses
from nicheclip.config.compute import ComputeConfig
from nicheclip.config.pretraining import CollapseConfig, CropConfig
from nicheclip.engine.objective import LOSS, Step
from nicheclip.engine.processes import join_processes
from nicheclip.engine.sampling import BatchPlan
from nicheclip.models.backbones import create_backbone, load_backbone, save_backbone
from nicheclip.models.multi_crop import MultiCrop
from nicheclip.models.views import ViewSettings
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.files import read_json, sha256_file
from nicheclip.training.dino import Centre, DinoHead, dino_sum, teacher_targets, teacher_temperature
from nicheclip.training.objectives.dino import Dino
from nicheclip.training.representation import CollapseWatch, effective_rank, neighbour_accuracy
from small_pretraining import pretraining_config, run, run_killed
from small_training import write_squares


def softmax(row):
    powers = [math.exp(value - max(row)) for value in row]
    return [power / sum(powers) for power in powers]


def loss_in_words(student, teacher, centre, student_temperature, temperature):
    """Algorithm 1 of the paper: every pair of a teacher's crop and another of the student's."""
    total, pairs = 0.0, 0
    for image, of_image in enumerate(teacher):
        for g, outputs in enumerate(of_image):
            target = softmax([(o - c) / temperature for o, c in zip(outputs, centre, strict=True)])
            for v, answers in enumerate(student[image]):
                if v == g:
                    continue
                answer = softmax([a / student_temperature for a in answers])
                total -= sum(t * math.log(a) for t, a in zip(target, answer, strict=True))
                pairs += 1
    return total / pairs


def test_the_loss_is_the_papers():
    random = torch.Generator().manual_seed(0)
    student = torch.randn(5, 6, 7, generator=random, dtype=torch.float64)
    teacher = torch.randn(5, 2, 7, generator=random, dtype=torch.float64)
    centre = torch.randn(7, generator=random, dtype=torch.float64)
    found = dino_sum(student, teacher_targets(teacher, centre, 0.5), 0.8) / 5
    expected = loss_in_words(student.tolist(), teacher.tolist(), centre.tolist(), 0.8, 0.5)
    assert float(found) == pytest.approx(expected, rel=1e-12)
    # as the objective calls it, in float32
    single = teacher_targets(teacher.float(), centre.float(), 0.5)
    assert float(dino_sum(student.float(), single, 0.8) / 5) == pytest.approx(expected, rel=1e-6)


def test_the_centre_is_a_moving_mean():
    centre, expected = Centre(3), np.zeros(3)
    for number in range(4):
        mean = np.array([number, -1.0, 0.25 * number])
        centre.move(torch.tensor(mean), 0.9)
        expected = 0.9 * expected + 0.1 * mean
    np.testing.assert_allclose(centre.mean.numpy(), expected, atol=1e-6)
    centre.move(torch.ones(3), 1.0)
    np.testing.assert_allclose(centre.mean.numpy(), expected, atol=1e-6)


def test_the_head_gives_cosines():
    torch.manual_seed(1)
    head = DinoHead(6, 8, 4, 5)
    outputs = head(torch.randn(3, 6))
    hidden = head.layers(torch.randn(1, 6))
    assert outputs.shape == (3, 5) and hidden.shape == (1, 4)
    assert float(outputs.detach().abs().max()) <= 1 + 1e-6
    with torch.no_grad():
        head.last.mul_(7)  # lengths do not count
    torch.manual_seed(1)
    torch.testing.assert_close(head(torch.zeros(1, 6)), DinoHead(6, 8, 4, 5)(torch.zeros(1, 6)))


@pytest.mark.parametrize(
    ("epoch", "expected"), [(0, 0.04), (1, 0.05), (2, 0.06), (3, 0.07), (4, 0.07), (90, 0.07)]
)
def test_the_teachers_temperature_rises_over_four_epochs(epoch, expected):
    assert teacher_temperature(0.04, 0.07, 4, epoch) == pytest.approx(expected, abs=1e-12)
    assert teacher_temperature(0.04, 0.07, 0, epoch) == 0.07


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    return write_squares(
        tmp_path_factory.mktemp("data") / "squares", train=14, val=6, captions=False
    )


@pytest.fixture
def objective(squares):
    return Dino(pretraining_config(), images=squares, seed=3)


def at(step, steps, sizes=(4,)):
    return Step(step, steps, 0, sizes, join_processes(ComputeConfig(), "32-true"))


def batch_of(objective):
    return objective.reader.read(BatchPlan(0, 0, np.array([0, 3, 5, 8])))


def test_weight_decay_and_momentum_follow_half_cosines(objective):
    """By hand at the quarter points: cos 45 degrees = .7071."""
    found = [objective.weight_decay(step, 8) for step in (0, 2, 4, 6)]
    expected = [0.4 + (0.04 - 0.4) * (1 + c) / 2 for c in (1, 0.70710678, 0, -0.70710678)]
    assert found == pytest.approx(expected, abs=1e-7)
    teacher = objective.held["teacher"]
    with torch.no_grad():
        objective.module.head.last.fill_(1)
        teacher.head.last.fill_(0)
    objective.losses(objective.module(batch_of(objective)), batch_of(objective), at(2, 8))
    objective.after_step(at(2, 8))
    momentum = 1 - (1 - 0.996) * (1 + 0.70710678) / 2
    assert teacher.head.last[0, 0].item() == pytest.approx(1 - momentum, rel=1e-4)


def test_a_batchs_loss_and_centre_are_those_of_the_modules_outputs(objective):
    batch, step = batch_of(objective), at(0, 8)
    assert batch["globals"].shape == (4, 2, 3, 32, 32) and batch["locals"].shape == (
        4,
        2,
        3,
        16,
        16,
    )
    outputs = objective.module.train()(batch)
    assert outputs["globals"].shape == (4, 2, 24) and outputs["locals"].shape == (4, 2, 24)
    teacher = objective.held["teacher"]
    with torch.no_grad():
        seen = teacher.train()({"globals": batch["globals"]})["globals"]
    student = torch.cat([outputs["globals"], outputs["locals"]], dim=1)
    expected = loss_in_words(
        student.double().tolist(), seen.double().tolist(), [0.0] * 24, 0.1, 0.04
    )
    loss = objective.losses(outputs, batch, step)[LOSS]
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    objective.after_step(step)
    mean = seen.double().mean(dim=(0, 1)).numpy()
    np.testing.assert_allclose(objective.held["centre"].mean.numpy(), 0.1 * mean, atol=1e-6)


def test_the_last_layer_waits_for_an_epoch(objective):
    names = [set(group.names) for epoch in range(3) for group in objective.trainable(epoch)]
    assert len(names) == 2 and names[1] == {"head.last"} and "head.last" not in names[0]
    assert names[0] | names[1] == {name for name, _ in objective.module.named_parameters()}


def test_neighbours_vote_by_their_cosines():
    """The nearest one outvotes two others that are 60 degrees away: e^(1/.07) > 2 e^(.5/.07)."""
    train = torch.tensor([[2.0, 0.0], [0.5, 0.8660254], [0.5, -0.8660254]])
    labels = torch.tensor([1, 0, 0])
    judged, expected = torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([1, 0])
    assert neighbour_accuracy(train, labels, judged, expected, 3) == 1.0
    assert neighbour_accuracy(train, labels, judged, torch.tensor([0, 0]), 20) == 0.5


def test_the_effective_rank_counts_directions():
    """Four corners of a square in a plane: two equal singular values."""
    plane = torch.tensor([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]])
    assert effective_rank(plane) == pytest.approx(2)
    assert effective_rank(torch.tensor([[1.0, 0], [-2.0, 0]])) == pytest.approx(1)
    assert effective_rank(torch.ones(5, 3)) == 0


def test_a_collapse_is_told_after_some_epochs_in_a_row():
    watch = CollapseWatch(CollapseConfig(patience=2))
    watch.look(0.0, 9.0)
    watch.look(0.3, 9.0)
    watch.look(0.3, 1.2)
    with pytest.raises(InputError, match=r"for 2 epochs .* 0\.3, .* 1\.20, expected 1\.50"):
        watch.look(0.3, 1.2)
    off = CollapseWatch(None)
    for _ in range(9):
        off.look(0.0, 0.0)


def test_crops_follow_from_the_generator_and_are_of_their_sizes():
    image = np.random.default_rng(1).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    views = ViewSettings((32, 32), (0.5, 0.5, 0.5), (0.2, 0.2, 0.2))
    crops = MultiCrop(views, CropConfig(local_crops=3, local_size=16))
    large, small = crops.cut(image, np.random.default_rng(7))
    assert large.shape == (2, 3, 32, 32) and small.shape == (3, 3, 16, 16)
    again = crops.cut(image, np.random.default_rng(7))
    assert np.array_equal(large, again[0]) and np.array_equal(small, again[1])
    assert not np.array_equal(large[0], large[1])
    none = MultiCrop(views, CropConfig(local_crops=0)).cut(image, np.random.default_rng(7))
    assert none[1].shape == (0, 3, 96, 96)


def test_without_colour_changes_a_grey_image_keeps_its_grey():
    image = np.full((40, 40, 3), (60, 120, 180), np.uint8)
    views = ViewSettings((16, 16), (0.5, 0.5, 0.5), (0.2, 0.2, 0.2))
    kept = MultiCrop(views, CropConfig(colour=False, local_size=8))
    changed = MultiCrop(views, CropConfig(local_size=8))
    for crops, alike in ((kept, True), (changed, False)):
        found = [crops.cut(image, np.random.default_rng(seed))[0] for seed in range(6)]
        expected = np.array([60, 120, 180]).reshape(1, 1, 3, 1, 1)
        assert (np.abs(np.stack(found).astype(int) - expected).max() <= 1) == alike


@pytest.fixture(scope="module")
def unbroken(squares, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    run(squares, folder)
    return folder


def result(folder):
    files = [folder / "out" / name for name in ("backbone.safetensors", "backbone.json")]
    return [sha256_file(file) for file in files], (folder / "out/history.csv").read_text()


def test_a_run_gives_a_backbone_and_its_figures(unbroken):
    rows = list(csv.DictReader((unbroken / "out/history.csv").open()))
    assert len(rows) == 2
    for row in rows:
        assert 0 < float(row["answer_entropy"]) <= float(row["teacher_entropy"]) <= 1
        assert 0 < float(row["feature_rank"]) <= 96 and 0 <= float(row["knn_accuracy"]) <= 1
    backbone = load_backbone(unbroken / "out")
    assert backbone.facts.features == 96 and backbone.views.size == (32, 32)
    facts = read_json(unbroken / "out/train.json")["facts"]
    assert facts == {"images": 14, "features": 96}


def test_channels_last_trains_to_the_same_and_saves_plainly(squares, tmp_path, monkeypatch):
    """Student and teacher. With this eps, rounding of a gradient near 0 makes no step."""
    places, found, original = [], [], Dino.after_step

    def look(objective, step):
        for module in (objective.module, *objective.held.values()):
            kernels = [w for w in module.parameters() if w.ndim == 4 and min(w.shape[1:]) > 1]
            places.append(all(w.is_contiguous(memory_format=torch.channels_last) for w in kernels))
        original(objective, step)

    monkeypatch.setattr(Dino, "after_step", look)
    optimizer = {"lr": 1e-3, "weight_decay": 0.04, "eps": 1e-3, "gradient_clip": 3.0}
    for name, last in (("plain", False), ("last", True)):
        places.clear()
        run(squares, tmp_path / name, epochs=1, optimizer=optimizer, channels_last=last)
        found.append(all(places))
    assert found == [False, True]
    plain, last = (
        load_backbone(tmp_path / name / "out").model.state_dict() for name in ("plain", "last")
    )
    for name, values in plain.items():
        torch.testing.assert_close(last[name], values, rtol=1e-3, atol=1e-4)
    sizes = [(tmp_path / n / "out/backbone.safetensors").stat().st_size for n in ("plain", "last")]
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize("at_step", [2, 5])
def test_a_kill_does_not_change_the_bytes(squares, unbroken, tmp_path, at_step):
    options = {"at_step": at_step, "every_step": True}
    killed = start(run_killed, squares, tmp_path, errors=tmp_path / "errors.txt", **options)
    assert statuses([killed]) == [-signal.SIGKILL], (tmp_path / "errors.txt").read_text()
    report = run(squares, tmp_path, every_step=True)
    assert report.resumed_at_steps == [at_step - 1]
    assert result(tmp_path) == result(unbroken)


def test_two_processes_train_like_one(squares, tmp_path):
    """With a backbone without batch norm, which sees one process's crops alone."""
    # with this eps, rounding in a gradient near 0 makes no step of its own
    optimizer = {"lr": 1e-3, "weight_decay": 0.04, "eps": 1e-3, "gradient_clip": 3.0}
    options = {"backbone": "test_mambaout", "epochs": 1, "optimizer": optimizer}
    ranks = start_two(
        run, squares, tmp_path / "two", folder=tmp_path, compute={"nodes": 2}, **options
    )
    run(squares, tmp_path / "one", **options)
    assert statuses(ranks) == [0, 0]
    one, two = (
        load_backbone(tmp_path / name / "out").model.state_dict() for name in ("one", "two")
    )
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, rtol=0, atol=1e-5)
    rows = [
        next(csv.DictReader((tmp_path / name / "out/history.csv").open()))
        for name in ("one", "two")
    ]
    for figure in ("loss", "teacher_entropy", "answer_entropy", "feature_rank", "knn_accuracy"):
        assert float(rows[0][figure]) == pytest.approx(float(rows[1][figure]), abs=1e-4)


def test_a_collapsed_run_stops_with_its_figures(squares, tmp_path):
    """A temperature that makes every answer even tells nothing about an image."""
    recipe = {"teacher_temperature": 1e6, "collapse": {"patience": 1}}
    with pytest.raises(InputError, match=r"collapsed: for 1 epochs .*information of"):
        run(squares, tmp_path, recipe=recipe)
    assert not (tmp_path / "out").exists()


def test_backbones_come_from_timm(tmp_path):
    first, again, other = (create_backbone("test_resnet", size=32, seed=s) for s in (0, 0, 1))
    weights = [one.model.conv1[0].weight for one in (first, again, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])
    save_backbone(first, tmp_path / "one")
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        expected = first.model.eval()(images)
        torch.testing.assert_close(load_backbone(tmp_path / "one").model(images), expected)
    with pytest.raises(InputError, match=r"no model 'resnet51'.*resnet\d"):
        create_backbone("resnet51", size=32, seed=0)
    (tmp_path / "one/backbone.safetensors").write_bytes(b"half")
    with pytest.raises(InputError, match=r"expected weights of test_resnet; it cannot be read"):
        load_backbone(tmp_path / "one")
    with pytest.raises(InputError, match=r"no backbone\.json; expected a backbone"):
        load_backbone(tmp_path)


def test_a_transformer_takes_smaller_crops_that_its_patches_fit(squares):
    config = pretraining_config(backbone="test_vit", size=160, recipe={"crops": {"local_size": 64}})
    assert Dino(config, images=squares, seed=0)
    wrong = pretraining_config(backbone="test_vit", size=160, recipe={"crops": {"local_size": 60}})
    with pytest.raises(InputError, match=r"test_vit with images of 60 pixels.*multiples of its"):
        Dino(wrong, images=squares, seed=0)
