"""Certificates, and a PostgreSQL that has TLS."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from support import scram
from support.certificates import Authority, Pair
from support.postgres import Postgres, Template

PASSWORD = "pencil"
LOCAL_NAMES = ["DNS:localhost", "IP:127.0.0.1"]
HBA = [
    "hostssl app only_tls all trust",
    "hostnossl app only_plain all trust",
    "hostssl app scram_tls all scram-sha-256",
    "host app with_password all scram-sha-256",
    "hostssl app cert_user all cert",
    "host all postgres all trust",
]


class Certificates:
    """Everything the tests here need, made once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder)
        self.stranger = Authority(folder, "stranger")
        self.server = self.authority.issue("server", "localhost", LOCAL_NAMES)
        self.other_server = self.authority.issue("other_server", "localhost", LOCAL_NAMES)
        self.misnamed = self.authority.issue("misnamed", "elsewhere", ["DNS:elsewhere.example"])
        self.client = self.authority.issue("client", "postgres")
        self.cert_user = self.authority.issue("cert_user")
        self.unknown_client = self.stranger.issue("unknown_client", "postgres")

    def weir(self, mode: str, pair: Pair | None = None, **more: str) -> dict[str, Any]:
        """The [tls] of a Weir that clients reach with TLS."""
        pair = pair or self.server
        own = {"mode": mode, "cert_file": str(pair.certificate), "key_file": str(pair.key)}
        if mode.startswith("verify"):
            own["ca_file"] = str(self.authority.certificate)
        return {"client": {**own, **more}, "server": {"mode": "disable"}}


def postgres_with(template: Template, authority: Authority, pair: Pair, **settings: str) -> Postgres:
    """A PostgreSQL with ssl = on; its files belong to the user it runs as."""
    folder = Path(tempfile.mkdtemp(prefix="weir-pgtls-"))
    folder.chmod(0o755)
    owner = "postgres" if os.getuid() == 0 else None
    copy = pair.copy_to(folder / "server.crt", folder / "server.key", owner)
    shutil.copy(authority.certificate, folder / "ca.crt")
    (folder / "ca.crt").chmod(0o644)
    postgres = Postgres(
        template,
        hba=HBA,
        ssl="on",
        ssl_cert_file=str(copy.certificate),
        ssl_key_file=str(copy.key),
        ssl_ca_file=str(folder / "ca.crt"),
        **settings,
    )
    for name in ("only_tls", "only_plain", "scram_tls", "with_password", "cert_user"):
        postgres.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{scram.verifier(PASSWORD)}'")
    return postgres
