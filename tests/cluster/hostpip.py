"""What pip and apt need inside an image build to fetch as they do on this machine.

The host's certificate authorities and pip's index settings are mounted while a build's commands
run. The image gets none of it.
"""

import configparser
import os
from collections.abc import Mapping
from pathlib import Path

from tests.cluster.paths import write

IN_IMAGE_CA = "/etc/ssl/certs/ca-certificates.crt"
IN_IMAGE_PIP = "/etc/pip.conf"
# How to reach an index; what concerns this machine's own folders and users stays here.
_OPTIONS = (
    "index-url",
    "extra-index-url",
    "trusted-host",
    "proxy",
    "timeout",
    "default-timeout",
    "retries",
)


def host_ca(env: Mapping[str, str]) -> Path | None:
    """The host's bundle of certificate authorities, by the usual variables or Debian's place."""
    for name in ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
        if (chosen := env.get(name)) and Path(chosen).is_file():
            return Path(chosen)
    usual = Path(IN_IMAGE_CA)
    return usual if usual.is_file() else None


def pip_options(config: str, env: Mapping[str, str]) -> dict[str, str]:
    """The options on how to reach an index, from a pip.conf and, over it, PIP_* variables."""
    parser = configparser.RawConfigParser()
    parser.read_string(config)
    section = dict(parser["global"]) if parser.has_section("global") else {}
    for option in _OPTIONS:
        if value := env.get("PIP_" + option.upper().replace("-", "_")):
            section[option] = value
    return {option: section[option] for option in _OPTIONS if option in section}


def render(options: Mapping[str, str]) -> str:
    """A pip.conf; a value of several lines is indented as pip writes it."""
    lines = [f"{name} = " + "\n  ".join(value.split()) for name, value in options.items()]
    return "\n".join(["[global]", *lines, f"cert = {IN_IMAGE_CA}", ""])


def build_mounts(folder: Path) -> list[str]:
    """Options for `buildah build` that mount it all, read-only; files are written to ``folder``."""
    ca = host_ca(os.environ)
    if ca is None:
        return []
    conf = Path(os.environ.get("PIP_CONFIG_FILE") or IN_IMAGE_PIP)
    text = conf.read_text() if conf.is_file() else ""
    merged = folder / "pip.conf"
    write(merged, render(pip_options(text, os.environ)))
    # pip's own place for it: a mount there leaves nothing but an empty file behind.
    return [f"--volume={ca}:{IN_IMAGE_CA}:ro", f"--volume={merged}:{IN_IMAGE_PIP}:ro"]
