"""Lists of image URLs against a local server that misbehaves."""

import csv
import socket
import threading
import time
from collections import Counter
from urllib.parse import urlsplit

import polars as pl
import pytest
from aiohttp.resolver import DefaultResolver
from image_server import Handler, State, answer
from pydantic import ValidationError
from source_files import jpeg

from acquired_files import acquire_and_curate
from nicheclip.config.data import DatasetConfig
from nicheclip.config.url_source import UrlsSource
from nicheclip.data import url_asking, url_fetch
from nicheclip.data.image_set import ImageSet
from nicheclip.data.sources.base import Part, SourceImage
from nicheclip.data.sources.urls import UrlImages
from nicheclip.data.url_hosts import forbids, retry_after
from nicheclip.data.url_outcomes import Address
from nicheclip.runtime.errors import InputError
from quiet_server import serving


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(url_fetch, "FIRST_PAUSE_SECONDS", 0.01)
    with serving(State(), Handler) as state:
        yield state


def source_of(folder, urls, **options):
    """A table of ``urls`` with the labels a and b in turn."""
    with (folder / "urls.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["url", "label", "licence"])
        writer.writerows([url, "ab"[number % 2], "CC0"] for number, url in enumerate(urls))
    return UrlsSource.model_validate(
        {
            "kind": "urls",
            "path": str(folder / "urls.csv"),
            "rate": 1000,
            "timeout": 2,
            "private_hosts": True,
        }
        | {"downloads": str(folder / "downloads")}
        | options
    )


def read(folder, source, part=Part(0, 1)):  # noqa: B008
    items = list(UrlImages(source, folder / "kept").items(part))
    places = [place for place, _ in items]
    assert places == sorted(set(places))
    kept = {urlsplit(one.key).path: one for _, one in items if isinstance(one, SourceImage)}
    dropped = {one.key: one.reason for _, one in items if not isinstance(one, SourceImage)}
    return kept, dropped


def outcomes(folder):
    return pl.read_parquet(folder / "kept/urls-0-of-1/outcomes.parquet")


FAULTS = {
    "/good.jpg": jpeg(1),
    "/later.jpg": 503,
    "/moved.jpg": answer(301, Location="/good-too.jpg"),
    "/good-too.jpg": jpeg(3),
    "/gone.jpg": 404,
    "/circle.jpg": answer(302, Location="/circle.jpg"),
    "/elsewhere.jpg": answer(302, Location="file:///etc/passwd"),
    "/page.jpg": b"<!DOCTYPE html><html>log in</html>",
    "/empty.jpg": b"",
    "/large.jpg": jpeg(4) + bytes(200_000),
    "/drip.jpg": Handler.drip,
    "/cut.jpg": Handler.cut,
    "/down.jpg": 500,
    "/noai.jpg": answer(200, jpeg(5), X_Robots_Tag="noai"),
    "/private/x.jpg": jpeg(6),
    "/robots.txt": b"User-agent: *\nDisallow: /private/\n",
}
CAUSES = {
    "/gone.jpg": ("refused", 404),
    "/circle.jpg": ("redirects", 302),
    "/elsewhere.jpg": ("redirects", 302),
    "/page.jpg": ("no_image", 200),
    "/empty.jpg": ("no_image", 200),
    "/large.jpg": ("too_large", 200),
    "/drip.jpg": ("slow", None),
    "/cut.jpg": ("unreachable", None),
    "/down.jpg": ("busy", 500),
    "/noai.jpg": ("robots", 200),
    "/private/x.jpg": ("robots", None),
}


def test_every_url_has_an_outcome_and_good_images_survive(tmp_path, server):
    server.pages = FAULTS | {"/later.jpg": [503, jpeg(2)]}
    paths = [path for path in FAULTS if path not in ("/robots.txt", "/good-too.jpg")]
    urls = [*(server.url + path for path in paths), "ftp://x/1.jpg", f"{server.url}/good.jpg"]
    options = {"max_bytes": 100_000, "timeout": 1, "attempts": 2, "contact": "me@example.org"}
    source = source_of(tmp_path, urls, **options)
    kept, dropped = read(tmp_path, source)
    assert {path: one.data for path, one in kept.items()} == {
        "/good.jpg": jpeg(1),
        "/later.jpg": jpeg(2),
        "/moved.jpg": jpeg(3),
    }
    assert {one.licence for one in kept.values()} == {"CC0"}
    rows = {urlsplit(row["url"]).path: row for row in outcomes(tmp_path).iter_rows(named=True)}
    found = {path: (row["failure"], row["status"]) for path, row in rows.items() if row["failure"]}
    assert found == CAUSES | {"/1.jpg": ("bad_url", None)}
    assert dropped[f"row {len(urls)}: {server.url}/good.jpg"] == "the URL of another row"
    assert len(kept) + len(dropped) == len(urls)
    good = rows["/good.jpg"]
    assert (good["width"], good["height"], good["bytes"]) == (24, 16, len(jpeg(1)))
    assert rows["/later.jpg"]["attempts"] == 2 and rows["/gone.jpg"]["attempts"] == 1
    agents = {agent for _, _, agent in server.asked}
    assert len(agents) == 1 and "nicheclip" in (agent := agents.pop()) and "me@example.org" in agent
    assert "/private/x.jpg" not in server.asked_for()


def test_a_table_without_urls_is_an_error_in_the_users_words(tmp_path):
    (tmp_path / "urls.csv").write_text("link,label\nhttp://x.org/1.jpg,a\n")
    source = UrlsSource.model_validate({"kind": "urls", "path": str(tmp_path / "urls.csv")})
    with pytest.raises(InputError, match=r"no column 'url' among .*'link'.*columns: \{url: NAME\}"):
        read(tmp_path, source)


def test_a_url_with_a_password_is_left_out_and_the_password_is_not_shown(tmp_path, server):
    server.pages = {"/1.jpg": jpeg(1)}
    secret = server.url.replace("://", "://me:secret@") + "/1.jpg"
    _, dropped = read(tmp_path, source_of(tmp_path, [f"{server.url}/1.jpg", secret]))
    assert "name or password" in str(dropped) and "secret" not in str(dropped)
    assert "***@" in outcomes(tmp_path)["url"][1]


def test_images_come_while_others_are_still_fetched(tmp_path, server):
    read_first = threading.Event()

    def late(handler):
        handler.give(200 if read_first.wait(5) else 500, jpeg(2))

    server.pages = {"/1.jpg": jpeg(1), "/2.jpg": late}
    source = source_of(tmp_path, [f"{server.url}/{n}.jpg" for n in (1, 2)], timeout=10)
    items = UrlImages(source, tmp_path / "kept").items(Part())
    assert next(items)[1].data == jpeg(1)
    read_first.set()
    assert next(items)[1].data == jpeg(2)
    assert list(items) == []


def test_a_reader_that_stops_ends_the_fetching(tmp_path, server):
    server.pages = {"/1.jpg": jpeg(1), "/2.jpg": Handler.drip}
    source = source_of(tmp_path, [f"{server.url}/{n}.jpg" for n in (1, 2)], timeout=60)
    items = UrlImages(source, tmp_path / "kept").items(Part())
    next(items)
    start = time.monotonic()
    items.close()
    assert time.monotonic() - start < 2  # the drip takes five seconds
    assert "fetch" not in {thread.name for thread in threading.enumerate()}
    assert not (tmp_path / "kept/urls-0-of-1/outcomes.parquet").exists()


def test_a_row_without_label_costs_no_request(tmp_path, server):
    server.pages = {"/1.jpg": jpeg(1)}
    source = source_of(tmp_path, [])
    (tmp_path / "urls.csv").write_text(
        f"url,label\n{server.url}/1.jpg, \n{server.url}/2.jpg,\n{server.url}/1.jpg,a\n"
    )
    kept, dropped = read(tmp_path, source)
    assert server.asked_for() == {"/robots.txt": 1, "/1.jpg": 1}
    assert kept["/1.jpg"].label == "a"  # the row before it, without a label, is no other image
    assert list(dropped.values()) == ["empty label", "empty label"]
    assert outcomes(tmp_path)["failure"].to_list() == ["no_label", "no_label", None]


def everything_in(folder):
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_tokens_stand_in_no_file_and_a_list_signed_anew_asks_only_for_the_rest(tmp_path, server):
    server.pages = {"/1.jpg": jpeg(1), "/2.jpg": 403}

    def signed(number, token):
        return f"{server.url}/{number}.jpg?size=2&X-Amz-Signature={token}&key=k{token}"

    source = source_of(tmp_path, [signed(n, "s3cret") for n in (1, 2)])
    kept, dropped = read(tmp_path, source)
    shown = f"{server.url}/1.jpg?size=2&X-Amz-Signature=***&key=***"
    assert [(one.key, one.url) for one in kept.values()] == [(shown, shown)]
    assert list(dropped) == [shown.replace("1.jpg", "2.jpg")]
    assert outcomes(tmp_path)["url"][0] == shown
    assert b"s3cret" not in everything_in(tmp_path / "kept")
    server.pages["/2.jpg"] = jpeg(2)
    server.asked.clear()
    kept, _ = read(tmp_path, source_of(tmp_path, [signed(n, "other") for n in (1, 2)]))
    assert server.asked_for() == {"/robots.txt": 1, "/2.jpg": 1}
    assert {path: one.data for path, one in kept.items()} == {
        "/1.jpg": jpeg(1),
        "/2.jpg": jpeg(2),
    }


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("?a=1;token=s3cret&b=2", "?a=1;token=***&b=2"),
        ("?a=1&amp;token=s3cret", "?a=1&amp;token=***"),
        ("#access_token=s3cret", "#access_token=***"),
        ("?sig=a's3cret&b=2", "?sig=***&b=2"),
        ("?sig=a s3cret#b", "?sig=***#b"),
        ("?sig=s3cret...", "?sig=***"),
    ],
)
def test_a_token_is_hidden_to_its_end(written, shown):
    assert Address.of(f"https://h.org/1.jpg{written}").shown == f"https://h.org/1.jpg{shown}"


def test_a_key_that_is_no_secret_tells_images_apart(tmp_path, server):
    server.pages = {"/get": jpeg(1)}
    urls = [f"{server.url}/get?key={n}" for n in (1, 2)]
    _, dropped = read(tmp_path, source_of(tmp_path, urls))
    assert "name its parameter in not_secret" in dropped[f"row 2: {server.url}/get?key=***"]
    source = source_of(tmp_path, urls, not_secret=["key"], connections=1)
    items = UrlImages(source, tmp_path / "again").items(Part())
    assert [one.key for _, one in items] == urls


PRIVATE = ["127.0.0.1", "localhost", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254"]
PRIVATE += ["[::1]", "[::ffff:127.0.0.1]", "[fe80::1]", "[fd00::1]", "100.64.0.1"]
PRIVATE += [
    "127。0。0。1",
    "１２7.0.0.1",
    "a.localhost.",
    "[64:ff9b::7f00:1]",
    "[::127.0.0.1]",
    "[fec0::1]",
]


def test_private_addresses_are_not_asked(tmp_path, server, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    port = urlsplit(server.url).port
    urls = [f"http://{host}:{port}/1.jpg" for host in PRIVATE]
    source = source_of(tmp_path, urls, private_hosts=False)
    kept, _ = read(tmp_path, source)
    assert not kept and not server.asked
    assert set(outcomes(tmp_path)["failure"]) == {"private"}
    server.pages = {"/1.jpg": jpeg(1)}
    kept, _ = read(tmp_path, source_of(tmp_path, urls[:1]))  # allowed now: no outcome of before
    assert kept["/1.jpg"].data == jpeg(1)


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "127.1", "127.0.0.1."])
def test_this_machine_in_another_spelling_is_not_asked(host, tmp_path, server):
    url = f"http://{host}:{urlsplit(server.url).port}/1.jpg"
    kept, _ = read(tmp_path, source_of(tmp_path, [url], private_hosts=False))
    assert not kept and not server.asked
    assert outcomes(tmp_path)["failure"][0] in ("bad_url", "private")  # as the resolver knows it


def test_a_redirect_to_a_private_address_is_not_followed(tmp_path, server, monkeypatch):
    """The server stands for a public one, by its name; it leads to this machine by its number."""
    monkeypatch.setattr(url_asking, "proxy_hosts", lambda: {"public.example"})
    monkeypatch.setattr(DefaultResolver, "resolve", resolved_here)
    monkeypatch.setenv("no_proxy", "*")
    port = urlsplit(server.url).port
    server.pages = {
        "/1.jpg": answer(302, Location=f"http://127.0.0.1:{port}/2.jpg"),
        "/2.jpg": jpeg(2),
    }
    urls = [f"http://{name}.example:{port}/1.jpg" for name in ("public", "rebound")]
    read(tmp_path, source_of(tmp_path, urls, private_hosts=False))
    assert outcomes(tmp_path)["failure"].to_list() == ["private", "private"]
    assert outcomes(tmp_path)["detail"].to_list() == [
        "127.0.0.1 is not of the public network",
        "rebound.example is 127.0.0.1, not of the public network",
    ]
    assert server.asked_for() == {"/robots.txt": 1, "/1.jpg": 1}


async def resolved_here(self, host, port=0, family=socket.AF_INET):
    return [
        {"hostname": host, "host": "127.0.0.1", "port": port}
        | {"family": socket.AF_INET, "proto": 0, "flags": 0}
    ]


def test_a_row_without_url_is_named_by_its_number(tmp_path, server):
    server.pages = {"/1.jpg": jpeg(1)}
    _, dropped = read(tmp_path, source_of(tmp_path, [f"{server.url}/1.jpg", ""]))
    assert "no http or https address" in dropped["row 2"]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("spread", ["https://host.org"], "'https://host.org' is no host's name"),
        ("spread", ["Host.org"], "small letters"),
        ("spread", ["host.org:80"], "without https:// and port"),
        ("encoding", "klingon", "'klingon' is no encoding of text"),
        ("contact", "me\nX-Other: 1", "is more than a line"),
    ],
)
def test_what_nobody_would_understand_is_refused(field, value, message):
    with pytest.raises(ValidationError, match=message):
        UrlsSource.model_validate({"kind": "urls", "path": "list.csv", field: value})


def test_another_run_asks_only_for_what_may_have_passed(tmp_path, server):
    server.pages = {"/good.jpg": jpeg(1), "/gone.jpg": 404, "/down.jpg": 503}
    urls = [f"{server.url}/{name}.jpg" for name in ("good", "gone", "down")]
    source = source_of(tmp_path, urls, attempts=2)
    kept, _ = read(tmp_path, source)
    assert set(kept) == {"/good.jpg"}
    assert server.asked_for()["/down.jpg"] == 2
    server.pages["/down.jpg"] = jpeg(9)
    server.asked.clear()
    kept, dropped = read(tmp_path, source)
    assert server.asked_for() == {"/robots.txt": 1, "/down.jpg": 1}
    assert {path: one.data for path, one in kept.items()} == {
        "/good.jpg": jpeg(1),
        "/down.jpg": jpeg(9),
    }
    assert list(dropped.values()) == ["refused: answers 404"]


@pytest.mark.parametrize("lost", ["line", "bytes"])
def test_what_a_killed_job_left_half_is_fetched_again(tmp_path, server, lost):
    server.pages = {f"/{n}.jpg": jpeg(n) for n in range(6)}
    source = source_of(tmp_path, [f"{server.url}/{n}.jpg" for n in range(6)])
    before, _ = read(tmp_path, source)
    folder = tmp_path / "kept/urls-0-of-1"
    path = folder / ("outcomes.jsonl" if lost == "line" else "images.bin")
    with path.open("r+b") as stream:
        stream.truncate(path.stat().st_size - 5)
    server.asked.clear()
    assert read(tmp_path, source)[0] == before
    assert sum(server.asked_for().values()) == 2  # robots.txt and one image


def test_a_damaged_record_is_an_error(tmp_path, server):
    source = source_of(tmp_path, [f"{server.url}/1.jpg"])
    folder = tmp_path / "kept/urls-0-of-1"
    folder.mkdir(parents=True)
    (folder / "outcomes.jsonl").write_text("nonsense\n")
    with pytest.raises(InputError, match=r"outcomes\.jsonl, line 1: damaged .* Delete"):
        read(tmp_path, source)


def test_a_host_is_asked_no_faster_than_it_allows(tmp_path, server):
    server.pages = {f"/{n}.jpg": jpeg(n) for n in range(6)}
    source = source_of(tmp_path, [f"{server.url}/{n}.jpg" for n in range(6)], rate=20)
    start = time.monotonic()
    assert len(read(tmp_path, source)[0]) == 6
    assert time.monotonic() - start >= 6 / 20  # and robots.txt at the start


def test_a_crawl_delay_of_robots_is_kept(tmp_path, server):
    server.pages = {"/1.jpg": jpeg(1), "/2.jpg": jpeg(2)}
    server.pages["/robots.txt"] = b"User-agent: nicheclip\nCrawl-delay: 1\n"
    start = time.monotonic()
    read(tmp_path, source_of(tmp_path, [f"{server.url}/{n}.jpg" for n in (1, 2)]))
    assert time.monotonic() - start >= 1


def test_retry_after_holds_the_whole_host(tmp_path, server):
    server.pages = {"/1.jpg": [answer(429, Retry_After="1"), jpeg(1)], "/2.jpg": jpeg(2)}
    source = source_of(tmp_path, [f"{server.url}/{n}.jpg" for n in (1, 2)], connections=1)
    start = time.monotonic()
    kept, _ = read(tmp_path, source)
    assert len(kept) == 2 and time.monotonic() - start >= 0.9


def test_a_host_that_asks_for_a_long_pause_is_left_for_another_run(tmp_path, server):
    server.pages = {f"/{n}.jpg": answer(503, Retry_After="3600") for n in range(9)}
    source = source_of(tmp_path, [f"{server.url}/{n}.jpg" for n in range(9)], connections=1)
    kept, dropped = read(tmp_path, source)
    assert not kept and sum(server.asked_for().values()) == 2  # robots.txt and one image
    assert Counter(reason.split(":")[0] for reason in dropped.values()) == {
        "busy": 1,
        "unreachable": 8,
    }


def test_a_network_that_reaches_nobody_stops_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(url_fetch, "PROBED", 3)
    monkeypatch.setattr(url_fetch, "FIRST_PAUSE_SECONDS", 0.01)
    source = source_of(tmp_path, [f"http://127.0.0.1:9/{n}.jpg" for n in range(5)])
    with pytest.raises(InputError, match=r"none of the first 3 requests .* HTTPS_PROXY"):
        read(tmp_path, source)


def test_a_host_belongs_to_one_part_unless_it_is_spread(tmp_path):
    urls = [f"http://host{n % 7}.example/{n}.jpg" for n in range(70)]

    def shares(**options):
        images = UrlImages(source_of(tmp_path, urls, **options), tmp_path)
        return [{urls[place] for place, _ in images._rows(Part(number, 3))} for number in range(3)]

    alone = shares()
    hosts = [{urlsplit(url).hostname for url in share} for share in alone]
    assert sum(map(len, hosts)) == 7 and set.union(*alone) == set(urls)
    spread = shares(spread=["host0.example"])
    assert sum(map(len, spread)) == 70 and set.union(*spread) == set(urls)
    assert all(any("host0." in url for url in share) for share in spread)


def test_parts_make_the_catalog_of_one_job(tmp_path, server):
    server.pages = {f"/{n}.jpg": jpeg(n) for n in range(8)} | {"/8.jpg": jpeg(8)[:200]}
    urls = [f"{server.url}/{n}.jpg" for n in range(10)]
    found = []
    for parts in (1, 2):
        source = source_of(tmp_path, urls, spread=["127.0.0.1"])
        config = DatasetConfig.model_validate(
            {"source": source.model_dump(), "parts": parts, "shards": parts}
        )
        out = tmp_path / f"out{parts}"
        report, _ = acquire_and_curate(out, config, registry=tmp_path)
        assert report.counts["images"] == 8
        assert report.dropped.counts["refused: answers 404"] == 1
        assert sum(report.dropped.counts.values()) == 2  # and one that is cut
        found.append((out / "catalog.parquet").read_bytes())
        assert sum(len(ImageSet(out / split)) for split in ("train", "val", "test")) == 8
    assert found[0] == found[1]


def test_the_bytes_are_the_same_for_any_number_of_workers(tmp_path, server):
    server.pages = {f"/{n}.jpg": jpeg(n) for n in range(12)} | {"/3.jpg": [503, jpeg(3)]}
    source = source_of(tmp_path, [f"{server.url}/{n}.jpg" for n in range(13)])
    config = DatasetConfig.model_validate({"source": source.model_dump()})
    found = []
    for workers in (1, 3):
        fresh = config.source.model_copy(update={"downloads": str(tmp_path / f"kept{workers}")})
        one = config.model_copy(update={"source": fresh})
        _, tars = acquire_and_curate(tmp_path / f"{workers}", one, workers=workers)
        catalog = (tmp_path / f"{workers}/catalog.parquet").read_bytes()
        found.append([catalog, *(tar.read_bytes() for tar in tars)])
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("tags", "word"),
    [
        (["noai"], "noai"),
        (["all", "nosnippet, NoImageAI"], "noimageai"),
        (["otherbot: noai"], ""),
        (["nicheclip: noindex"], "noindex"),
        ([], ""),
    ],
)
def test_words_that_forbid_an_image(tags, word):
    assert forbids(tags, "nicheclip") == word


def test_retry_after_is_a_number_or_a_date():
    assert retry_after("7") == 7
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert retry_after("soon") is None and retry_after("") is None
