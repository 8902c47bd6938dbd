"""SCRAM-SHA-256 as a client, and the secrets PostgreSQL and PgBouncer store. Source: RFC 5802, RFC 7677."""

import base64
import hashlib
import hmac
import os


def md5_password(user: str, password: str) -> str:
    """What pg_authid keeps for an md5 password."""
    return "md5" + hashlib.md5((password + user).encode()).hexdigest()


def md5_answer(user: str, password: str, salt: bytes) -> str:
    """What a client sends for AuthenticationMD5Password."""
    inner = md5_password(user, password)[3:]
    return "md5" + hashlib.md5(inner.encode() + salt).hexdigest()


def verifier(password: str, salt: bytes = b"0123456789abcdef", iterations: int = 4096) -> str:
    """What pg_authid keeps for a SCRAM password."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored = hashlib.sha256(_mac(salted, b"Client Key")).digest()
    server = _mac(salted, b"Server Key")
    parts = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${iterations}:{parts[0]}${parts[1]}:{parts[2]}"


def _mac(key: bytes, text: bytes) -> bytes:
    return hmac.new(key, text, "sha256").digest()


class ScramClient:
    """One exchange: ``first()``, then ``final(server_first)``, then ``check(server_final)``."""

    def __init__(self, password: str) -> None:
        self._password = password
        self._nonce = base64.b64encode(os.urandom(18)).decode()
        self._first_bare = f"n=,r={self._nonce}"
        self._server_signature = b""

    def first(self) -> bytes:
        return ("n,," + self._first_bare).encode()

    def final(self, server_first: bytes) -> bytes:
        fields = dict(part.split("=", 1) for part in server_first.decode().split(","))
        assert fields["r"].startswith(self._nonce) and len(fields["r"]) > len(self._nonce)
        salted = hashlib.pbkdf2_hmac(
            "sha256", self._password.encode(), base64.b64decode(fields["s"]), int(fields["i"])
        )
        without_proof = f"c=biws,r={fields['r']}"
        signed = ",".join([self._first_bare, server_first.decode(), without_proof]).encode()
        client_key = _mac(salted, b"Client Key")
        signature = _mac(hashlib.sha256(client_key).digest(), signed)
        proof = bytes(a ^ b for a, b in zip(client_key, signature))
        self._server_signature = _mac(_mac(salted, b"Server Key"), signed)
        return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()

    def check(self, server_final: bytes) -> None:
        """Fails when the server has not proved that it knows the password too."""
        assert server_final == b"v=" + base64.b64encode(self._server_signature)
