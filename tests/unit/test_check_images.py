import pytest

from nicheclip.data.check_images import damaged_files, main
from nicheclip.runtime.errors import InputError
from nicheclip.runtime.manifest import ManifestWriter


@pytest.fixture
def dataset(tmp_path):
    """A data set of two parts with a tar each."""
    for part in range(2):
        folder = tmp_path / f"set/parts/{part:05d}"
        tar = folder / f"images/{part:05d}.tar"
        tar.parent.mkdir(parents=True)
        tar.write_bytes(bytes([part]) * 5000)
        writer = ManifestWriter("acquire", config={}, code="")
        writer.write(folder / "manifest.json", outputs=[tar], counts={})
    return tmp_path / "set"


def test_a_flipped_byte_and_a_lost_tar_are_named(dataset, capsys):
    assert list(damaged_files(dataset)) == [] and main([str(dataset)]) == 0
    first, second = sorted(dataset.rglob("*.tar"))
    data = bytearray(first.read_bytes())
    data[4000] ^= 1
    first.write_bytes(data)
    second.unlink()
    assert list(damaged_files(dataset)) == [
        f"{first}: has other bytes than when it was written.",
        f"{second}: is not there.",
    ]
    assert main([str(dataset)]) == 1
    assert "2 damaged files. Delete the folders of their parts" in capsys.readouterr().out


def test_a_folder_without_parts_is_an_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="results/acquire: no part of a data set is here"):
        main([])
    with pytest.raises(InputError, match="no part of a data set is here"):
        list(damaged_files(tmp_path))


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"outputs": [1]}'])
def test_a_damaged_manifest_is_an_error(dataset, content):
    (dataset / "parts/00001/manifest.json").write_text(content)
    with pytest.raises(InputError, match=r"00001/manifest\.json: expected the manifest .*Delete"):
        list(damaged_files(dataset))
