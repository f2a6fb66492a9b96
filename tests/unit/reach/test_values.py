"""Values of Secrets and ConfigMaps, as the kubelet mounts them."""

from pathlib import Path

import pytest

from perfrun.engine.data.tables import Table
from perfrun.engine.errors import DataError
from perfrun.reach.values import Values


def mounted(root: Path, content: bytes) -> Values:
    """A key ``k`` of a Secret and of a ConfigMap ``shop``."""
    for kind in ("secrets", "configmaps"):
        folder = root / kind / "shop"
        folder.mkdir(parents=True)
        (folder / "k").write_bytes(content)
    return Values(root)


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


def test_secrets_are_read_without_the_line_break_at_their_end(tmp_path: Path) -> None:
    for folder, text in (("secrets", "s3cret\n"), ("configmaps", "a\nb\r\n")):
        (tmp_path / folder / "shop").mkdir(parents=True)
        (tmp_path / folder / "shop" / "token").write_bytes(text.encode())
    values = Values(tmp_path)
    assert values.secret("shop", "token", "f") == "s3cret"
    assert values.config_map("shop", "token", "f") == "a\nb"


def test_what_is_missing_is_named_with_its_field(tmp_path: Path) -> None:
    for values in (Values(tmp_path), Values(None)):
        with pytest.raises(DataError) as raised:
            values.secret("shop", "token", "spec.target.http.auth.bearer.tokenFrom")
        assert raised.value.message == (
            "there is no Secret shop with a key token (spec.target.http.auth.bearer.tokenFrom)"
        )


@pytest.mark.parametrize(("name", "key"), [("..", "token"), ("shop", "..")])
def test_no_name_leads_out_of_the_mount(tmp_path: Path, name: str, key: str) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "token").write_text("other")
    with pytest.raises(DataError):
        Values(tmp_path).secret(name, key, "f")


def test_a_value_that_is_not_text_is_named_and_not_shown(tmp_path: Path) -> None:
    (tmp_path / "secrets" / "shop").mkdir(parents=True)
    (tmp_path / "secrets" / "shop" / "token").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="not UTF-8 text"):
        Values(tmp_path).secret("shop", "token", "f")


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
