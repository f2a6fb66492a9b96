"""Values of options, where a command's own module would cost too much to load for them."""

from enum import StrEnum


class TextForm(StrEnum):
    """How a command says what it has to say: to a person, or to a program."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"


class Shell(StrEnum):
    """Shells that can complete what is typed."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
