"""A document knows the line of every key, however TOML lets people write it."""

import os
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamnet.kernel.errors import ConfigError
from dreamnet.kernel.toml import Document, parse_toml, read_toml

FILE = Path("dreamnet.toml")

WRITTEN = '''\
# a comment with [a.header] and key = 1
top = 1
"quoted key" = """
[not.a.header]
no_key = 2
"""
'literal.key' = 3
dotted.inner . deep = "x = y # no comment"
[services.shop]
run = "a"  # [fake]
route = { host = "h", "path" = '/x', inner = { deep = [1, 2] } }
list = [
  "one",  # comment ]
  "two",
  { name = "three" },
]
[services."my shop".env]
set = { A = "}" , B = """x""" }
text = \'\'\'
lines\'\'\'\'
after = 2020-01-01 10:00:00
[[many]]
name = "first"
[many.sub]
deep = 1
[[many]]
name = "second"
[[many.inner]]
x = 1
'''


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("top",), 2),
        (("quoted key",), 3),
        (("literal.key",), 7),
        (("dotted",), 8),
        (("dotted", "inner", "deep"), 8),
        (("services", "shop"), 9),
        (("services", "shop", "run"), 10),
        (("services", "shop", "route", "host"), 11),
        (("services", "shop", "route", "inner", "deep", 1), 11),
        (("services", "shop", "list"), 12),
        (("services", "shop", "list", 0), 13),
        (("services", "shop", "list", 1), 14),
        (("services", "shop", "list", 2, "name"), 15),
        (("services", "my shop"), 17),
        (("services", "my shop", "env", "set", "B"), 18),
        (("services", "my shop", "env", "text"), 19),
        (("services", "my shop", "env", "after"), 21),
        (("many",), 22),
        (("many", 0, "name"), 23),
        (("many", 0, "sub", "deep"), 25),
        (("many", 1), 26),
        (("many", 1, "name"), 27),
        (("many", 1, "inner", 0, "x"), 29),
        (("services", "shop", "absent", "deeper"), 9),
        (("absent",), 1),
        ((), 1),
    ],
)
def test_every_way_to_write_a_key_has_its_line(keys: tuple[str | int, ...], line: int) -> None:
    assert parse_toml(WRITTEN, FILE).line_of(keys) == line


def test_a_header_wins_over_its_first_mention() -> None:
    assert parse_toml("[a.b]\nx = 1\n[a]\ny = 2\n", FILE).line_of(("a",)) == 3


def test_windows_line_ends_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    file = tmp_path / "dreamnet.toml"
    file.write_bytes(b"\xef\xbb\xbfa = 1\r\nb = 2\r\n")
    assert read_toml(file).line_of(("b",)) == 2


KEY = st.text(min_size=1, max_size=6)
LEAF = st.one_of(
    st.integers(-9, 9),
    st.booleans(),
    st.text(max_size=12).map(str),
    st.lists(st.integers(0, 9), max_size=3),
)
TABLE = st.dictionaries(KEY, LEAF, max_size=4)


def quote(text: str) -> str:
    """Write any text as a basic TOML string."""
    return '"' + "".join(f"\\U{ord(char):08x}" for char in text) + '"'


def shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return quote(value)
    if isinstance(value, list):
        return "[" + ",".join(map(shown, value)) + "]"
    return str(value)


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[tuple[str, ...], int]]:
    """Draw a document in mixed style, with the line of each of its keys."""
    lines: list[str] = []
    expected: dict[tuple[str, ...], int] = {}
    tables = draw(st.dictionaries(KEY, TABLE, max_size=4))
    style = st.sampled_from(["header", "inline"])
    styles = {name: draw(style) for name in tables}
    for name in sorted(tables, key=lambda one: styles[one] != "inline"):
        lines += draw(st.lists(st.sampled_from(["", "# [x] y = 1", "  "]), max_size=2))
        expected[(name,)] = len(lines) + 1
        if styles[name] == "inline":
            inner = ", ".join(f"{quote(k)} = {shown(v)}" for k, v in tables[name].items())
            lines.append(f"{quote(name)} = {{ {inner} }}")
            expected |= {(name, key): len(lines) for key in tables[name]}
            continue
        lines.append(f"[ {quote(name)} ] # comment = 1")
        for key, value in tables[name].items():
            lines.append(f"{quote(key)} = {shown(value)}")
            expected[(name, key)] = len(lines)
    return "\n".join(lines), expected


@given(documents())
def test_lines_are_right_in_any_document(drawn: tuple[str, dict[tuple[str, ...], int]]) -> None:
    text, expected = drawn
    document = parse_toml(text, FILE)
    assert {keys: document.line_of(keys) for keys in expected} == expected


@given(st.text(alphabet="ab[]{}=.,\"'\n #1\\", max_size=40))
def test_whatever_tomllib_reads_is_scanned(text: str) -> None:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        with pytest.raises(ConfigError) as caught:
            parse_toml(text, FILE)
        where = caught.value.complaints[0].where
        assert 1 <= int(where.rpartition(":")[2]) <= text.count("\n") + 1
        return
    document = parse_toml(text, FILE)
    assert document.data == data
    assert all(has_line(document, (key,)) for key in data)


def has_line(document: Document, keys: tuple[str | int, ...]) -> bool:
    return keys in document.lines


def complaint_of(path: Path) -> tuple[str, str, str]:
    with pytest.raises(ConfigError) as caught:
        read_toml(path)
    (complaint,) = caught.value.complaints
    return complaint.what, complaint.where, complaint.mend


def test_a_missing_file_says_how_to_write_one(tmp_path: Path) -> None:
    what, where, mend = complaint_of(tmp_path / "dreamnet.toml")
    assert "no such file" in what
    assert where.endswith("dreamnet.toml")
    assert "dreamnet init" in mend


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert "folder" in complaint_of(tmp_path)[0]


def test_a_pipe_is_no_file_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "no ordinary file" in complaint_of(tmp_path / "pipe")[0]


def test_bytes_that_are_not_utf8_are_found_by_line(tmp_path: Path) -> None:
    file = tmp_path / "dreamnet.toml"
    file.write_bytes(b"a = 1\nb = '\xff'\n")
    what, where, _ = complaint_of(file)
    assert "UTF-8" in what
    assert where.endswith(":2")


def test_an_unreadable_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    file = tmp_path / "dreamnet.toml"
    file.touch()
    monkeypatch.setattr(Path, "read_bytes", refuse)  # root, who may run this, reads every file
    what, _, mend = complaint_of(file)
    assert what == "the file cannot be read: Permission denied"
    assert mend == f"check its rights: ls -l {file}"


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "dreamnet.toml"
    file.write_text("a = " + "[" * 5000 + "]" * 5000)
    assert "too deep" in complaint_of(file)[0]
