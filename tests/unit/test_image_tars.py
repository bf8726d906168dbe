import io
import tarfile

import numpy as np
import pytest

from nicheclip.data.image_tars import ImageTars, member_header
from nicheclip.runtime.seeding import stable_hash


def info(name, size):
    found = tarfile.TarInfo(name)
    found.size, found.mode = size, 0o444
    found.uname = found.gname = "nicheclip"
    return found


@pytest.mark.parametrize("size", [0, 1, 511, 512, 41_806, 2**31 - 1])
def test_a_header_is_that_of_tarfile(size):
    name = "0123456789abcdef.jpg"
    assert member_header(name, size) == info(name, size).tobuf(tarfile.USTAR_FORMAT)


@pytest.mark.parametrize("images", [0, 1, 40])
def test_a_tar_is_that_of_tarfile(tmp_path, images):
    draw = np.random.default_rng(0)
    encoded = {
        f"{number:016x}": (b"\x89PNG" if number % 3 else b"\xff\xd8") + draw.bytes(number * 70)
        for number in range(images)
    }
    with ImageTars([tmp_path / "ours.tar"], tmp_path) as tars:
        for image_id, data in encoded.items():
            tars.add(image_id, data)
        places = tars.finish()

    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for image_id in sorted(encoded, key=lambda one: stable_hash("shard order", one)):
            data = encoded[image_id]
            suffix = "png" if data.startswith(b"\x89PNG") else "jpg"
            tar.addfile(info(f"{image_id}.{suffix}", len(data)), io.BytesIO(data))
    written = (tmp_path / "ours.tar").read_bytes()
    assert written == stream.getvalue()
    assert [
        written[offset : offset + size]
        for offset, size in zip(places.offset, places.size, strict=True)
    ] == list(encoded.values())
