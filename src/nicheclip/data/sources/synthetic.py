"""Images drawn by a procedural world."""

from collections.abc import Iterator
from dataclasses import dataclass

from nicheclip.config.data import SyntheticSource
from nicheclip.data.sources.base import SourceImage, SourceSetting


@dataclass(frozen=True)
class SyntheticImages:
    """The images of a ``synthetic`` source."""

    source: SyntheticSource
    seed: int
    workers: int

    def __iter__(self) -> Iterator[SourceImage]:
        # only here, so that reading real data does not load the drawing code
        from nicheclip.synthetic.worlds import iterate

        for image in iterate(self.source.world, seed=self.seed, workers=self.workers):
            yield SourceImage(
                image.key,
                image.jpg,
                image.label,
                image.split,
                name=image.name,
                lineage=image.lineage,
                common=image.common,
                attributes=image.extra,
            )


def open_images(source: SyntheticSource, setting: SourceSetting) -> SyntheticImages:
    """The images of ``source``."""
    return SyntheticImages(source, setting.seed, setting.workers)
