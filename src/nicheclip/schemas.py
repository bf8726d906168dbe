"""Arrow schemas of the Parquet files that flow between the rooms (one row each as said).

Every writer casts to its schema here and every reader may rely on it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nicheclip.runtime.errors import InputError
from nicheclip.terms import CLASS_TEXT_TYPES, RANKS

#: the split of a caption that serves images of every split
EVERY_SPLIT = "all"

#: an image that was kept
CATALOG = pa.schema(
    [
        ("image_id", pa.string()),  # first 16 hex digits of sha256(source + "\0" + key)
        ("source", pa.string()),  # the data set's name in the config
        ("key", pa.string()),  # the image's place in its source
        ("sha256", pa.string()),  # of the source's bytes, before any conversion
        ("width", pa.int32()),  # of the stored image, pixels
        ("height", pa.int32()),
        ("split", pa.string()),  # train, val or test
        ("class_id", pa.string()),  # the label
        ("licence", pa.string()),
        ("rights_holder", pa.string()),
        ("url", pa.string()),
        ("attributes", pa.string()),  # what else the source measured: JSON, numbers by name
        ("phash", pa.uint64()),  # see data.perceptual_hash; null where nothing was decoded
    ]
)

#: an image as it was acquired, before duplicates, splits and classes are settled
ACQUIRED = pa.schema(
    [
        ("position", pa.int64()),  # in the order of the source; rises, with gaps
        ("image_id", pa.string()),
        ("key", pa.string()),
        ("sha256", pa.string()),
        ("phash", pa.uint64()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("split", pa.string()),  # as the source says; null where it does not
        ("group", pa.string()),  # likewise
        ("class_id", pa.string()),
        ("name", pa.string()),  # of the class, as a person would write it
        *((rank, pa.string()) for rank in RANKS),  # "" where the source gives none
        ("common", pa.string()),
        ("licence", pa.string()),
        ("rights_holder", pa.string()),
        ("url", pa.string()),
        ("attributes", pa.string()),
        ("converted", pa.list_(pa.string())),  # what was changed; empty: the source's own bytes
        ("tar", pa.int32()),  # parts/<part>/images/{tar:05d}.tar holds the bytes
        ("offset", pa.int64()),  # bytes from its start
        ("size", pa.int32()),
    ]
)

#: what acquiring left out
DROPPED = pa.schema([("position", pa.int64()), ("key", pa.string()), ("reason", pa.string())])

#: a class of a data set, with the ranks that its source gives ("" where it gives none)
CLASSES = pa.schema(
    [
        ("class_id", pa.string()),
        ("name", pa.string()),  # as a person would write it
        *((rank, pa.string()) for rank in RANKS),
        ("common", pa.string()),
        ("images", pa.int64()),
    ]
)

#: a taxon
TAXA = pa.schema(
    [
        ("taxon_id", pa.string()),
        *((rank, pa.string()) for rank in RANKS),
        ("common", pa.string()),
        ("rank", pa.string()),  # of the finest known name
        ("provider", pa.string()),
        # exact, synonym, homonym-by-context, higher-rank (a name above it was found), unresolved;
        # as given where no checklist was asked
        ("resolution", pa.string()),
    ]
)

#: a name in a provider's checklist, accepted or synonym; the ranks are those of the accepted taxon
TAXON_NAMES = pa.schema(
    [
        ("provider", pa.string()),
        ("source_id", pa.string()),  # unique within the provider
        ("name", pa.string()),  # as the provider writes it
        ("canonical", pa.string()),  # the key that names are matched by
        ("authorship", pa.string()),
        ("rank", pa.string()),  # in lower case, the provider's word
        ("status", pa.string()),  # accepted or synonym
        ("accepted_id", pa.string()),  # the source_id itself where accepted
        ("parent_id", pa.string()),  # null at a root
        *((rank, pa.string()) for rank in RANKS),  # species: what follows the genus
        ("context", pa.string()),  # the kingdom by one name for all providers; "" where unknown
    ]
)

#: a common name
VERNACULARS = pa.schema(
    [
        ("provider", pa.string()),
        ("source_id", pa.string()),
        ("name", pa.string()),
        ("language", pa.string()),  # ISO 639-3, or the provider's word where it has none
        ("preferred", pa.bool_()),
    ]
)

#: how one lineage was resolved; `given_*` are the ranks as they came
RESOLUTIONS = pa.schema(
    [
        *((f"given_{rank}", pa.string()) for rank in RANKS),
        ("taxon_id", pa.string()),  # null where all ranks are empty
        *((rank, pa.string()) for rank in RANKS),
        ("common", pa.string()),
        ("rank", pa.string()),
        ("provider", pa.string()),  # null where unresolved
        ("source_id", pa.string()),  # of the matched name
        ("accepted_id", pa.string()),
        ("matched", pa.string()),  # the canonical name that was found
        ("resolution", pa.string()),  # as in TAXA
        ("changed", pa.string()),  # given ranks that got another name, joined by commas
        ("reason", pa.string()),  # why not the finest name, nor known ones above; "" where found
    ]
)

#: one text of one class; name is bare, text is the sentence that training sees
TEXTS = pa.schema(
    [
        ("class_id", pa.string()),
        ("taxon_id", pa.string()),  # of the class; null where it has no ranks
        ("text_type", pa.string()),
        ("name", pa.string()),
        ("text", pa.string()),
    ]
)

#: the texts of a class by type, in the order of the classes; null where it lacks one
CLASS_TEXTS = pa.schema(
    [("class_id", pa.string()), *((text_type, pa.string()) for text_type in CLASS_TEXT_TYPES)]
)

#: what a server said to one request, before any gate
REPLIES = pa.schema(
    [
        ("class_id", pa.string()),
        ("image_id", pa.string()),  # null for a caption of the class
        ("sample", pa.int32()),  # of the request
        ("variants", pa.int32()),  # captions that it should hold
        ("prompt", pa.string()),
        ("text", pa.string()),
        ("done_reason", pa.string()),
        ("model", pa.string()),
        ("digest", pa.string()),
        ("server", pa.string()),
        ("options", pa.string()),  # JSON, sorted keys
        ("thought", pa.int32()),  # characters
        ("tokens_in", pa.int32()),
        ("tokens_out", pa.int32()),
    ]
)

#: one generation; rejected ones stay, with the reasons
CAPTIONS = pa.schema(
    [
        ("class_id", pa.string()),
        ("image_id", pa.string()),  # null for a caption of the class
        ("sample", pa.int32()),
        ("text", pa.string()),  # after the gates' cleaning; "" when nothing was left
        ("model", pa.string()),
        ("digest", pa.string()),
        ("server", pa.string()),
        ("prompt", pa.string()),
        ("options", pa.string()),  # JSON, sorted keys
        ("raw", pa.string()),
        ("done_reason", pa.string()),
        ("verdict", pa.string()),  # accepted or rejected
        ("reasons", pa.list_(pa.string())),  # of a rejection
        ("notes", pa.list_(pa.string())),  # recorded, not rejected
        ("split", pa.string()),  # whose images may carry it, or EVERY_SPLIT; null if rejected
    ]
)

#: the caption that an image carries
ASSIGNED = pa.schema([("image_id", pa.string()), ("caption", pa.string())])

#: where the images of a split lie, one record batch for each tar; see ``data.image_set``
IMAGE_INDEX = pa.schema(
    [
        ("image_id", pa.string()),
        ("offset", pa.int64()),  # of the encoded image, bytes from the start of the tar
        ("size", pa.int32()),
    ]
)

#: the class of each image of a split, in the order of its ``IMAGE_INDEX``
LABELS = pa.schema([("class_id", pa.dictionary(pa.int32(), pa.string()))])

#: the caption of each image of a split, in the same order; null where it has none
ROW_CAPTIONS = pa.schema([("caption", pa.string())])

#: one image judged by one cell
PREDICTIONS = pa.schema(
    [
        ("image_id", pa.string()),
        ("label", pa.string()),
        ("classes", pa.list_(pa.string())),  # best first, at most five
        ("scores", pa.list_(pa.float32())),
    ]
)

#: one image of which no label is known, with the answers of an adapted model
ANSWERS = pa.schema(
    [
        ("image_id", pa.string()),
        ("file", pa.string()),  # its place in the source
        ("classes", pa.list_(pa.string())),  # best first, at most five
        ("scores", pa.list_(pa.float32())),
    ]
)

#: one image judged among one group of classes by one text type
GROUP_PREDICTIONS = pa.schema([("text_type", pa.string()), ("group", pa.string()), *PREDICTIONS])

#: support sets: the images that fold ``fold`` of ``shots``-shot may learn from
FOLDS = pa.schema([("shots", pa.int32()), ("fold", pa.int32()), ("image_id", pa.string())])


@contextmanager
def reading_parquet(path: Path | str) -> Iterator[None]:
    """The frame of reading ``path``: what a damaged file makes pyarrow raise becomes our error.

    Raises:
        InputError: the file is absent, a folder or damaged.
    """
    try:
        if Path(path).is_dir():
            raise IsADirectoryError("it is a folder")
        yield
    except FileNotFoundError:
        raise InputError(f"{path}: no such file.") from None
    except (OSError, pa.ArrowException, UnicodeDecodeError, MemoryError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: not a readable Parquet file ({reason}).") from error


def read_table(
    path: Path | str, schema: pa.Schema, *, where: pc.Expression | None = None
) -> pa.Table:
    """The columns of ``schema`` from the Parquet file at ``path``, in the order of ``schema``.

    Columns that ``schema`` does not have are ignored: a later version may write more.

    Args:
        path: of the file.
        schema: of its rows.
        where: only rows for which it is true; the others are not held in memory.

    Raises:
        InputError: the file is not a Parquet file, or a column is missing or has another type.
    """
    try:
        with reading_parquet(path):
            table = pq.read_table(path, filters=where, page_checksum_verification=True)
            table.validate(full=True)  # all texts are UTF-8
    except InputError as error:
        raise InputError(
            f"{error} The workflow makes it: delete what stands there and run it again."
        ) from None
    wrong = [
        f"{field.name} ({field.type})"
        for field in schema
        if table.schema.get_field_index(field.name) < 0
        or table.schema.field(field.name).type != field.type
    ]
    if wrong:
        raise InputError(
            f"{path}: expected the column {', '.join(wrong)}; it has "
            f"{', '.join(f'{field.name} ({field.type})' for field in table.schema)}. "
            "It was written by another version; delete it and run the workflow again."
        )
    return table.select(schema.names)
