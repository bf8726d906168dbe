"""A job of alignment: encode a split with both models once, fit the map, write the model."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from nicheclip.config.alignment import AlignmentConfig
from nicheclip.data.image_set import ImageSet
from nicheclip.models.aligned import save_aligned
from nicheclip.models.backbones import Backbone, create_backbone, load_backbone
from nicheclip.models.fusion import write_fusion
from nicheclip.models.openclip import Clip, load
from nicheclip.models.views import Normalise, ViewSettings, centre_view, decode
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.progress import progress
from nicheclip.training.align import LinearMap, Pair, fit


@dataclass(frozen=True)
class AlignJob:
    """What is aligned to what."""

    config: AlignmentConfig
    backbone: Path | None
    """Backbone folder; None where the config names the backbone itself."""
    clip: Path
    """Model folder: its image features are the targets."""
    text: Path
    """Model folder: its text tower is kept."""
    images: Path
    """Folder of the split that the map is fitted to."""
    seed: int
    batch_size: int = 256
    device: str = "cpu"

    def run(self, output: Path) -> tuple[list[Path], LinearMap]:
        """Fit, and write the aligned model to ``output``; returns the files and the map.

        Raises:
            InputError: a model or an image cannot be read, nothing can be fitted, or the models
                cannot be fused.
        """
        backbone, clip = self._backbone(), load(self.clip)
        self._check_fusion(backbone, clip)
        found = fit(self._pairs(backbone, clip), self.config.fit, seed=self.seed)
        backbone.model.cpu()
        files = save_aligned(backbone, found.weight, found.bias, load(self.text), output)
        if self.config.fusion is not None:
            files.append(write_fusion(output, self.clip, self.config.fusion))
        return files, found

    def _backbone(self) -> Backbone:
        if self.backbone:
            return load_backbone(self.backbone)
        given = self.config.backbone
        assert given is not None, "a config without a backbone has a folder"
        return create_backbone(
            given.architecture, size=given.size, seed=self.seed, weights=given.weights
        )

    def _check_fusion(self, backbone: Backbone, clip: Clip) -> None:
        sizes = backbone.views.size, ViewSettings.of(clip).size
        if self.config.fusion is not None and sizes[0] != sizes[1]:
            raise InputError(
                f"alignment: fusion needs images of one size; the backbone's are {sizes[0]}, the "
                f"CLIP's {sizes[1]} pixels. Pretrain with the CLIP's size, or leave fusion out."
            )

    @torch.inference_mode()
    def _pairs(self, backbone: Backbone, clip: Clip) -> Iterator[Pair]:
        """Features of both models, of images that are decoded once."""
        images = ImageSet(self.images)
        ours, theirs = backbone.views, ViewSettings.of(clip)
        twice = self.config.normalisation == "as_published"
        prepare = Normalise(ours).to(self.device)
        prepare_clip = prepare if twice else Normalise(theirs).to(self.device)
        cuts = centre_view(ours), centre_view(theirs)
        model, other = backbone.model.to(self.device).eval(), clip.model.to(self.device).eval()
        starts = range(0, len(images), self.batch_size)
        for start in progress(starts, label="encode images (batches)", total=len(starts)):
            rows = range(start, min(start + self.batch_size, len(images)))
            decoded = [
                decode(one.encoded, name=one.image_id, where=images.folder)
                for one in images.read_many(rows)
            ]
            mine, its = (
                torch.from_numpy(np.stack([cut(image) for image in decoded])).to(self.device)
                for cut in cuts
            )
            seen = prepare(mine)
            if twice:
                seen = prepare(seen * 255)
            features = model(seen).float().cpu().numpy()
            yield features, other.encode_image(prepare_clip(its)).float().cpu().numpy()
