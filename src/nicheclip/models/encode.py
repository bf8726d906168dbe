"""Images and texts through a CLIP, to features of length 1."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from itertools import chain

import numpy as np
import numpy.typing as npt
import torch

from nicheclip.data.image_set import ImageSet
from nicheclip.models.encode_settings import EncodeSettings
from nicheclip.models.features import ImageFeatures, TextFeatures, l2_normalise
from nicheclip.models.openclip import Clip
from nicheclip.models.views import Normalise, Pixels, ViewSettings, centre_view, decode
from nicheclip.runtime.progress import progress

#: images that a thread reads together and decodes
RUN = 8


class ClipEncoder:
    """A model with how it encodes: images and texts to features."""

    def __init__(self, clip: Clip, settings: EncodeSettings) -> None:
        self._clip, self._settings = clip, settings

    @property
    def logit_scale(self) -> float:
        """The factor between cosine similarity and logit."""
        return self._clip.logit_scale

    def images(self, split: ImageSet) -> ImageFeatures:
        """Features of all images of ``split``, in their order."""
        return encode_images(self._clip, split, self._settings)

    def texts(self, texts: Sequence[str]) -> TextFeatures:
        """Features of ``texts``, in their order."""
        return encode_texts(self._clip, texts, self._settings)


def _mixed(settings: EncodeSettings) -> AbstractContextManager[object]:
    """Autocast to the settings' precision on their device."""
    if settings.precision == "float32":
        return nullcontext()
    kind = torch.device(settings.device).type
    return torch.autocast(kind, dtype=getattr(torch, settings.precision))


@torch.inference_mode()
def encode_images(clip: Clip, split: ImageSet, settings: EncodeSettings) -> ImageFeatures:
    """Features of all images of ``split``, in their order.

    The model is moved to the settings' device and set to evaluation mode.
    """
    model = clip.model.to(settings.device).eval()
    return encode_views(model.encode_image, ViewSettings.of(clip), split, settings)


@torch.inference_mode()
def encode_views(
    encode: Callable[[torch.Tensor], torch.Tensor],
    views: ViewSettings,
    split: ImageSet,
    settings: EncodeSettings,
) -> ImageFeatures:
    """Features of the centre views of all images of ``split``, in their order, by any model.

    Args:
        encode: from images [b, 3, h, w] to features [b, d], on the settings' device.
        views: what it expects of its images.
        split: the images.
        settings: batches, device, precision.
    """
    device, parts = settings.device, []
    normalise = Normalise(views).to(device)
    batches = _image_batches(split, centre_view(views), settings.batch_size, settings.threads)
    total = -(-len(split) // settings.batch_size)
    for batch in progress(batches, label="encode images (batches)", total=total):
        pixels = normalise(batch.to(device, non_blocking=True))
        with _mixed(settings):
            features = encode(pixels)
        parts.append(features.float().cpu().numpy())
    width = parts[0].shape[1] if parts else 0
    stacked = np.concatenate(parts) if parts else np.zeros((0, width), np.float32)
    return ImageFeatures(l2_normalise(stacked), split.image_ids)


def _image_batches(
    split: ImageSet, view: Callable[[Pixels], Pixels], batch_size: int, threads: int
) -> Iterator[torch.Tensor]:
    """Batches uint8 [b, 3, s, s]; the next one is decoded while the caller uses this one."""

    def load(numbers: range) -> list[Pixels]:
        return [
            view(decode(sample.encoded, name=sample.image_id, where=split.folder))
            for sample in split.read_many(numbers)
        ]

    starts = range(0, len(split), batch_size)
    with ThreadPoolExecutor(max_workers=threads) as pool:

        def submit(start: int) -> Iterator[list[Pixels]]:
            end = min(start + batch_size, len(split))
            runs = [range(i, min(i + RUN, end)) for i in range(start, end, RUN)]
            return pool.map(load, runs)

        ahead = [submit(start) for start in starts[:1]]
        for following in [*starts[1:], None]:
            if not ahead:
                return
            views = list(chain.from_iterable(ahead.pop()))
            if following is not None:
                ahead.append(submit(following))
            yield torch.from_numpy(np.stack(views))


@torch.inference_mode()
def encode_texts(clip: Clip, texts: Sequence[str], settings: EncodeSettings) -> TextFeatures:
    """Features of ``texts``; tokens beyond the model's context are cut, and such texts marked."""
    model = clip.model.to(settings.device).eval()
    parts, cut = [], []
    starts = range(0, len(texts), settings.batch_size)
    for start in progress(starts, label="encode texts (batches)", total=len(starts)):
        batch = list(texts[start : start + settings.batch_size])
        cut.append(_are_cut(clip, batch))
        tokens = clip.tokenizer(batch).to(settings.device)
        with _mixed(settings):
            features = model.encode_text(tokens)
        parts.append(features.float().cpu().numpy())
    stacked = np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)
    return TextFeatures(l2_normalise(stacked), np.concatenate(cut) if cut else np.zeros(0, bool))


def _are_cut(clip: Clip, texts: list[str]) -> npt.NDArray[np.bool_]:
    """The texts that fill one position more than the context, had they been given it."""
    longer = clip.tokenizer(texts, context_length=clip.context_length + 1)
    padding = getattr(getattr(clip.tokenizer, "tokenizer", None), "pad_token_id", 0)
    marked: npt.NDArray[np.bool_] = (longer[:, -1] != padding).numpy()
    return marked
