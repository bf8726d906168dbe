"""The replies of backends that need no server: grammars and files."""

from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path

from nicheclip.captions.backend import BackendSetting, OpenedBackend, Request
from nicheclip.captions.candidates import Pair
from nicheclip.captions.targets import Target
from nicheclip.config.captions import CaptionConfig
from nicheclip.runtime.manifest import Dropped


def local_replies(
    config: CaptionConfig,
    chosen: Sequence[Target],
    *,
    names: dict[str, dict[str, str]],
    prompts: Path,
    seed: int,
) -> tuple[Iterator[tuple[Target, list[Pair]]], list[Dropped]]:
    """For each of ``chosen`` a reply for each sample that the backend has, in order; and input that
    was left out.

    Args:
        config: of the caption set.
        chosen: what is described.
        names: of ``targets.class_names``.
        prompts: the prompt registry's folder.
        seed: of the caption set.

    Raises:
        InputError: a grammar or a file cannot be used.
    """
    ids = {target.id for target in chosen}
    setting = BackendSetting(config.dataset, config.per, prompts, names, ids)
    # by name, so that a change of one backend makes no captions of another stale
    module = import_module(f"nicheclip.captions.{config.backend.kind}")
    opened: OpenedBackend = module.open_backend(config.backend, setting)
    replies = ((target, _of_target(opened, target, config.samples, seed)) for target in chosen)
    return replies, opened.dropped


def _of_target(opened: OpenedBackend, target: Target, asked: int, seed: int) -> list[Pair]:
    samples = opened.backend.available(target.class_id, target.image_id, asked)
    requests = [
        Request(target.class_id, target.image_id, sample, "", None, seed)
        for sample in range(samples)
    ]
    return [(request, opened.backend.generate(request)) for request in requests]
