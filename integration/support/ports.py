"""Free ports."""

import random
import socket

LOW_PORTS = range(15_000, 32_000)


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody listened on a moment ago; whoever binds it must be ready to try again."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def free_low_port() -> int:
    """A free port below those that the kernel gives to whoever connects: a server that is started again finds it free,
    and whoever dials it meanwhile cannot meet himself."""
    while True:
        port = random.choice(LOW_PORTS)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def has_ipv6() -> bool:
    """Whether this machine has the address ::1."""
    try:
        free_port("::1")
    except OSError:
        return False
    return True


def accepts_tcp(port: int, host: str = "127.0.0.1") -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection((host, port), 1).close()
    except OSError:
        return False
    return True
