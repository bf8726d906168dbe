"""YAML that PyYAML, or Snakemake, takes in silence or answers with a traceback."""

import pytest
import yaml

from nicheclip.config.yaml_file import compose_yaml, read_yaml
from nicheclip.runtime.errors import InputError

#: each line repeats the one above ten times: the sixth stands for 1,011,111 entries
FLOOD = (
    "a0: &a0 ["
    + "1, " * 10
    + "]\n"
    + "".join(f"a{n}: &a{n} [1, " + f"*a{n - 1}, " * 10 + "]\n" for n in range(1, 8))
)

DAMAGED = {
    "repeated key": ("a:\n  b: 1\n  c: 2\n  b: 3\n", "line 4: the key 'b' repeats that of line 2"),
    "repeated key in braces": ("a: {b: 1, b: 2}\n", "line 1: the key 'b' repeats that of line 1"),
    "repeated key in a list": ("- b: 1\n- {c: 1,\n   c: 2}", "line 3: the key 'c' repeats that"),
    "repeated key, two spellings": ("yes: 1\ntrue: 2\n", "line 2: the key 'true' repeats that"),
    "mapping inside itself": ("a: &x\n  b: *x\n", r"line 2: \*x stands inside the entry &x"),
    "list inside itself": ("a: &x [1, [*x]]\n", r"line 1: \*x stands inside"),
    "aliases of aliases": (FLOOD, "line 6: aliases make more than 1,000,000 entries"),
    "tab": (
        "a:\n\tb: 1\n",
        "line 2: not YAML: the line is indented with a tab. Indent with spaces",
    ),
    "latin-1": (b"a: 1\nb: caf\xe9\n", r"line 2: not UTF-8 \(byte 0xe9\). Save the file"),
    "UTF-16": ("a: 1\n".encode("utf-16"), "line 1: not UTF-8"),
    "NUL": (b"a: 1\x00\n", "not YAML: .*#x0000"),
    "open bracket": ("a: [1,\n", "line 2: not YAML: .*expected the node content"),
    "open quote": ('a: "x\n', "line 2: not YAML: .*quoted scalar"),
    "indentation": ("a:\n    b: 1\n  c: 2\n", "line 3: not YAML"),
    "two documents": ("a: 1\n---\nb: 1\n", "line 2: not YAML: .*another document"),
    "unknown alias": ("a: *b\n", "line 1: not YAML: .*undefined alias"),
    "unknown tag": ("a: !!python/name:os.system\n", "line 1: not YAML: could not determine"),
    "a list as a key": ("? [1]\n: 2\n", "line 1: not YAML: .*unhashable key"),
    "no such day": ("a: 2024-13-45\n", "not YAML: a number, date or tag cannot be read"),
    "no number": ("a: !!int x\n", "not YAML: a number, date or tag cannot be read"),
    "no truth": ("a: !!bool x\n", "not YAML: a number, date or tag cannot be read"),
    "deep": ("[" * 5000, "entries are nested too deeply"),
    "half of a character": ('a: 1\nb: "\\ud83d"\n', r"line 2: .*ud83d.* half of a character"),
}


@pytest.mark.parametrize(("content", "message"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_names_the_line_and_what_is_wrong(tmp_path, content, message):
    file = tmp_path / "mine.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=rf"mine\.yaml[,:] {message}"):
        read_yaml(file)


def test_what_cannot_be_opened_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.yaml: no such file"):
        read_yaml(tmp_path / "none.yaml")
    with pytest.raises(InputError, match=r"cannot be read \(.*directory"):
        read_yaml(tmp_path)
    with pytest.raises(InputError, match=r"cannot be read \(.*too long"):
        read_yaml(tmp_path / ("x" * 300))
    with pytest.raises(InputError, match=r"cannot be read \(.*null"):
        read_yaml("a\0b")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "# nothing\n",
        "\ufeffa: 1\n",
        "base: &b {x: 1, y: 2}\nmore: &m {<<: *b, x: 3}\nmost: {<<: *m, <<: *b, y: 4}\n",
        "a: &x [1]\nb: *x\nc: {d: *x}\n",
        "1: a\n'1': b\n",
    ],
)
def test_sound_files_are_read_as_pyyaml_reads_them(tmp_path, content):
    file = tmp_path / "mine.yaml"
    file.write_text(content)
    assert read_yaml(file) == yaml.safe_load(content)
    assert (compose_yaml(file) is None) == (yaml.compose(content) is None)
