"""Two processes, or a batch in pieces, adapt as one process does with whole batches: what methods
gather, remember and decide is of all images."""

import numpy as np
import pytest
import torch

from fork_server import start_two, statuses
from nicheclip.models.deltas import DELTA_FILE
from nicheclip.models.openclip import load
from nicheclip.runtime.errors import InputError
from small_trained import classifier, fit_as_one_of_two
from small_training import start_model

#: with this eps, rounding in a gradient near 0 makes no step of its own
STEADY = {"lr": 1e-3, "eps": 1e-3}
#: those with terms of the whole batch, or with a memory
METHODS = {
    "pouf": {"learn_logit_scale": True},
    "reclip": {"neighbours": 3},
    "dpa": {"optimizer": STEADY},
    "must": {"optimizer": STEADY, "threshold": 0.4},
}


@pytest.mark.parametrize("kind", [*METHODS, "lafter"])
def test_a_batch_in_pieces_is_the_whole(task, tmp_path, kind):
    """The terms are not sums over images; gradient caching gives the gradient of the whole."""
    options = METHODS.get(kind, {"prompt_tokens": 3, "text_steps": 5, "optimizer": STEADY})
    task.fit(tmp_path / "whole", kind, **options)
    task.fit(tmp_path / "pieces", kind, accumulation=3, **options)
    whole, pieces = (classifier(tmp_path / name).anchors for name in ("whole", "pieces"))
    np.testing.assert_allclose(whole, pieces, rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", ["upl", "lafter", *METHODS])
def test_a_resnet_is_refused(task, tmp_path, monkeypatch, kind):
    monkeypatch.setattr(task, "start", start_model(tmp_path, "tiny-resnet"))
    with pytest.raises(InputError, match=r"visual tower \(ModifiedResNet\) has no \[CLS\] token"):
        task.objective(kind, **METHODS.get(kind, {}))


@pytest.mark.parametrize("kind", METHODS)
def test_two_processes_adapt_like_one(task, tmp_path, kind):
    one, two = tmp_path / "one", tmp_path / "two"
    arguments = (task.folder, two, kind)
    ranks = start_two(fit_as_one_of_two, *arguments, folder=tmp_path, **METHODS[kind])
    task.fit(one, kind, **METHODS[kind])
    assert statuses(ranks) == [0, 0]
    found, expected = (classifier(folder) for folder in (two, one))
    torch.testing.assert_close(
        torch.tensor(found.anchors), torch.tensor(expected.anchors), rtol=0, atol=1e-4
    )
    assert found.logit_scale == pytest.approx(expected.logit_scale)
    assert (two / "out" / DELTA_FILE).is_file()
    ours, theirs = (load(folder / "out").tensors() for folder in (one, two))
    for name, tensor in ours.items():
        torch.testing.assert_close(theirs[name], tensor, rtol=0, atol=1e-4)
