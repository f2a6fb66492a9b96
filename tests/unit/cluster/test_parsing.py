"""What other programs print, and how it is understood."""

from pathlib import Path

import pytest

from tests.cluster import apt, settings
from tests.cluster.errors import ClusterError
from tests.cluster.gobuild import parse_version, required_version
from tests.cluster.hostpip import host_ca, pip_options, render
from tests.cluster.images import full_reference
from tests.cluster.mounts import parse_mountinfo
from tests.cluster.node import may_raise_priority


def test_mirror_is_debian_proper() -> None:
    text = """\
Google|https://packages.example.org/apt/|cloud|Packages
Debian|http://mirror.example.org/debian/|bookworm|DEP-11
Debian|http://mirror.example.org/debian-security/|bookworm-security|Packages
Debian|http://mirror.example.org/debian|bookworm|Packages
Debian|http://mirror.example.org/debian/|bookworm|Packages
Debian|cdrom://disc/|bookworm|Packages
"""
    assert apt.parse_mirrors(text) == ["http://mirror.example.org/debian/"]


def test_no_mirror() -> None:
    assert apt.parse_mirrors("\nshort|line\n") == []


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("perfrun:dev", "docker.io/library/perfrun:dev"),
        ("team/perfrun:1", "docker.io/team/perfrun:1"),
        ("localhost/perfrun", "localhost/perfrun:latest"),
        ("registry:5000/a/b", "registry:5000/a/b:latest"),
        ("ghcr.io/a/b@sha256:00", "ghcr.io/a/b@sha256:00"),
    ],
)
def test_reference_is_completed_as_kubernetes_does(name: str, full: str) -> None:
    assert full_reference(name) == full


def test_mount_points_with_spaces() -> None:
    line = "36 35 98:0 /mnt1 /a\\040b/c rw - ext4 /dev/root rw\n"
    assert parse_mountinfo(line) == [Path("/a b/c")]


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("go version go1.19 linux/amd64", (1, 19, 0)),
        ("1.26.4", (1, 26, 4)),
        ("nonsense", (0, 0, 0)),
    ],
)
def test_go_version(text: str, version: tuple[int, int, int]) -> None:
    assert parse_version(text) == version


def test_required_version_in_both_forms() -> None:
    assert required_version("require example.org/a v1.2.3\n", "example.org/a") == "v1.2.3"
    assert required_version("require (\n\texample.org/a v2.0.0\n)\n", "example.org/a") == "v2.0.0"
    with pytest.raises(ValueError, match=r"requires no example\.org/b"):
        required_version("", "example.org/b")


def test_pip_settings_say_how_to_reach_an_index_and_no_more() -> None:
    config = "[global]\nindex-url = https://a/simple\ntarget = /home/u\ntimeout = 5\n"
    env = {"PIP_TIMEOUT": "60", "PIP_FIND_LINKS": "/wheels", "PIP_EXTRA_INDEX_URL": "https://b c"}
    options = pip_options(config, env)
    assert options == {
        "index-url": "https://a/simple",
        "extra-index-url": "https://b c",
        "timeout": "60",
    }
    assert "extra-index-url = https://b\n  c\n" in render(options)


def test_host_authorities_by_variable(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.crt"
    bundle.write_text("x")
    assert host_ca({"PIP_CERT": "/no/such/file", "SSL_CERT_FILE": str(bundle)}) == bundle


@pytest.mark.parametrize(("mask", "may"), [("000001ffffffffff", True), ("000001fffeffffff", False)])
def test_capability_to_lower_an_oom_score(mask: str, may: bool) -> None:
    assert may_raise_priority(f"Name:\tx\nCapEff:\t{mask}\n") is may


def test_settings_survive_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERFRUN_CLUSTER_STATE", str(tmp_path))
    monkeypatch.setenv(settings.SUBNET_VARIABLE, "10.1.0.0/20")
    wanted = settings.wanted()
    assert (wanted.node_ip, settings.recorded()) == ("10.1.0.1", None)
    wanted.save()
    assert settings.recorded() == wanted


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        (settings.SUBNET_VARIABLE, "10.0.0.1/16"),
        (settings.SERVICES_VARIABLE, "10.0.0.0/8"),
        (settings.BRIDGE_VARIABLE, "a-name-that-is-too-long"),
    ],
)
def test_wrong_settings_are_named(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ClusterError, match=variable):
        settings.wanted()
