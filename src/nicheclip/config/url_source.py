"""Config of lists of image URLs, and of GBIF's archives of occurrences."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from nicheclip.config.source_base import ExtraColumn, SourceBase
from nicheclip.config.source_files import Encoding, table_columns
from nicheclip.runtime.paths import expand_path


class UrlFetching(SourceBase):
    """How images are fetched by their URLs, whatever lists these."""

    path: str
    """The table, or GBIF's archive; environment variables and `~` are expanded."""
    rate: Annotated[float, Field(gt=0, le=10_000)] = 5.0
    """Requests to one host in a second. A host's own `Crawl-delay` and `Retry-After` are kept."""
    connections: Annotated[int, Field(ge=1, le=256)] = 4
    """To one host at once."""
    spread: list[str] = Field(default=[])
    """Hosts that hold so many of the images that every part asks them; each part then has its share
    of `rate`."""
    attempts: Annotated[int, Field(ge=1, le=20)] = 3
    """For an image in one run, where a failure may pass."""
    timeout: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """Seconds for an image, from its request to its last byte, of each attempt."""
    max_bytes: Annotated[int, Field(ge=1)] = 64 << 20
    """A larger file is no photograph."""
    robots: bool = True
    """Keep what a host's robots.txt and an image's X-Robots-Tag (noai, noimageai, noindex,
    noimageindex) ask for. Only for hosts that have allowed it to you: false."""
    private_hosts: bool = False
    """Also ask hosts of a private network (this machine, 10.*, 172.16.*, 192.168.*, a link's own,
    the metadata of a cloud), and follow redirects to them: for a server of your own. Where a proxy
    resolves names, only addresses that are written as numbers are known."""
    not_secret: list[str] = Field(default=[])
    """Parameters of URLs that are called like a secret (key, token, sig, signature, password,
    X-Amz-Credential, ...) and are none: [key] where `?key=12` names an image. Values of all others
    that are called so stand as `***` in whatever is written; URLs that differ in nothing else are
    one image, so that a list that was signed anew fetches only what was not fetched before."""
    contact: str = ""
    """An address or page that tells hosts who asks; part of the user agent."""
    downloads: str = "results/downloads"
    """Where images are kept until the data set is acquired."""

    @field_validator("spread")
    @classmethod
    def _are_hosts(cls, spread: list[str]) -> list[str]:
        for host in spread:
            if not host or host != host.lower() or any(one in "/:@" for one in host):
                raise ValueError(
                    f"{host!r} is no host's name; write it in small letters, without https:// and "
                    "port: images.example.org"
                )
        return spread

    @field_validator("contact")
    @classmethod
    def _is_one_line(cls, contact: str) -> str:
        if contact and not contact.isprintable():
            raise ValueError(f"{contact!r} is more than a line; expected an address or a page")
        return contact

    def inputs(self, registry: Path) -> list[Path]:
        """What lists the images; see ``SourceBase``."""
        del registry
        return [expand_path(self.path)]


class UrlsSource(UrlFetching):
    """A CSV or Parquet table with the URL of an image in each row, fetched politely.

    Read are the columns url and label, and if there those of `table`. Images are kept below
    `downloads` as they came; when a part is acquired again, only what may work this time is asked
    for. A host belongs to one part, so that limits hold whatever runs side by side.
    """

    kind: Literal["urls"]
    columns: dict[Literal["label"] | ExtraColumn, str] = Field(default={})
    """What each column is called in the table, where the name differs from ours."""
    delimiter: Annotated[str, Field(pattern=r'^[^"\r\n]$')] = ","
    """As of `table`."""
    encoding: Encoding = "utf-8"
    """As of `table`."""

    def gives_splits(self, registry: Path) -> str:
        """See ``SourceBase``."""
        del registry
        column = self.columns.get("split", "split")
        names = table_columns(expand_path(self.path), self.delimiter, self.encoding, None)
        return f"the column {column!r} of {self.path}" if column in names else ""


class GbifSource(UrlFetching):
    """A Darwin Core archive of occurrences as GBIF gives it for download, a zip.

    Each still image of its multimedia is fetched as `urls` does, with the class and ranks of its
    occurrence, and licence and rights holder of its own, or else of the occurrence. What belongs to
    one occurrence is a group.
    """

    kind: Literal["gbif"]
    rank: Literal["phylum", "class", "order", "family", "genus", "species"] = "species"
    """What a class is. Images of occurrences that are not identified so far are dropped."""
