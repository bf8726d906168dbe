"""Both steps from a source to a catalog, as the workflow's two rules take them."""

from nicheclip.data.acquire import PartFiles, acquire
from nicheclip.data.acquired_rows import AcquiredPart
from nicheclip.data.curate import curate
from nicheclip.data.sources.base import Part
from nicheclip.data.sources.open import open_source


def acquire_parts(out, config, *, registry=None, name="set", seed=0, workers=1):
    """Acquire every part into ``out``; the files of each."""
    found = []
    for number in range(config.parts):
        files = PartFiles.of(
            out / f"parts/{number:05d}", part=number, tars=config.shards // config.parts
        )
        items = open_source(
            name,
            config.source,
            registry=registry or out,
            seed=seed,
            workers=workers,
            part=Part(number, config.parts),
        )
        acquire(name, items, image=config.image, files=files, workers=workers)
        found.append(files)
    return found


def acquire_and_curate(out, config, *, registry=None, name="set", seed=0, workers=1, expected=None):
    """Write everything into ``out``; the report and the tars."""
    parts = acquire_parts(out, config, registry=registry, name=name, seed=seed, workers=workers)
    report = curate(
        name,
        config.split,
        seed=seed,
        parts=[AcquiredPart.of(files, out) for files in parts],
        folder=out,
        expected=expected or {},
    )
    return report, [tar for files in parts for tar in files.tars]
