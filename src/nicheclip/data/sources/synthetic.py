"""Images drawn by a procedural world."""

from collections.abc import Iterator
from dataclasses import dataclass

from nicheclip.config.sources import SyntheticSource
from nicheclip.data.sources.base import Item, Part, SourceImage, SourceSetting


@dataclass(frozen=True)
class SyntheticImages:
    """The images of a ``synthetic`` source."""

    source: SyntheticSource
    seed: int
    workers: int

    def items(self, part: Part) -> Iterator[Item]:
        """See ``ImageSource``; a part draws every so many images."""
        # only here, so that reading real data does not load the drawing code
        from nicheclip.synthetic.worlds import iterate

        images = iterate(
            self.source.world, seed=self.seed, workers=self.workers, first=part.number, step=part.of
        )
        for number, image in enumerate(images):
            source_image = SourceImage(
                image.key,
                image.jpg,
                image.label,
                image.split,
                name=image.name,
                lineage=image.lineage,
                common=image.common,
                attributes=image.extra,
            )
            yield part.number + number * part.of, source_image


def open_images(source: SyntheticSource, setting: SourceSetting) -> SyntheticImages:
    """The images of ``source``."""
    return SyntheticImages(source, setting.seed, setting.workers)
