"""What each method of adaptation sends through the towers: the one place that says so.

Figures are of one image that is fitted and one epoch, but for those that come once. A backward pass
costs as much as a forward pass where the tower's own weights stand still, for then it makes
gradients of activations alone; twice as much where they train.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nicheclip.config.adaptation import Trained
from nicheclip.config.training_free import TrainingFree


@dataclass(frozen=True)
class TaskSize:
    """How much there is to fit and to judge."""

    fit: int
    """Images that are fitted."""
    judged: int
    classes: int
    transductive: bool = False
    """The judged images are the fitted ones."""


@dataclass(frozen=True)
class Passes:
    """Through the image tower, in views; through the text tower, in texts."""

    forward: float = 0.0
    """Those that go back included."""
    backward: float = 0.0
    backward_cost: float = 1.0
    """In forward passes."""
    added_tokens: int = 0
    """Prompts beside the tokens of a view that goes back."""
    once: float = 0.0
    """Before the first epoch."""
    judged: float = 1.0
    """Of each image that is judged."""
    texts: float = 0.0
    """Forward and back in each step."""
    steps: int = 0
    """In an epoch."""

    def views(self, tokens: int) -> float:
        """What an image costs in an epoch, in forward passes of a view with ``tokens`` tokens."""
        longer = self.added_tokens / tokens
        return self.forward + self.backward * (longer + self.backward_cost * (1 + longer))

    def texts_an_epoch(self) -> float:
        """In forward passes of a text; the text tower's own weights stand still."""
        return 2 * self.texts * self.steps


def passes(method: Trained | TrainingFree, size: TaskSize) -> Passes:
    """What ``method`` needs on a task of ``size``."""
    return _PASSES[method.kind](method, size)


def epochs(method: Trained | TrainingFree) -> int:
    """How often a method goes through the images; 0 where it does not train."""
    return getattr(method, "epochs", 0)


def _features(method: Any, size: TaskSize) -> Passes:
    """Each judged image once; CLIP, CuPL and CODER read no other."""
    del method, size
    return Passes()


def _transductive(method: Any, size: TaskSize) -> Passes:
    """The fitted images are classified together; others follow one by one."""
    del method
    return Passes(once=0 if size.transductive else 1)


def _wca(method: Any, size: TaskSize) -> Passes:
    """The whole image and its crops."""
    del size
    return Passes(judged=1 + method.crops)


def _fair(method: Any, size: TaskSize) -> Passes:
    """The strong view learns; the plain view and all N crops, whatever k, give its label."""
    del size
    labelling = 1 + method.crops if method.labels == "crops" else 1
    return Passes(forward=labelling + 1, backward=1)


def _dpa(method: Any, size: TaskSize) -> Passes:
    """A weak view for the label, a strong one that learns; the memory is filled once."""
    del method, size
    return Passes(forward=2, backward=1, once=1)


def _must(method: Any, size: TaskSize) -> Passes:
    """The teacher's view and the masked one, for which all of the tower trains."""
    del method, size
    return Passes(forward=2, backward=1, backward_cost=2.0)


def _lafter(method: Any, size: TaskSize) -> Passes:
    """The label's view, and one with prompts that learns."""
    del size
    return Passes(forward=2, backward=1, added_tokens=method.prompt_tokens)


def _reclip(method: Any, size: TaskSize) -> Passes:
    """V encodes all images before each epoch and in it; T's image features never change."""
    steps = math.ceil(size.fit / method.batch_size)
    return Passes(forward=2, backward=1, texts=size.classes, steps=steps)


def _upl(method: Any, size: TaskSize) -> Passes:
    """All images once for their labels; then the chosen ones, and every class's prompt."""
    chosen = min(size.fit, method.images_per_class * size.classes)
    steps = math.ceil(chosen / method.batch_size)
    return Passes(forward=chosen / size.fit, once=1, texts=size.classes, steps=steps)


def _pouf(method: Any, size: TaskSize) -> Passes:
    """One view without gradient, and every class's prompt."""
    steps = math.ceil(size.fit / method.batch_size)
    return Passes(forward=1, texts=size.classes, steps=steps)


_PASSES: Mapping[str, Callable[[Any, TaskSize], Passes]] = {
    "clip": _features,
    "cupl": _features,
    "coder": _features,
    "wca": _wca,
    "transclip": _transductive,
    "stata": _transductive,
    "optimal_transport": _transductive,
    "upl": _upl,
    "pouf": _pouf,
    "lafter": _lafter,
    "reclip": _reclip,
    "dpa": _dpa,
    "must": _must,
    "fair": _fair,
}
