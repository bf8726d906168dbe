"""Offline: what is absent is listed at once, and nobody is asked for anything."""

import socket

import huggingface_hub
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from source_files import jpeg

from nicheclip.config.data import DatasetConfig
from nicheclip.config.fetched_sources import HubSource
from nicheclip.config.url_source import UrlsSource
from nicheclip.data.absent_files import absent_files
from nicheclip.data.download import download
from nicheclip.data.sources.base import Part
from nicheclip.data.sources.hub import HubImages
from nicheclip.data.sources.hub_cache import HubCache
from nicheclip.data.sources.urls import UrlImages
from nicheclip.data.url_outcomes import Address, Failure, Ledger, Outcome
from nicheclip.models import at_hand
from nicheclip.runtime import network
from nicheclip.runtime.errors import InputError

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FACTS = {"size_bytes": None, "licence": None, "citation": "x", "homepage": "x", "notes": "x"}
FACTS |= {"classes": 2, "images": {"all": 2}}


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """As the driver sets it; whoever opens a connection fails the test."""
    monkeypatch.setenv(network.VARIABLE, "0")
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    network.go_offline()
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("asked the network"))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("asked for a name"))
    monkeypatch.chdir(tmp_path)


def absent(registry, **sources):
    datasets = {
        name: DatasetConfig.model_validate({"source": source, "parts": 2, "shards": 2})
        for name, source in sources.items()
    }
    return absent_files(datasets, registry)


def test_all_that_is_absent_is_listed_with_page_name_and_folder(tmp_path, offline):
    (tmp_path / "wild.yaml").write_text(
        yaml.safe_dump(
            {"name": "wild", "title": "Wild", **FACTS}
            | {"source": {"kind": "manual", "page": "https://w.org/get", "files": ["w.zip"]}}
        )
    )
    (tmp_path / "urls.csv").write_text("url,label\nhttp://h.org/1.jpg,a\n")
    place = tmp_path / "results/downloads"
    sources = {
        "packed": {
            "kind": "archive",
            "urls": ["https://a.org/1.tar?token=s3cret", "https://a.org/2.tar"],
        },
        "by_hand": {"kind": "registry", "name": "wild"},
        "hub": {"kind": "hub", "repository": "owner/set"},
        "list": {"kind": "urls", "path": str(tmp_path / "urls.csv")},
        "disk": {"kind": "archive", "urls": [f"file://{tmp_path}/3.tar"]},
        "drawn": {"kind": "folder", "path": str(tmp_path)},
    }
    (place / "packed").mkdir(parents=True)
    (place / "packed/2.tar").touch()
    (place / "list/urls-1-of-2").mkdir(parents=True)
    (place / "list/urls-1-of-2/outcomes.jsonl").touch()
    assert absent(tmp_path, **sources) == [
        f"datasets.packed: 1.tar from https://a.org/1.tar?token=*** into {place}/packed",
        f"datasets.by_hand: w.zip from https://w.org/get into {place}/wild",
        "datasets.hub: **/*.parquet at main from https://huggingface.co/datasets/owner/set into "
        f"{place}/hub",
        f"datasets.list: urls-0-of-2, the images of {tmp_path}/urls.csv (part 1 of 2) from its "
        f"URLs into {place}/list",
        f"datasets.disk: 3.tar from file://{tmp_path}/3.tar into {tmp_path}",
    ]


def test_a_long_list_is_cut(tmp_path, offline):
    urls = [f"https://a.org/{number}.tar" for number in range(103)]
    lines = absent(tmp_path, many={"kind": "archive", "urls": urls})
    assert len(lines) == 101 and lines[-1] == "datasets.many: and 3 more"


def test_a_download_is_not_begun(tmp_path, offline):
    with pytest.raises(InputError, match=r"1\.tar is not in .*/kept, and .* offline: true"):
        download("https://a.org/1.tar", tmp_path / "kept")
    (tmp_path / "kept/1.tar").write_bytes(b"x" * 600)
    assert download("https://a.org/1.tar", tmp_path / "kept").name == "1.tar"


def test_a_repository_is_read_as_it_was_fetched(tmp_path, monkeypatch, offline):
    source = HubSource(kind="hub", repository="owner/set")
    cache = HubCache(source, tmp_path / "results/downloads/hub")
    with pytest.raises(InputError, match="the commit of main is not in"):
        list(HubImages(source, cache.folder).items(Part()))
    cache.folder.mkdir(parents=True, exist_ok=True)
    cache.commit_record.write_text(COMMIT)
    with pytest.raises(InputError, match="the list of its files is not in"):
        list(HubImages(source, cache.folder).items(Part()))
    cache.names_record(COMMIT).write_text("data/1.parquet\ndata/2.parquet\nREADME.md\n")
    path = cache.file(COMMIT, "data/1.parquet")
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table({"image": [jpeg(1)], "label": ["a"]}), path)
    [line] = absent(tmp_path, hub=source.model_dump())
    assert line.startswith("datasets.hub: data/2.parquet from https://huggingface.co/datasets")
    assert line.endswith(f"at {COMMIT} into {path.parent}")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)  # as where it is set
    items = HubImages(source, cache.folder).items(Part(0, 2))
    assert [image.data for _, image in items] == [jpeg(1)]
    with pytest.raises(InputError, match="the hub does not give it"):
        list(HubImages(source, cache.folder).items(Part(1, 2)))


def test_a_list_of_urls_is_read_as_far_as_it_was_asked_for(tmp_path, offline):
    (tmp_path / "urls.csv").write_text(
        "url,label\n" + "".join(f"http://h.org/{n}.jpg,a\n" for n in range(6))
    )
    source = UrlsSource(kind="urls", path=str(tmp_path / "urls.csv"))
    images = UrlImages(source, tmp_path / "kept")
    with Ledger(images.part_folder(Part())) as ledger:
        ledger.add(Address.of("http://h.org/0.jpg"), Outcome(), jpeg(0))
        ledger.add(Address.of("http://h.org/1.jpg"), Outcome(failure=Failure.BUSY, detail="x"))
    with pytest.raises(InputError, match=r"4 images were never asked for, the first are .*/2\.jpg"):
        list(images.items(Part()))
    with Ledger(images.part_folder(Part()), try_again=False) as ledger:
        for number in range(2, 6):
            ledger.add(Address.of(f"http://h.org/{number}.jpg"), Outcome(), jpeg(number))
    found = [item for _, item in images.items(Part())]
    assert [one.data for one in found if hasattr(one, "data")] == [jpeg(n) for n in (0, 2, 3, 4, 5)]
    assert found[1].reason == "busy: x"


def test_weights_behind_a_url_are_not_asked_for(tmp_path, offline):
    said = at_hand.missing_backbone("pretraining.x", "resnet18", "https://a.org/w.pt")
    assert "are not reachable. Put w.pt into" in said
