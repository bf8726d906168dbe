"""Encode the images of a split with a model."""

from pathlib import Path
from typing import TYPE_CHECKING

from nicheclip.data.shard_reader import ShardSet
from nicheclip.models.devices import check_gpus
from nicheclip.models.encode import encode_images
from nicheclip.models.features import write_features
from nicheclip.models.openclip import load
from nicheclip.runtime.job import job

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    check_gpus(snakemake.params.gpu)
    features = encode_images(
        load(Path(snakemake.input.model[0]).parent),
        ShardSet(Path(snakemake.input.shards[0]).parent),
        batch_size=snakemake.params.batch_size,
        device="cuda" if snakemake.params.gpu else "cpu",
        threads=snakemake.threads,
    )
    write_features(snakemake.output.features, features)
