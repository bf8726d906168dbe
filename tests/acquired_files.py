"""Both steps from a source to a catalog, as the workflow's two rules take them."""

from nicheclip.data.acquire import acquire
from nicheclip.data.curate import curate


def acquire_and_curate(out, config, *, registry=None, name="set", seed=0, workers=1):
    """Write everything into ``out``; the report and the image files."""
    images = [out / "images" / f"{part:05d}.parquet" for part in range(config.shards)]
    rows, dropped = out / "rows.parquet", out / "dropped.parquet"
    acquire(
        name,
        config.source,
        image=config.image,
        seed=seed,
        registry=registry or out,
        rows=rows,
        dropped=dropped,
        images=images,
        workers=workers,
    )
    report = curate(
        name,
        config.split,
        seed=seed,
        rows=rows,
        dropped=dropped,
        catalog=out / "catalog.parquet",
        classes=out / "classes.parquet",
    )
    return report, images
