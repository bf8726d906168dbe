"""The replies of backends that need no server: grammars and files."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from nicheclip.captions.backend import BackendSetting, OpenedBackend, Reply, Request
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
) -> tuple[list[tuple[Request, Reply]], list[Dropped]]:
    """A reply for each sample that the backend has, in order, and input that was left out.

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
    pairs = []
    for target in chosen:
        samples = opened.backend.available(target.class_id, target.image_id, config.samples)
        for sample in range(samples):
            request = Request(target.class_id, target.image_id, sample, "", None, seed)
            pairs.append((request, opened.backend.generate(request)))
    return pairs, opened.dropped
