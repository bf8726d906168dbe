"""Archives that a flipped bit or a cut has damaged, and headers that lie: each is an error."""

import bz2
import gzip
import io
import lzma
import tarfile
import tracemalloc
import zipfile

import numpy as np
import pyarrow as pa
import pytest
from test_archive_source import read, tar_bytes, zip_bytes

from nicheclip.data.sources.members import Member, iterate_members
from nicheclip.runtime.errors import InputError

#: twenty members of 3,000 bytes that do not compress, each three blocks of 1,024 and a half
IMAGES = {f"a/{i:02d}.jpg": np.random.default_rng(i).bytes(3000) for i in range(20)}
TAR = tar_bytes(IMAGES)
#: of a header, and the member with its padding
STEP = 512 + 3072

PACKERS = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda data: pa.compress(data, codec="zstd", asbytes=True),
}


def flipped(data, place, bit=1):
    return data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :]


@pytest.mark.parametrize("place", [0, 110, 130, 148, 156, 300], ids=str)
@pytest.mark.parametrize("member", [1, 5, 19])
def test_a_flipped_bit_in_a_header_stops_with_what_was_read(tmp_path, member, place):
    data = flipped(TAR, member * STEP + place)
    last = f"a/{member - 1:02d}.jpg"
    message = rf"x\.tar: damaged after {member} members, the last of them '{last}'.*is lost.*Delete"
    with pytest.raises(InputError, match=message):
        read(tmp_path, {"x.tar": data})


@pytest.mark.parametrize("more", [0, 100, 512 + 700], ids=["before", "in header", "in member"])
@pytest.mark.parametrize("member", [1, 6, 19])
def test_a_cut_stops_with_what_was_read(tmp_path, member, more):
    with pytest.raises(InputError, match=f"damaged after {member} members"):
        read(tmp_path, {"x.tar": TAR[: member * STEP + more]})


def test_an_archive_without_its_end_blocks_is_cut(tmp_path):
    with pytest.raises(InputError, match="damaged after 20 members"):
        read(tmp_path, {"x.tar": TAR[: 20 * STEP]})
    assert len(read(tmp_path, {"y.tar": TAR[: 20 * STEP + 1024]})[0]) == 20


def test_a_header_of_zeros_is_no_end(tmp_path):
    data = TAR[: 6 * STEP] + bytes(512) + TAR[6 * STEP + 512 :]
    with pytest.raises(InputError, match=r"damaged after 6 members.*more follows the end blocks"):
        read(tmp_path, {"x.tar": data})


def test_two_archives_in_one_file_are_an_error(tmp_path):
    with pytest.raises(InputError, match="archives joined in one file"):
        read(tmp_path, {"x.tar": TAR + TAR})


@pytest.mark.parametrize("kind", PACKERS)
def test_a_compressed_archive_is_read_to_its_end(tmp_path, kind):
    packed = PACKERS[kind](TAR)
    assert len(read(tmp_path, {f"x.tar.{kind}": packed})[0]) == 20
    for cut in (20, len(packed) // 2, len(packed) - 3):
        with pytest.raises(InputError, match="damaged"):
            read(tmp_path, {f"c{cut}.tar.{kind}": packed[:cut]})


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
def test_a_flip_in_a_compressed_image_is_found_by_the_checksum(tmp_path, kind):
    packed = PACKERS[kind](TAR)
    for number, place in enumerate(np.linspace(40, len(packed) - 40, 12).astype(int).tolist()):
        with pytest.raises(InputError, match="damaged"):
            read(tmp_path, {f"{number}.tar.{kind}": flipped(packed, place)})


def test_a_wrong_checksum_alone_is_found(tmp_path):
    packed = gzip.compress(TAR)
    with pytest.raises(InputError, match=r"x: damaged after 18 members.*CRC check failed"):
        read(tmp_path, {"x": flipped(packed, len(packed) - 8)})


def test_the_outer_archive_of_an_inner_one_is_checked_too(tmp_path):
    packed = gzip.compress(tar_bytes({"in.tar": TAR, "z/1.jpg": b"1"}))
    assert len(read(tmp_path, {"x.tgz": packed}, inner="in.tar")[0]) == 20
    with pytest.raises(InputError, match="CRC check failed"):
        read(tmp_path, {"y.tgz": flipped(packed, len(packed) - 8)}, inner="in.tar")


def header(name, kind, size, data=b""):
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT) + data


@pytest.mark.parametrize(
    "kind", [tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE]
)
def test_a_header_that_claims_much_takes_no_memory(tmp_path, kind):
    claimed = header("x", kind, 30_000_000, bytes(30_000_256))
    packed = gzip.compress(tar_bytes({"a/1.jpg": b"1"})[:1024] + claimed + TAR)
    tracemalloc.start()
    with pytest.raises(InputError, match=r"damaged after 1 members.*a header claims 30000000"):
        read(tmp_path, {"x": packed})
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def test_a_negative_size_is_damage(tmp_path):
    info = tarfile.TarInfo("a/1.jpg")
    raw = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    raw[124:136] = b"\xff" * 11 + b"\x00"  # -256 in base 256
    raw[148:156] = b" " * 8
    raw[148:156] = b"%06o\0 " % sum(raw[:512])
    with pytest.raises(InputError, match="claims -256 bytes"):
        read(tmp_path, {"x": TAR[:STEP] + bytes(raw) + TAR[STEP:]})


def sparse(fields, body):
    info = tarfile.TarInfo("a/1.jpg")
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"} | fields
    info.size = len(body)
    return info.tobuf(tarfile.PAX_FORMAT) + body + bytes(-len(body) % 512)


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ({"GNU.sparse.realsize": "9"}, b"99\n1\n"),
        ({"GNU.sparse.realsize": "9"}, b"many\n"),
        ({"GNU.sparse.realsize": "nine"}, b"1\n0\n1\n"),
        ({"GNU.sparse.realsize": "9"}, b""),
    ],
)
def test_a_broken_sparse_file_is_damage_and_no_endless_loop(tmp_path, fields, body):
    with pytest.raises(InputError, match="damaged"):
        read(tmp_path, {"x": sparse(fields, body)})


def test_a_sparse_file_is_dropped(tmp_path):
    whole = sparse({"GNU.sparse.realsize": "9"}, b"1\n0\n1\n".ljust(512, b"\0") + b"x")
    kept, dropped = read(tmp_path, {"x": whole + TAR})
    assert len(kept) == 20
    assert dropped == {"x/a/1.jpg": "sparse file, which no photograph is"}


def test_an_encrypted_inner_archive_is_an_error(tmp_path):
    data = bytearray(zip_bytes({"in.tar": TAR}, zipfile.ZIP_STORED))
    data[data.index(b"PK\x03\x04") + 6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(InputError, match=r"x\.zip: 'in\.tar' is encrypted. Unpack it"):
        read(tmp_path, {"x.zip": bytes(data)}, inner="in.tar")


def test_members_that_nobody_wants_are_checked_as_well(tmp_path):
    (tmp_path / "x").write_bytes(flipped(TAR, 7 * STEP))
    members = iterate_members(tmp_path / "x", wanted=lambda number: False)
    assert sum(isinstance(next(members), Member) for _ in range(7)) == 7
    with pytest.raises(InputError, match="damaged after 7 members"):
        next(members)


def test_an_archive_of_no_member_is_whole(tmp_path):
    stream = io.BytesIO()
    tarfile.open(fileobj=stream, mode="w").close()
    (tmp_path / "x").write_bytes(stream.getvalue())
    assert list(iterate_members(tmp_path / "x")) == []
