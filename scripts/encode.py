"""Encode a split, and the text sets that its protocols need, with the variants of a subject."""

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from nicheclip.config.text_sets import TextSet
from nicheclip.data.image_set import ImageSet
from nicheclip.evaluation import text_sets
from nicheclip.evaluation.encoding import EncodingJob, Method, TextSources, write_manifest
from nicheclip.models import encode
from nicheclip.models.encode_settings import EncodeSettings, library_versions
from nicheclip.models.openclip import load
from nicheclip.runtime.code_digest import code_digest
from nicheclip.runtime.devices import check_gpus
from nicheclip.runtime.job import job
from nicheclip.runtime.manifest import ManifestWriter

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job(snakemake.log[0]):
    check_gpus(snakemake.params.gpu)
    settings = EncodeSettings(
        batch_size=snakemake.params.batch_size,
        device="cuda" if snakemake.params.gpu else "cpu",
        threads=snakemake.threads,
        precision=snakemake.params.precision,
    )
    wanted = TypeAdapter(list[TextSet]).validate_python(snakemake.params.text_sets)
    manifest = Path(snakemake.output.manifest)
    names = [one.name for one in wanted]
    facts = {"variants": list(snakemake.params.variants), "text_sets": names, **settings.facts}
    writer = ManifestWriter("encode", config=facts, code=snakemake.params.code)
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
            settings,
            # not the whole script's code: new code of text sets leaves the images' features alone
            image_code=code_digest(encode.__file__),
            text_code=code_digest(text_sets.__file__, "nicheclip.models.encode"),
            packages=library_versions(),
        ),
        open_encoder=lambda folder: encode.ClipEncoder(load(folder), settings),
    )
    folders = {Path(path).parent.name: Path(path).parent for path in snakemake.input.models}
    files = encoding.run({variant: folders[variant] for variant in snakemake.params.variants})
    facts["keys"] = {str(file.path.relative_to(manifest.parent)): file.key for file in files}
    write_manifest(writer, manifest, files)
