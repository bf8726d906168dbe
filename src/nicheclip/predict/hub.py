"""A model as a repository of the hub: a whole folder with its card."""

import re
from pathlib import Path

from huggingface_hub import HfApi, ModelCard, ModelCardData, get_token

from nicheclip.models.export import export
from nicheclip.models.openclip import save
from nicheclip.predict.open_model import OpenedModel
from nicheclip.runtime.errors import InputError, reading
from nicheclip.runtime.files import write_text
from nicheclip.subjects import CLASSIFIER_FILE

CARD = "README.md"
#: what the hub takes
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


def hub_folder(model: OpenedModel, repository: str, folder: Path) -> list[Path]:
    """Write what the hub gets to ``folder``; returns the files.

    The card is the model's own where a training wrote one; that names licences and rights holders
    of the images. Others get one that says how to load the model.

    Args:
        model: to write.
        repository: ``OWNER/NAME``.
        folder: receives a model folder in open_clip's layout, with the card.

    Raises:
        InputError: ``repository`` is no such name, or open_clip has no layout for the model.
    """
    if not _NAME.fullmatch(repository) or ".." in repository:
        raise InputError(
            f"--hub {repository}: expected OWNER/NAME, of letters, digits, '-', '_' and '.'."
        )
    folder.mkdir(parents=True, exist_ok=True)
    files = export(model.folder, folder) if model.folder else save(model.clip, folder)
    own = model.folder / CARD if model.folder else None
    if own and own.is_file():
        text = own.read_text(encoding="utf-8").replace("local-dir:FOLDER", f"hf-hub:{repository}")
    else:
        text = _card(model, repository)
    write_text(folder / CARD, text)
    return [*files, folder / CARD]


def upload(repository: str, folder: Path, files: list[Path]) -> str:
    """Upload ``files`` of ``folder`` to a private repository; returns its address.

    Raises:
        InputError: nobody is logged in, or the hub refuses.
    """
    if not get_token():
        raise InputError(
            f"--hub {repository}: nobody is logged in to the hub. Type `hf auth login` or set "
            "HF_TOKEN; --dry-run writes the folder without uploading it."
        )
    remedy = "Correct the name, or log in with a token that may write there."
    with reading(f"--hub {repository}", "to upload the model", remedy):
        hub = HfApi()
        url = hub.create_repo(repository, private=True, exist_ok=True)
        names = [file.relative_to(folder).as_posix() for file in files]
        hub.upload_folder(repo_id=repository, folder_path=folder, allow_patterns=names)
    return str(url)


def _card(model: OpenedModel, repository: str) -> str:
    facts = ModelCardData(
        library_name="open_clip",
        pipeline_tag="zero-shot-image-classification",
        tags=["clip", "nicheclip"],
        model_name=repository.split("/")[1],
    )
    classes = (
        f"`{CLASSIFIER_FILE}` holds a vector for each class that it was adapted to.\n\n"
        if model.classifier
        else ""
    )
    return str(
        ModelCard(
            f"---\n{facts.to_yaml()}\n---\n\n# {repository}\n\nA CLIP that was written by NicheCLIP"
            f" from `{model.name}`.\n\n{classes}```python\nimport open_clip\n\n"
            "model, _, preprocess = open_clip.create_model_and_transforms"
            f'("hf-hub:{repository}")\ntokenizer = open_clip.get_tokenizer("hf-hub:{repository}")\n'
            "```\n\nWhat it was trained on, by whom and under which licence: to be written here.\n"
        )
    )
