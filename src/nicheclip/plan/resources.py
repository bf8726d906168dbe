"""What jobs ask a scheduler for: more with more input, twice as much in each further attempt.

A further attempt asks for no more than the largest partition gives a job: it may have been for want
of time that the first failed, and a request for more memory than there is would be refused.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from nicheclip.config.alignment import AlignmentConfig
from nicheclip.config.compute import ComputeConfig
from nicheclip.config.data import ImageConfig


class Input(Protocol):
    """The input files of a job, as Snakemake gives them."""

    @property
    def size_mb(self) -> float:
        """Of all files together."""
        ...


@dataclass
class Largest:
    """What the largest partition gives one job."""

    mem_mb: float = math.inf
    runtime: float = math.inf
    """Minutes."""


#: the driver fills it in, which alone knows the partitions
LARGEST = Largest()

#: of a ResNet-50's 2048 and a CLIP's 512 numbers for an image
FEATURES_MB = 4 * (2048 + 512) / 2**20

#: (wildcards, input, attempt) to a number; Snakemake finds the arguments by these names
Resource = Callable[[Any, Input, int], int]


def memory(base_mb: float, per_input_mb: float = 0.0) -> Resource:
    """MB from the input's size."""

    def of_attempt(wildcards: Any, input: Input, attempt: int) -> int:
        del wildcards
        return int(grown(base_mb + per_input_mb * input.size_mb, attempt, LARGEST.mem_mb))

    return of_attempt


def minutes(base: float, per_input_mb: float = 0.0) -> Resource:
    """Minutes from the input's size."""

    def of_attempt(wildcards: Any, input: Input, attempt: int) -> int:
        del wildcards
        return math.ceil(grown(base + per_input_mb * input.size_mb, attempt, LARGEST.runtime))

    return of_attempt


def grown(value: float, attempt: int, largest: float) -> float:
    """``value`` in the first attempt, twice as much in each further one up to ``largest``."""
    return max(value, min(value * float(2 ** (attempt - 1)), largest))


def largest_request(partitions: Iterable[Mapping[str, float]], resource: str) -> float:
    """The largest limit of a resource; a partition that names none has none."""
    limits = [limits.get(f"max_{resource}", math.inf) for limits in partitions]
    return max(limits, default=math.inf)


def acquire_memory(image: ImageConfig, attempt: int) -> int:
    """MB of a job that decodes images: one of the largest size at a time, of ten bytes a pixel."""
    return int(grown(1000 + 10 * image.max_pixels / 1e6, attempt, LARGEST.mem_mb))


def alignment_memory(
    alignment: AlignmentConfig, images: Mapping[str, int], inputs: Input, attempt: int
) -> int:
    """MB of a job that fits a linear map: for gradient steps, all features are in memory twice.

    Args:
        alignment: the entry.
        images: of its data set by split, as far as they are known.
        inputs: the models, and where the images lie.
        attempt: from 1.
    """
    features = FEATURES_MB * sum(images.values()) if alignment.fit.kind == "sgd" else 0.0
    return int(grown(4000 + 4 * inputs.size_mb + 2 * features, attempt, LARGEST.mem_mb))


def training_memory(
    compute: ComputeConfig, start: Iterable[str], attempt: int, kept: int = 0
) -> int:
    """MB of a node: for each process room for the weights, their gradients and AdamW's two moments,
    a checkpoint, and the workers that decode images.

    Args:
        compute: of the run.
        start: files of the start model; those that are not made yet count nothing.
        attempt: from 1.
        kept: weights of so many epochs are kept beside.
    """
    files = [Path(file) for file in start]
    weights = sum(file.stat().st_size for file in files if file.exists()) / 2**20
    process = 4000 + (8 + kept) * weights + 500 * compute.workers
    return int(grown(compute.node_processes * process, attempt, LARGEST.mem_mb))
