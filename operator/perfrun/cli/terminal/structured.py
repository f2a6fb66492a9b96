"""What a command has to say, for a program."""

import json
from typing import Any

import yaml
from rich.console import Console
from rich.text import Text

from perfrun.cli.terminal.choices import TextForm


def tell_structured(value: Any, form: TextForm, out: Console) -> None:
    """Print a value of lists, dicts and plain values as JSON or YAML."""
    if form is TextForm.YAML:
        # In ASCII, as the JSON is: standard output may have any encoding.
        text = yaml.safe_dump(value, sort_keys=False).rstrip("\n")
    else:
        text = json.dumps(value, indent=2)
    out.print(Text(text), soft_wrap=True)
