"""Values of Secrets and ConfigMaps, as the kubelet mounts them."""

from pathlib import Path

import pytest

from perfrun.engine.data.tables import Table
from perfrun.engine.errors import DataError
from perfrun.worker.secrets import MountedValues


def mounted(root: Path, content: bytes) -> MountedValues:
    """A key ``k`` of a Secret and of a ConfigMap ``shop``."""
    for kind in ("secrets", "configmaps"):
        folder = root / kind / "shop"
        folder.mkdir(parents=True)
        (folder / "k").write_bytes(content)
    return MountedValues(root)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"a\r\nb", "a\r\nb"),
        (b"a\rb\n", "a\rb"),
        (b" a\t\r\n", " a\t"),
        ("ü\u2028\x85\x0c.\n".encode(), "ü\u2028\x85\x0c."),
        (b"\xef\xbb\xbfid", "\ufeffid"),
        (b"", ""),
    ],
)
def test_a_value_is_every_byte_but_the_line_break_at_its_end(
    tmp_path: Path, content: bytes, text: str
) -> None:
    values = mounted(tmp_path, content)
    assert values.secret("shop", "k", "here") == text
    assert values.config_map("shop", "k", "here") == text


def test_a_value_that_is_no_text_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not UTF-8 text"):
        mounted(tmp_path, b"\xff").secret("shop", "k", "here")


def cells(text: str) -> list[str]:
    """The column ``text`` of a CSV file."""
    table = Table(text, "here")
    cell = table.column("text", "here")
    return [cell(row) for row in range(table.rows)]


@pytest.mark.parametrize(
    ("written", "cell"),
    [
        ('"ab\r\ncd"', "ab\r\ncd"),
        ('"ab\ncd"', "ab\ncd"),
        ('"ab\rcd"', "ab\rcd"),
        ('"\r\n"', "\r\n"),
        ('"say ""hi"", then"', 'say "hi", then'),
        ('""', ""),
        (" padded ", " padded "),
        ('"' + "x" * 200_000 + '"', "x" * 200_000),
    ],
)
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_cells_of_csv_are_what_rfc_4180_says(written: str, cell: str, end: str) -> None:
    assert cells(f"id,text{end}1,{written}{end}2,last{end}") == [cell, "last"]
    assert cells(f"id,text{end}1,{written}") == [cell]
