"""Asking a server for one part of a caption set's replies."""

import contextlib
import logging
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import pyarrow as pa

from nicheclip.captions.asking import COUNTED, MILLION, Asking
from nicheclip.captions.cache import ReplyCache
from nicheclip.captions.replies import write_replies
from nicheclip.captions.targets import Questions, class_names, requests, targets
from nicheclip.captions.transport import Transport
from nicheclip.captions.variables import read_values
from nicheclip.config.captions import CaptionConfig
from nicheclip.config.llm_backends import LlmBackend
from nicheclip.runtime.progress import progress

LOGGER = logging.getLogger(__name__)


def ask(
    config: CaptionConfig,
    *,
    part: int,
    classes: pa.Table,
    catalog: pa.Table,
    images: Sequence[Path],
    prompts: Path,
    cache: Path,
    seed: int,
    target: Path,
) -> dict[str, int]:
    """Write the replies of one part to ``target`` (schema ``REPLIES``, in the order of requests).

    A killed run resumes from ``cache``. Memory grows with the classes or images
    of the part, not with the number of replies.

    Args:
        config: a caption set whose backend is an LLM.
        part: from 0, of ``config.parts``.
        classes: schema ``CLASSES``.
        catalog: schema ``CATALOG``.
        images: folders of image sets (``ImageSet``); read only where a model sees images.
        prompts: the prompt registry's folder.
        cache: JSON Lines file of what the server said.
        seed: of sampling.
        target: Parquet file.

    Returns:
        The account: see ``COUNTED``; and what the tokens cost, in millionths.

    Raises:
        BackendUnavailable: the server cannot be used; replies so far stay in the cache.
        InputError: wrong input.
    """
    backend = config.backend
    assert isinstance(backend, LlmBackend)
    names = class_names(classes)
    prompt, values = read_values(backend, prompts)
    chosen = list(targets(config, names, catalog, part, config.parts))
    wanted = requests(
        chosen,
        Questions(prompt, values, names),
        samples=config.samples,
        variants=prompt.variants,
        images=images,
        seed=seed,
    )
    total = len(chosen) * -(-config.samples // prompt.variants)
    with (
        ReplyCache(cache) as known,
        Asking(_transport(config), backend, share=1 / config.parts) as asking,
        contextlib.closing(asking.answers(wanted, known, prompt.version)) as replies,
    ):
        label = f"replies for {config.dataset}"
        write_replies(target, progress(replies, label=label, total=total))
    account = {name: asking.counts[name] for name in COUNTED}
    account = {**account, "cost_millionths": round(asking.money * MILLION)}
    LOGGER.info("captions: %s", ", ".join(f"{name} {n}" for name, n in sorted(account.items())))
    return account


def _transport(config: CaptionConfig) -> Transport:
    """By name, so that a change of one backend makes no replies of another stale."""
    module = import_module(f"nicheclip.captions.{config.backend.kind}")
    opened: Transport = module.open_transport(config.backend, vision=config.per == "image")
    return opened
