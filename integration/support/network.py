"""Machines of one's own: network namespaces on a bridge, whose cables can be pulled.

Nothing of this machine's network is touched, and all of it is gone when the processes are that hold it.
"""

import contextlib
import os
import subprocess
from pathlib import Path
from typing import Any, Iterator, Optional

from support.postgres import Postgres, Template
from support.raw_client import RawClient
from support.replica import PRIMARY_SETTINGS, TRUST_REPLICATION, Replica
from support.weir import Weir

FIRST_PORT = 5430  # and each machine's server has another, by which it is known
CLIENT_PORT = 6432


def why_not() -> Optional[str]:
    """Why there can be no network of one's own here; nothing where there can."""
    if os.getuid() != 0:
        return "network namespaces need root"
    tried = subprocess.run(["unshare", "-n", "-m", "true"], capture_output=True, text=True, check=False)
    return f"the kernel forbids namespaces: {tried.stderr.strip()}" if tried.returncode else None


class Machine:
    """A network namespace; it lives as long as the process that holds it."""

    def __init__(self) -> None:
        command = ["setpriv", "--pdeathsig", "KILL", "unshare", "-n", "sh", "-c", "echo here; exec sleep infinity"]
        self.holder = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert self.holder.stdout is not None and self.holder.stdout.readline() == b"here\n"
        self.run("ip", "link", "set", "lo", "up")

    @property
    def inside(self) -> list[str]:
        """What a command line begins with that runs there."""
        return ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net"]

    def run(self, *command: str) -> None:
        subprocess.run([*self.inside, *command], check=True, capture_output=True)

    def remove(self) -> None:
        self.holder.kill()
        self.holder.wait()
        assert self.holder.stdout is not None
        self.holder.stdout.close()


class Host(Machine):
    """A machine with a cable to a switch, and an address."""

    def __init__(self, switch: Machine, number: int) -> None:
        super().__init__()
        self.switch, self.port = switch, f"port{number}"
        self.address, self.server_port = f"10.231.0.{number}", FIRST_PORT + number
        switch.run("ip", "link", "add", self.port, "type", "veth", "peer", "name", "eth0", "netns",
                   str(self.holder.pid))
        switch.run("ip", "link", "set", self.port, "master", "switch", "up")
        self.run("ip", "address", "add", f"{self.address}/24", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")

    def cut(self) -> None:
        """Pulls the cable: nothing comes or goes, nobody is told."""
        self.switch.run("ip", "link", "set", self.port, "down")

    def heal(self) -> None:
        self.switch.run("ip", "link", "set", self.port, "up")

    @contextlib.contextmanager
    def is_cut(self) -> Iterator[None]:
        self.cut()
        try:
            yield
        finally:
            self.heal()


class Network:
    """A switch, and machines on it."""

    def __init__(self) -> None:
        self.switch = Machine()
        self.hosts: list[Host] = []
        # No spanning tree: a port forwards as soon as it is up.
        self.switch.run("ip", "link", "add", "switch", "type", "bridge", "forward_delay", "0", "stp_state", "0")
        self.switch.run("ip", "link", "set", "switch", "up")

    def host(self) -> Host:
        self.hosts.append(Host(self.switch, len(self.hosts) + 1))
        return self.hosts[-1]

    def remove(self) -> None:
        for machine in (*self.hosts, self.switch):
            machine.remove()


class _Housed(Postgres):
    """What a server on a machine of its own does otherwise. The harness talks to it by its unix socket."""

    machine: Host

    @property
    def host(self) -> str:  # type: ignore[override]
        return self.machine.address

    def command(self, command: list[str]) -> list[str]:
        return [*self.machine.inside, *super().command(command)]

    def move_to(self, machine: Host) -> None:
        """The same server at another address, with the same port. To be called while it is stopped."""
        self.machine = machine
        self.settings["listen_addresses"] = self.host
        self.start()


class HousedPostgres(_Housed):
    """A primary on a machine."""

    def __init__(self, template: Template, machine: Host, **settings: str) -> None:
        self.machine = machine
        super().__init__(template, hba=TRUST_REPLICATION, port=machine.server_port,
                         **{**PRIMARY_SETTINGS, "listen_addresses": machine.address, **settings})


class HousedReplica(Replica, _Housed):
    """A standby on a machine; it streams over the network."""

    def __init__(self, primary: _Housed, machine: Host, **settings: str) -> None:
        self.machine = machine
        super().__init__(primary, port=machine.server_port, **{"listen_addresses": machine.address, **settings})


class HousedWeir(Weir):
    """Weir on a machine; clients come by its unix socket. Names are what ``hosts`` says (see hosts(5))."""

    def __init__(self, machine: Host, changes: dict[str, Any], hosts: Path) -> None:
        self.inside = [*machine.inside, "unshare", "--mount", "sh", "-c",
                       'mount --bind "$0" /etc/hosts && exec "$@"', str(hosts)]
        self.sockets = hosts.parent
        listen = {"threads": 1, "addresses": [f"unix:{self.sockets}"]}
        super().__init__(0, {**changes, "listen": {**listen, **changes.get("listen", {})}})
        self.host, self.port = str(self.sockets), CLIENT_PORT

    def command(self, command: list[str]) -> list[str]:
        return [*self.inside, *command]

    def raw(self, **overrides: Any) -> RawClient:
        return RawClient.connect_unix(f"{self.sockets}/.s.PGSQL.{CLIENT_PORT}")
