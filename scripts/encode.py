"""Encode a split, and the text sets that its protocols need, with the variants of a subject."""

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from nicheclip.config.text_sets import TextSet
from nicheclip.data.image_set import ImageSet
from nicheclip.evaluation import text_sets
from nicheclip.evaluation.encoding import EncodingJob, Method, TextSources, write_manifest
from nicheclip.models import encode
from nicheclip.models.openclip import load
from nicheclip.runtime.code_digest import code_digest
from nicheclip.runtime.devices import check_gpus
from nicheclip.runtime.job import job
from nicheclip.runtime.manifest import ManifestWriter

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

#: whose versions may change the last digits of features
PACKAGES = ("numpy", "open_clip_torch", "pillow", "torch", "torchvision")

with job(snakemake.log[0]):
    check_gpus(snakemake.params.gpu)
    batch_size, device = snakemake.params.batch_size, "cuda" if snakemake.params.gpu else "cpu"
    precision = snakemake.params.precision
    wanted = TypeAdapter(list[TextSet]).validate_python(snakemake.params.text_sets)
    manifest = Path(snakemake.output.manifest)
    settings = {
        "variants": list(snakemake.params.variants),
        "text_sets": [one.name for one in wanted],
        "batch_size": batch_size,
        "device": device,
        "precision": precision,
    }
    writer = ManifestWriter("encode", config=settings, code=snakemake.params.code)
    encoding = EncodingJob(
        manifest.parent,
        images=ImageSet(Path(snakemake.input.images).parent),
        catalog=Path(snakemake.input.catalog),
        text_sets=wanted,
        sources=TextSources.of(
            snakemake.input.texts,
            snakemake.input.templates,
            snakemake.input.captions,
            snakemake.input.own_captions,
        ),
        method=Method(
            batch_size=batch_size,
            device=device,
            # not the whole script's code: new code of text sets leaves the images' features alone
            image_code=code_digest(encode.__file__),
            text_code=code_digest(text_sets.__file__, "nicheclip.models.encode"),
            packages=tuple(f"{name} {version(name)}" for name in PACKAGES),
            precision=precision,
        ),
        open_encoder=lambda folder: encode.ClipEncoder(
            load(folder),
            batch_size=batch_size,
            device=device,
            threads=snakemake.threads,
            precision=precision,
        ),
    )
    folders = {Path(path).parent.name: Path(path).parent for path in snakemake.input.models}
    files = encoding.run({variant: folders[variant] for variant in snakemake.params.variants})
    settings["keys"] = {str(file.path.relative_to(manifest.parent)): file.key for file in files}
    write_manifest(writer, manifest, files)
