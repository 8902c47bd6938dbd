"""Certificates made for one run of the tests, by the openssl command."""

import shutil
import subprocess
from pathlib import Path
from typing import Optional, Sequence


class Authority:
    """A certificate authority in a folder; its certificates are valid for a day."""

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self.folder = folder
        self.name = name
        self.certificate = folder / f"{name}.crt"
        self._key = folder / f"{name}.key"
        _openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"),
            *("-subj", f"/CN=weir test {name}", "-keyout", str(self._key), "-out", str(self.certificate)),
        )

    def issue(self, name: str, common_name: Optional[str] = None, names: Sequence[str] = ()) -> "Pair":
        """A certificate and its key; ``names`` are alternative names such as ``DNS:localhost``."""
        pair = Pair(self.folder / f"{name}.crt", self.folder / f"{name}.key")
        request = self.folder / f"{name}.csr"
        extensions = self.folder / f"{name}.ext"
        extensions.write_text("subjectAltName=" + ",".join(names) + "\n" if names else "")
        _openssl(
            *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-subj", f"/CN={common_name or name}", "-keyout", str(pair.key), "-out", str(request)),
        )
        _openssl(
            *("x509", "-req", "-in", str(request), "-CA", str(self.certificate), "-CAkey", str(self._key)),
            *("-CAcreateserial", "-days", "1", "-extfile", str(extensions), "-out", str(pair.certificate)),
        )
        pair.key.chmod(0o600)
        return pair


class Pair:
    """The files of a certificate and of its key."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self.certificate = certificate
        self.key = key

    def copy_to(self, certificate: Path, key: Path, owner: Optional[str] = None) -> "Pair":
        """The same under other names; the key stays readable for its owner only."""
        shutil.copy(self.certificate, certificate)
        shutil.copy(self.key, key)
        key.chmod(0o600)
        if owner is not None:
            shutil.chown(certificate, owner, owner)
            shutil.chown(key, owner, owner)
        return Pair(certificate, key)


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
