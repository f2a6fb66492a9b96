"""Command lines of perfrun in what users are shown, held against the real command."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperGroup

from perfrun.cli.commands import app

_EXPANSION = re.compile(r"\$\([A-Z]+\)|\$\{[^}]*\}|\{\{[^}]*\}\}")
_ENDS = {"|", "||", "&&", ";", ">", ">>", "2>", "&", "then", "do"}
_WORDS_BEFORE = {"if", "!", "then", "do", "time"}


def in_script(script: str) -> Iterator[list[str]]:
    """The words of each ``perfrun ...`` of a shell script."""
    for line in script.replace("\\\n", " ").splitlines():
        words = list(_lexed(_EXPANSION.sub("x", line)))
        for start, word in enumerate(words):
            before = words[start - 1] if start else ";"
            if word == "perfrun" and before in _ENDS | _WORDS_BEFORE:
                rest = words[start + 1 :]
                end = next((i for i, one in enumerate(rest) if one in _ENDS), len(rest))
                yield rest[:end]


def _lexed(line: str) -> Iterator[str]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    yield from lexer


def parsed(words: list[str]) -> tuple[str, dict[str, Any]]:
    """The command and its parameters, as perfrun itself reads them; nothing is run.

    Raises an error of typer for a command or an option that does not exist.
    """
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    parent = typer.Context(group, info_name="perfrun")
    name, command, rest = group.resolve_command(parent, [_EXPANSION.sub("x", one) for one in words])
    assert name is not None
    assert command is not None
    return name, command.make_context(name, rest, parent=parent).params
