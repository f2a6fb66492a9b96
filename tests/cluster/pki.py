"""Certificates of one cluster, made by openssl: they live and end with its state."""

import base64
import json
import ssl
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.cluster.commands import Argv, run
from tests.cluster.paths import write

DAYS = "365"
CONTEXT = "perfrun"
# Elliptic keys take milliseconds where RSA keys take most of a second each.
_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Pki:
    """A folder of certificates, each ``NAME.crt`` with ``NAME.key``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def crt(self, name: str) -> Path:
        """The certificate's path."""
        return self.folder / f"{name}.crt"

    def key(self, name: str) -> Path:
        """The private key's path."""
        return self.folder / f"{name}.key"

    def authority(self, name: str) -> None:
        """Make a certificate authority that signs others."""
        if self.crt(name).exists():
            return
        new = self.crt(name).with_suffix(".new")
        argv: Argv = ["openssl", "req", "-x509", *_NEW_KEY, "-keyout", self.key(name), "-out", new]
        run([*argv, "-subj", f"/CN={name}", "-days", DAYS], what=f"certificate of {name}")
        new.replace(self.crt(name))

    def issue(self, authority: str, name: str, subject: str, names: Sequence[str] = ()) -> None:
        """Make a certificate for a client or, with ``names`` (DNS:x, IP:y), for a server too."""
        if self.crt(name).exists():
            return
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        write(extensions, "subjectAltName=" + ",".join(names or (f"DNS:{name}",)) + "\n")
        argv: Argv = ["openssl", "req", *_NEW_KEY, "-keyout", self.key(name), "-out", request]
        run([*argv, "-subj", subject], what=f"key of {name}")
        new = self.crt(name).with_suffix(".new")
        signer: Argv = [
            "-CA",
            self.crt(authority),
            "-CAkey",
            self.key(authority),
            "-CAcreateserial",
        ]
        argv = ["openssl", "x509", "-req", "-in", request, *signer, "-days", DAYS]
        run([*argv, "-extfile", extensions, "-out", new], what=f"certificate of {name}")
        # Last, so that one cut short is made again.
        new.replace(self.crt(name))
        request.unlink()
        extensions.unlink()

    def signing_key(self, name: str) -> None:
        """Make a bare key, for service account tokens."""
        if not self.key(name).exists():
            new = self.key(name).with_suffix(".new")
            run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", new])
            new.replace(self.key(name))


def kubeconfig(path: Path, server: str, pki: Pki, name: str) -> None:
    """Write a kubeconfig that logs in with a certificate; whole in itself, so it can be copied."""

    def data(file: Path) -> str:
        return base64.b64encode(file.read_bytes()).decode()

    cluster = {"server": server, "certificate-authority-data": data(pki.crt("ca"))}
    user = {
        "client-certificate-data": data(pki.crt(name)),
        "client-key-data": data(pki.key(name)),
    }
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": CONTEXT,
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": name}}],
        "clusters": [{"name": CONTEXT, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
    }
    write(path, json.dumps(config, indent=1) + "\n", mode=0o600)


def client_of(kubeconfig: Path) -> ssl.SSLContext:
    """TLS as the client of such a kubeconfig."""
    config = json.loads(kubeconfig.read_text())
    user, cluster = config["users"][0]["user"], config["clusters"][0]["cluster"]
    ca = base64.b64decode(cluster["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=ca)
    # Of files only; who else may read it is nobody.
    with tempfile.NamedTemporaryFile() as pair:
        pair.write(base64.b64decode(user["client-certificate-data"]))
        pair.write(base64.b64decode(user["client-key-data"]))
        pair.flush()
        context.load_cert_chain(pair.name)
    return context
