"""Suites as YAML: merge keys, the lines of values, and files that are refused."""

import inspect
import os
import re
from pathlib import Path

import pytest
import yaml
import yaml.composer
import yaml.parser
import yaml.reader
import yaml.scanner

from moebench.errors import BadInput
from moebench.spec.yaml_source import Source, parse, read


def source(text: str) -> Source:
    return parse(text, Path("s.yaml"))


def test_merge_keys_fill_in_what_a_mapping_lacks() -> None:
    text = """\
base: &base {router: soft, experts: 2}
more: &more
  experts: 8
  top_k: 1
cells:
  - *base
  - <<: *base
    experts: 4
  - {<<: [*base, *more], steps: 3}
"""
    found = source(text)
    assert found.data["cells"] == [
        {"router": "soft", "experts": 2},
        {"router": "soft", "experts": 4},
        # Of several mappings the first goes before the others.
        {"steps": 3, "router": "soft", "experts": 2, "top_k": 1},
    ]
    # A merged value stands in the line of its anchor, a mapping's own in its own.
    assert [found.line(("cells", 1, key)) for key in ("router", "experts")] == [1, 8]
    assert [found.line(("cells", 2, key)) for key in ("steps", "router", "top_k")] == [9, 1, 4]


def test_merged_mappings_may_merge_others() -> None:
    assert source("a: &a {x: 1}\nb: &b {<<: *a, y: 2}\nc: {<<: *b, z: 3}\n").data["c"] == {"x": 1, "y": 2, "z": 3}


def test_a_merge_key_in_quotes_is_a_key() -> None:
    assert source("'<<': 1\n").data == {"<<": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: {<<: 3}\n", "s.yaml:1: '<<' merges mappings: write <<: *anchor"),
        ("a: &a [1]\nb: {<<: *a}\n", "s.yaml:2: '<<' merges mappings"),
        ("a: &a {x: 1}\nb:\n  <<: *a\n  <<: *a\n", "s.yaml:4: the key '<<' occurs twice, first in line 3"),
        ("a: &a {<<: *a}\n", "too large or nested too deeply"),
        ("a: 012\n", "s.yaml:1: '012' begins with a zero"),
        ("x: 1\na: 012\n", "s.yaml:2: '012' begins with a zero"),
        ("1: x\n", "s.yaml:1: a key must be a text, not '1'"),
        ("? [a]\n: x\n", "s.yaml:1: a key must be a text, not a list or a mapping"),
        ("~: x\n", "s.yaml:1: a key must be a text, not '~'"),
    ],
)
def test_a_mistake_stands_in_its_line(text: str, message: str) -> None:
    with pytest.raises(BadInput) as raised:
        source(text)
    assert message in str(raised.value)


BROKEN = {
    "a list is not closed": ("a: [1,\nb: 2\n", 1, "a list in brackets is not closed"),
    "a mapping is not closed": ("x: 1\na: {b: 1\n", 2, "a mapping in braces is not closed"),
    "a quote is not closed": ("a: 'x\nb: 1\n", 1, "a quote is not closed"),
    "a tab indents": ("a:\n\t- 1\n", 2, "a tab stands where only spaces may"),
    "a colon too many": ("a: b: c\n", 1, "a text with ': ' in it needs quotes"),
    "a key without a colon": ("a: 1\nb\nc: 2\n", 3, "a key has no colon behind it"),
    "a reserved character": ("a: @x\n", 1, "a text cannot begin with @ unless it stands in quotes"),
    "an unknown alias": ("a: *zz\n", 1, "the alias *zz has no anchor &zz before it"),
    "a nameless anchor": ("&: 1\n", 1, "an anchor or alias"),
    "two documents": ("a: 1\n---\nb: 1\n", 2, "a second document begins"),
    "an unknown escape": ('a: "\\q"\n', 1, "a backslash in double quotes"),
    "a bracket too many": ("a: ]\n", 1, "one bracket too many"),
    "a list and a mapping": ("- a\nb: 1\n", 2, "not indented like the lines around it"),
    "a dash behind a value": ("a: - b\n", 1, "not indented like the lines around it"),
    "a version of YAML": ("%YAML 3.0\n---\na: 1\n", 1, "lines that begin with %"),
    "a text behind a bar": ("a: |x\n b\n", 1, "a text behind | or > begins on the next line"),
    "a control character": ("a: 1\nb: \x00\n", 2, "it holds a control character"),
    "a tag": ("a: !!int abc\n", 1, "tags with '!' are not taken"),
    "a tag of Python": ("a: !!python/name:os.system\n", 1, "tags with '!' are not taken"),
    "a tag without a handle": ("a: !x!y z\n", 1, "tags with '!' are not taken"),
    "a set": ("!!set {a, b}\n", 1, "tags with '!' are not taken"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_yaml_is_said_in_our_own_words(name: str) -> None:
    text, line, words = BROKEN[name]
    with pytest.raises(BadInput) as raised:
        source(text)
    sentence = str(raised.value)
    assert sentence.startswith(f"s.yaml:{line}: not valid YAML: ")
    assert words in sentence
    assert sentence.endswith(".")


def test_no_sentence_of_the_reader_reaches_the_user() -> None:
    parts = (yaml.scanner, yaml.parser, yaml.composer, yaml.reader)
    code = "".join(inspect.getsource(module) for module in parts)
    own = set(re.findall(r'"((?:expected|found|could not|mapping|sequence|while)[^"%]{8,})', code))
    assert len(own) > 30  # as many kinds of mistakes are told apart there
    for text, _, _ in BROKEN.values():
        with pytest.raises(BadInput) as raised:
            source(text)
        assert not [words for words in own if words in str(raised.value)]


@pytest.mark.parametrize(
    "text",
    [
        "[" * 500,
        "{a: " * 500,
        "- " * 500,
        "a: &a [x, x]\n"
        + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefghijklmnop", "bcdefghijklmnopq", strict=True)),
        "a: [" + "x, " * 30_000 + "]",
    ],
)
def test_what_is_nested_too_deeply_or_has_too_many_values_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match=r"s\.yaml:\d+: the file is too large or nested too deeply for a suite"):
        source(text)


def test_a_large_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    large = tmp_path / "large.yaml"
    with large.open("wb") as file:
        file.truncate(10 << 30)
    with pytest.raises(BadInput, match=r"large\.yaml: it has more than 100,000 bytes"):
        read(large)


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    device = tmp_path / "device.yaml"
    device.symlink_to("/dev/zero")
    for path in (pipe, device, tmp_path):
        with pytest.raises(BadInput, match="it is no regular file"):
            read(path)
    with pytest.raises(BadInput, match=r"cannot read the suite file .*none\.yaml: No such file"):
        read(tmp_path / "none.yaml")
    with pytest.raises(BadInput, match="its name holds a NUL character"):
        read(tmp_path / "a\0b.yaml")


def test_other_encodings_are_refused_and_a_mark_of_utf_8_is_not(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes("a: 1\n".encode("utf-16"))
    with pytest.raises(BadInput, match="it is no UTF-8 text"):
        read(path)
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\n")
    assert read(path).data == {"a": 1}
