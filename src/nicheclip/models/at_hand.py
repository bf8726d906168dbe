"""Whether the weights of start models can be had here: cached, or the network reaches them.

``python -m nicheclip.models.at_hand`` reads a JSON list of models (name, architecture, pretrained)
and of backbones (name, backbone, weights), and prints a JSON list of what is missing. Nothing is
downloaded.
"""

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
from huggingface_hub import constants, get_token, hf_hub_url, try_to_load_from_cache

from nicheclip.config.backbones import is_address
from nicheclip.models.backbones import unknown_tag
from nicheclip.models.openclip import open_clip
from nicheclip.runtime.network import is_offline
from nicheclip.runtime.urls import file_name
from nicheclip.subjects import BACKBONE_DOWNLOADS

#: one of them is in every model of the hub that open_clip loads
FILES = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.safetensors",
)
#: one of them is in every repository of timm's weights
TIMM_FILES = ("model.safetensors", "pytorch_model.bin")
CONFIG = "open_clip_config.json"
HUB = "hf-hub:"
SECONDS = 15.0

REMEDY = (
    "Run create_model once where the network reaches it and copy the cache ({cache}), or give the "
    "path of a file with the weights."
)


def missing(name: str, architecture: str, pretrained: str | None) -> str | None:
    """What keeps the start model ``name`` from being made here; None if nothing is known to."""
    where = f"models.{name}"
    if architecture.startswith(HUB):
        repository = architecture.removeprefix(HUB)
        return _unreachable(where, repository, (CONFIG,))
    if architecture.startswith("local-dir:"):
        return None
    config = open_clip.get_model_config(architecture)
    text = (config or {}).get("text_cfg") or {}
    if (text.get("hf_model_name") or text.get("hf_tokenizer_name")) and not find_spec(
        "transformers"
    ):
        return f"{where}: {architecture} needs the package transformers, which is not installed."
    if config is None or not pretrained or Path(pretrained).expanduser().is_file():
        return None
    tag: dict[str, Any] = open_clip.get_pretrained_cfg(architecture, pretrained) or {}
    if not tag:
        tags = open_clip.list_pretrained_tags_by_model(architecture)
        return (
            f"{where}: {pretrained!r} is neither a file nor one of open_clip's weights of "
            f"{architecture} ({', '.join(tags) or 'it has none'})."
        )
    repository, _, file = str(tag.get("hf_hub", "")).rpartition("/")
    if repository:
        return _unreachable(where, repository, (file,) if file else FILES)
    url = str(tag.get("url", ""))
    kept = Path("~/.cache/clip").expanduser() / url.rpartition("/")[2]
    return None if not url or kept.is_file() or _answers(url) else _words(where, url)


def missing_backbone(name: str, backbone: str, weights: str) -> str | None:
    """What keeps weights of others for timm's ``backbone`` from being had here; None if nothing.

    Args:
        name: the key of the config that names them.
        backbone: of timm.
        weights: a tag of timm, or a URL.
    """
    if is_address(weights):
        file = file_name(weights)
        if (Path(BACKBONE_DOWNLOADS) / file).is_file() or weights.startswith("file:"):
            return None
        return (
            None
            if _answers(weights)
            else (
                f"{name}: the weights ({weights}) are not reachable. Put {file} into "
                f"{BACKBONE_DOWNLOADS}, or give its path."
            )
        )
    if problem := unknown_tag(backbone, weights):
        return f"{name}: {problem}"
    import timm  # a dependency of open_clip, which is imported first

    found = timm.get_pretrained_cfg(f"{backbone}.{weights}")
    repository = found.hf_hub_id if found else None
    return _unreachable(name, repository, TIMM_FILES) if repository else None


def _unreachable(where: str, repository: str, files: tuple[str, ...]) -> str | None:
    if any(isinstance(try_to_load_from_cache(repository, file), str) for file in files):
        return None
    token = get_token()
    login = {"authorization": f"Bearer {token}"} if token else None
    if not constants.HF_HUB_OFFLINE and any(
        _answers(hf_hub_url(repository, file), login) for file in files
    ):
        return None
    return _words(where, repository)


def _answers(url: str, headers: dict[str, str] | None = None) -> bool:
    if is_offline():
        return False
    try:
        answer = httpx.head(url, headers=headers, timeout=SECONDS, follow_redirects=True)
    except httpx.HTTPError:
        return False
    return answer.is_success


def _words(where: str, source: str) -> str:
    remedy = REMEDY.format(cache=constants.HF_HUB_CACHE)
    return f"{where}: the weights ({source}) are neither cached nor reachable. {remedy}"


def main() -> None:
    """Standard input to standard output."""
    found = [
        missing_backbone(**one) if "backbone" in one else missing(**one)
        for one in json.load(sys.stdin)
    ]
    print(json.dumps([line for line in found if line]))


if __name__ == "__main__":
    main()
