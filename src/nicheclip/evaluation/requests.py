"""What a job is asked to judge."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nicheclip.config.evaluation import EvaluationConfig


@dataclass(frozen=True)
class Request:
    """One protocol of one evaluation."""

    evaluation: str
    protocol: str
    variants: frozenset[str]
    """The subject's variants that are judged by it."""
    options: EvaluationConfig
    """Of the evaluation; those that the protocol uses are set."""


def read_requests(cells: Iterable[Mapping[str, Any]], *, dataset: str, split: str) -> list[Request]:
    """Requests from plain values: ``evaluation``, ``protocol``, ``variants``, ``options`` each."""
    return [
        Request(
            cell["evaluation"],
            cell["protocol"],
            frozenset(cell["variants"]),
            evaluation_of(cell["options"], dataset=dataset, split=split),
        )
        for cell in cells
    ]


def evaluation_of(options: Mapping[str, Any], *, dataset: str, split: str) -> EvaluationConfig:
    """The evaluation with the ``options`` of one protocol, and defaults elsewhere."""
    facts = {"dataset": dataset, "split": split, "baseline": False}
    return EvaluationConfig.model_validate(facts | dict(options))
