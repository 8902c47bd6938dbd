"""Starting, watching and ending the private servers of the demo and the bench.

Everything binds 127.0.0.1 or a socket in a folder of our own, and only processes that were started
here are ever ended: each is remembered by its id together with its start time, so that an id
which the kernel has given to somebody else since is left alone.
"""

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time


class Failed(Exception):
    """Something that was promised did not happen; the text is for the person at the terminal."""


def free_port(preferred=0):
    """A TCP port of 127.0.0.1 that nobody listens on: the preferred one if it is free."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return probe.getsockname()[1]
    raise Failed("no free TCP port on 127.0.0.1")


def wait_for(what, probe, seconds=30.0, pause=0.05):
    """Calls probe until it returns something true, and returns that; raises Failed after the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not within {seconds:g} s")
        time.sleep(pause)


def accepts_tcp(port):
    """Whether somebody accepts connections on this port of 127.0.0.1."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def as_user(user, command):
    """The command so that it runs as this user when we are root, and unchanged otherwise."""
    if user and os.geteuid() == 0:
        return ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--", *command]
    return list(command)


def start_ticks(pid):
    """When a process started, in clock ticks since boot, or None when it is gone (or a zombie)."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            fields = stat.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def raise_descriptor_limit():
    """Lets this process and its children open as many files as the hard limit allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


class Stage:
    """A temporary folder and the processes that live in it. Ends them all, newest first."""

    def __init__(self, name):
        parent = "/tmp" if os.path.isdir("/tmp") else None  # short: socket paths end at 107 bytes
        self.folder = tempfile.mkdtemp(prefix=f"{name}-", dir=parent)
        os.chmod(self.folder, 0o755)  # PostgreSQL runs as another user and has its data in here
        self.running = []  # {"name", "pid", "start_ticks", "signal"}, oldest first
        self._children = {}

    def path(self, *parts):
        """A path inside the folder."""
        return os.path.join(self.folder, *parts)

    def write(self, name, text, owner=None, mode=0o644):
        """Writes a file into the folder, for another user if one is given; returns its path."""
        path = self.path(name)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        os.chmod(path, mode)
        if owner and os.geteuid() == 0:
            shutil.chown(path, owner, owner)
        return path

    def start(self, name, command, user=None, env=None, stop_signal=signal.SIGTERM):
        """Starts a long-running process whose output goes to NAME.log; returns its process id.

        env is its whole environment; without one it has ours.
        """
        with open(self.path(f"{name}.log"), "ab") as log:
            child = subprocess.Popen(
                as_user(user, command), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.folder, env=env, start_new_session=True)
        self._children[child.pid] = child
        self.running.append({"name": name, "pid": child.pid, "start_ticks": start_ticks(child.pid),
                             "signal": int(stop_signal)})
        return child.pid

    def alive(self, pid):
        """Whether a process started here still runs."""
        child = self._children.get(pid)
        return child is not None and child.poll() is None

    def must_listen(self, name, pid, port, seconds=20.0):
        """Waits until the process accepts connections; shows the end of its log when it does not."""
        def probe():
            if not self.alive(pid):
                raise Failed(f"{name} ended while starting:\n{self.log_tail(name)}")
            return accepts_tcp(port)
        try:
            wait_for(f"{name} listening on port {port}", probe, seconds)
        except Failed as error:
            raise Failed(f"{error}\n{self.log_tail(name)}") from None

    def log_tail(self, name, lines=15):
        """The last lines of what a process wrote."""
        try:
            with open(self.path(f"{name}.log"), encoding="utf-8", errors="replace") as log:
                return "".join(log.readlines()[-lines:])
        except OSError:
            return ""

    def stop(self, pid, seconds=20.0):
        """Ends one process: its own signal first, SIGKILL after the deadline. Returns its status."""
        entry = next(e for e in self.running if e["pid"] == pid)
        self.running.remove(entry)
        end_process(entry, seconds)
        child = self._children.pop(pid, None)
        return child.wait() if child else None

    def save(self, state_file, **more):
        """Writes down what runs here, for a later end_saved()."""
        with open(state_file, "w", encoding="utf-8") as out:
            json.dump({"folder": self.folder, "running": self.running, **more}, out, indent=1)

    def end(self):
        """Ends every process and removes the folder."""
        while self.running:
            self.stop(self.running[-1]["pid"])
        shutil.rmtree(self.folder, ignore_errors=True)


def end_process(entry, seconds=20.0):
    """Ends a process described by {"pid", "start_ticks", "signal"} if it is still that process."""
    pid, born = entry["pid"], entry["start_ticks"]
    for number, patience in ((entry["signal"], seconds), (signal.SIGKILL, 5.0)):
        if start_ticks(pid) != born or born is None:
            return
        os.kill(pid, number)
        deadline = time.monotonic() + patience
        while start_ticks(pid) == born and time.monotonic() < deadline:
            time.sleep(0.02)


def end_saved(state_file):
    """Ends what save() wrote down and removes its folder; False when nothing was written down."""
    try:
        with open(state_file, encoding="utf-8") as saved:
            state = json.load(saved)
    except FileNotFoundError:
        return False
    for entry in reversed(state["running"]):
        end_process(entry)
    shutil.rmtree(state["folder"], ignore_errors=True)
    os.unlink(state_file)
    return True
