import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx
import huggingface_hub
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from source_files import every

from nicheclip.config.fetched_sources import HubSource
from nicheclip.data.sources.base import SourceImage
from nicheclip.data.sources.hub import HubImages
from nicheclip.data.sources.hub_cache import matches
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.manifest import Dropped

COMMIT = "0123456789abcdef0123456789abcdef01234567"
IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def write_parquet(path, rows, *, names=None, extra=()):
    """Rows of (image bytes, label) as the hub's writers store them."""
    label = pa.int64() if names else pa.string()
    fields = [("image", IMAGE), ("label", label), *((name, pa.string()) for name, _ in extra)]
    features = {"image": {"_type": "Image"}}
    if names:
        features["label"] = {"names": names, "_type": "ClassLabel"}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    columns = [
        pa.array([None if b is None else {"bytes": b, "path": None} for b, _ in rows], IMAGE),
        pa.array([label for _, label in rows], label),
        *(pa.array(values, pa.string()) for _, values in extra),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_arrays(columns, schema=pa.schema(fields, metadata=metadata))
    pq.write_table(table, path, row_group_size=2)


@pytest.fixture
def repository(tmp_path):
    root = tmp_path / "repository"
    names = ["apple", "sea lion"]
    write_parquet(
        root / "data/train-00000.parquet", [(b"1", 0), (b"2", 1), (b"3", -1)], names=names
    )
    write_parquet(root / "data/train-00001.parquet", [(b"4", 1), (None, 0)], names=names)
    write_parquet(root / "data/test-00000.parquet", [(b"5", 0)], names=names)
    (root / "README.md").write_text("card")
    return root


@pytest.fixture
def calls(repository, monkeypatch):
    """The hub's client, answered from ``repository``; what it was asked for."""
    asked = []

    def info(repo, *, revision):
        asked.append(("info", revision))
        return huggingface_hub.DatasetInfo(id=repo, sha=COMMIT)

    def files(repo, *, repo_type, revision):
        assert (repo_type, revision) == ("dataset", COMMIT)
        return [p.relative_to(repository).as_posix() for p in repository.rglob("*") if p.is_file()]

    def fetch(repo, name, *, repo_type, revision, cache_dir, local_files_only):
        assert (repo_type, revision) == ("dataset", COMMIT)
        asked.append(("file", name))
        return str(repository / name)

    monkeypatch.setattr(huggingface_hub, "dataset_info", info)
    monkeypatch.setattr(huggingface_hub, "list_repo_files", files)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fetch)
    return asked


def read(folder, **options):
    source = HubSource.model_validate({"kind": "hub", "repository": "owner/set"} | options)
    items = every(HubImages(source, folder))
    kept = [item for item in items if isinstance(item, SourceImage)]
    return kept, {item.key: item.reason for item in items if isinstance(item, Dropped)}


def test_files_name_the_split_and_metadata_the_classes(tmp_path, calls):
    files = {"train": "data/train-*.parquet", "test": "data/test-*.parquet"}
    kept, dropped = read(tmp_path, files=files)
    assert [(image.key, image.data, image.label, image.split) for image in kept] == [
        ("data/train-00000.parquet#0", b"1", "apple", "train"),
        ("data/train-00000.parquet#1", b"2", "sea lion", "train"),
        ("data/train-00001.parquet#0", b"4", "sea lion", "train"),
        ("data/test-00000.parquet#0", b"5", "apple", "test"),
    ]
    assert dropped == {
        "data/train-00000.parquet#2": "no label",
        "data/train-00001.parquet#1": "no image bytes in the row",
    }


def test_all_files_without_split_names(tmp_path, calls):
    kept, _ = read(tmp_path)
    assert {image.split for image in kept} == {None}
    assert len(kept) == 4


def test_text_labels_ranks_and_renamed_columns(tmp_path, repository, calls):
    write_parquet(
        repository / "more/x.parquet",
        [(b"1", "Puma concolor"), (b"2", None), (b"3", " ")],
        extra=[
            ("kingdom", ["Animalia"] * 3),
            ("genus", ["Puma", None, None]),
            ("english", ["cougar", None, None]),
            ("license", ["CC0", None, None]),
        ],
    )
    columns = {"common": "english", "licence": "license"}
    (image,), dropped = read(tmp_path, files={"all": "more/*"}, columns=columns)
    assert image.lineage == {"kingdom": "Animalia", "genus": "Puma"}
    assert (image.common, image.licence) == ("cougar", "CC0")
    assert dropped == {"more/x.parquet#1": "no label", "more/x.parquet#2": "no label"}


def test_a_branch_is_pinned_to_its_first_commit(tmp_path, calls):
    for _ in range(2):
        read(tmp_path)
    assert [what for what in calls if what[0] == "info"] == [("info", "main")]
    assert (tmp_path / "owner--set@main.commit").read_text() == COMMIT + "\n"
    read(tmp_path, revision=COMMIT)
    assert [what for what in calls if what[0] == "info"] == [("info", "main")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"files": {"train": "*.parquet"}}, r"no file matches '\*\.parquet' \(files\.train\)"),
        ({"image_column": "img"}, "maps 'image' to 'img'.*'image', 'label'"),
        ({"files": {"all": "README.md"}}, "not a readable Parquet file"),
    ],
)
def test_what_does_not_fit_is_an_error(tmp_path, calls, options, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, **options)


@pytest.mark.parametrize(
    "metadata",
    [
        "{",
        "[]",
        '{"info": []}',
        '{"info": {"features": {"label": []}}}',
        '{"info": {"features": {"label": {"_type": "ClassLabel", "names": 3}}}}',
        '{"info": {"features": {"label": {"_type": "ClassLabel", "names": {"1": "a"}}}}}',
        "[" * 100_000,
    ],
)
def test_damaged_metadata_is_an_error(tmp_path, repository, calls, metadata):
    table = pa.table({"image": [b"1"], "label": [0]})
    table = table.replace_schema_metadata({"huggingface": metadata})
    (repository / "bad").mkdir()
    pq.write_table(table, repository / "bad/x.parquet")
    with pytest.raises(InputError, match=r"x\.parquet: the metadata .*'label' is damaged"):
        read(tmp_path, files={"all": "bad/*"})


def test_a_damaged_file_is_an_error(tmp_path, repository, calls):
    whole = (repository / "data/test-00000.parquet").read_bytes()
    (repository / "bad").mkdir()
    for number, data in enumerate(
        [b"", whole[:-9], whole[:4] + b"\xff" * (len(whole) - 12) + whole[-8:]]
    ):
        (repository / f"bad/{number}.parquet").write_bytes(data)
        with pytest.raises(InputError, match=f"{number}.parquet: not a readable Parquet file"):
            read(tmp_path / str(number), files={"all": f"bad/{number}.parquet"})


def test_labels_of_other_kinds(tmp_path, repository, calls):
    (repository / "more").mkdir()
    for name, labels in {"float": [1.0, float("nan"), 0.5], "list": [["a"], None, ["b"]]}.items():
        table = pa.table({"image": [b"1", b"2", b"3"], "label": labels})
        pq.write_table(table, repository / f"more/{name}.parquet")
    kept, dropped = read(tmp_path, files={"all": "more/*"})
    assert [image.label for image in kept] == ["1", "0.5"]
    assert dropped == {
        "more/float.parquet#1": "no label",
        "more/list.parquet#0": "the label is neither text nor a number",
        "more/list.parquet#1": "no label",
        "more/list.parquet#2": "the label is neither text nor a number",
    }


def test_a_damaged_record_of_the_commit_is_named(tmp_path, calls):
    (tmp_path / "owner--set@main.commit").write_bytes(b"\xffmain")
    with pytest.raises(InputError, match=r"owner--set@main\.commit: .*Delete the file"):
        read(tmp_path)


def test_a_hub_out_of_reach_is_an_error(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise httpx.ConnectError("no route")

    monkeypatch.setattr(huggingface_hub, "dataset_info", fail)
    with pytest.raises(InputError, match=r"owner/set at main: .*no route.*Check the name"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("glob", "name", "fits"),
    [
        ("**/*.parquet", "x.parquet", True),
        ("**/*.parquet", "a/b/x.parquet", True),
        ("data/*.parquet", "data/a/x.parquet", False),
        ("data/train-?.parquet", "data/train-1.parquet", True),
        ("data/train-?.parquet", "data/train-10.parquet", False),
        ("a.b", "axb", False),
    ],
)
def test_globs(glob, name, fits):
    assert matches(name, glob) == fits


class HubHandler(BaseHTTPRequestHandler):
    """As much of the hub's interface as the client needs."""

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = unquote(urlsplit(self.path).path)
        root = self.server.repository
        files = [p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()]
        if path.startswith("/api/datasets/owner/set/revision/"):
            siblings = [{"rfilename": name} for name in files]
            self.answer(json.dumps({"id": "owner/set", "sha": COMMIT, "siblings": siblings}))
        elif path.startswith(f"/api/datasets/owner/set/tree/{COMMIT}"):
            tree = [{"type": "file", "path": n, "size": 1, "oid": "0" * 40} for n in files]
            self.answer(json.dumps(tree))
        elif path.startswith(f"/datasets/owner/set/resolve/{COMMIT}/"):
            self.answer((root / path.split(COMMIT + "/")[1]).read_bytes())
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def answer(self, body):
        body = body if isinstance(body, bytes) else body.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{len(body):040x}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


SCRIPT = """
import sys
from pathlib import Path
from nicheclip.config.fetched_sources import HubSource
from nicheclip.data.sources.base import Part
from nicheclip.data.sources.hub import HubImages
from nicheclip.data.sources.hub_cache import matches
from nicheclip.runtime.errors import InputError
source = HubSource(kind="hub", repository=sys.argv[1])
try:
    images = HubImages(source, Path(sys.argv[2])).items(Part())
    print([getattr(item, "label", None) for _, item in images])
except InputError as error:
    print("InputError", error)
"""


def test_the_real_client_against_a_local_hub(tmp_path, repository):
    server = ThreadingHTTPServer(("127.0.0.1", 0), HubHandler)
    server.repository = repository
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    environment = os.environ | {
        "HF_ENDPOINT": f"http://127.0.0.1:{server.server_address[1]}",
        "HF_HUB_DISABLE_XET": "1",
        "PYTHONPATH": str(Path(__file__).parents[2] / "src"),
    }

    def run(name):
        command = [sys.executable, "-c", SCRIPT, name, str(tmp_path / "downloads")]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True, timeout=120
        ).stdout.strip()

    labels = "['apple', 'apple', 'sea lion', None, 'sea lion', None]"
    assert run("owner/set") == labels
    assert run("owner/none").startswith("InputError owner/none at main: the hub does not give it")
    server.shutdown()
    server.server_close()
