"""Numbers worked out by hand: accuracy by class means, batch norms over processes, a lost loss."""

import math
from types import SimpleNamespace

import pytest
import torch

from nicheclip.engine.processes import Processes
from nicheclip.engine.updates import share_statistics
from nicheclip.training.losses import Pairs
from nicheclip.training.validation import class_mean_accuracy, joined


def pairs(images, texts, labels):
    rows = (torch.nn.functional.normalize(torch.tensor(r).float(), dim=1) for r in (images, texts))
    return Pairs(*rows, torch.tensor(labels))


def test_each_image_goes_to_the_nearest_class_mean():
    """Class 5's texts are at 0 and 90 degrees, so its mean is at 45; class 2's mean is at 180.
    Images at 45, 100 (nearer to 45 than to 180), 170 and 120 (nearer to 180) degrees.
    """
    degrees = [math.radians(d) for d in (45, 100, 170, 120)]
    images = [[math.cos(d), math.sin(d)] for d in degrees]
    texts = [[1, 0], [0, 1], [-1, 0], [-1, 0]]
    assert class_mean_accuracy(pairs(images, texts, [5, 5, 2, 2])) == 1.0
    # With the third pair in class 5 that class's mean turns to 90 degrees: the third image goes to
    # 180, and the fourth, 30 degrees from 90 and 60 from 180, to class 5.
    assert class_mean_accuracy(pairs(images, texts, [5, 5, 5, 2])) == 0.5


def test_a_mean_is_a_direction_not_the_nearest_single_text():
    """The image at 10 degrees is nearest to the text at 0, whose class has its mean at 60; the
    other class's mean is at 30.
    """
    angles = [0, 120, 30, 10]
    texts = [[math.cos(math.radians(a)), math.sin(math.radians(a))] for a in (0, 120, 30, 30)]
    images = [[math.cos(math.radians(a)), math.sin(math.radians(a))] for a in angles]
    # class 0: images at 0 (wrong) and 120 (right); class 1: images at 30 and 10 (both right)
    assert class_mean_accuracy(pairs(images, texts, [0, 0, 1, 1])) == 0.75


def test_parts_are_joined_in_their_order():
    one, two = pairs([[1, 0]], [[0, 1]], [3]), pairs([[0, 1], [1, 0]], [[1, 0], [1, 0]], [4, 5])
    both = joined([one, two])
    assert both.images.tolist() == [[1, 0], [0, 1], [1, 0]]
    assert both.texts.tolist() == [[0, 1], [1, 0], [1, 0]]
    assert both.labels.tolist() == [3, 4, 5]


@pytest.mark.parametrize(
    ("world", "device", "shared"), [(2, "cuda", True), (1, "cuda", False), (2, "cpu", False)]
)
def test_batch_norms_share_their_statistics_over_gpus(world, device, shared):
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1), torch.nn.BatchNorm2d(2))
    model[1].running_mean.fill_(0.25)
    fabric = SimpleNamespace(world_size=world, device=torch.device(device))
    share_statistics(model, Processes(fabric))
    norm = model[1]
    assert isinstance(norm, torch.nn.SyncBatchNorm) is shared
    assert norm.running_mean.tolist() == [0.25, 0.25]
