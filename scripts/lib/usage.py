"""What a process has used so far, read from the kernel's accounting in /proc."""

import glob
import os

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    """(total, user, system) CPU seconds of a process, all its threads together.

    The split comes from /proc/PID/stat in ticks of 10 ms; the total from schedstat, which counts
    nanoseconds, where the kernel offers it, because a round is short.
    """
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
        fields = stat.read().rpartition(")")[2].split()
    user, system = int(fields[11]) / TICKS_PER_SECOND, int(fields[12]) / TICKS_PER_SECOND
    total = user + system
    exact = 0
    for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        with open(path, encoding="ascii") as stat:
            exact += int(stat.read().split()[0])
    return (exact / 1e9 if exact else total), user, system


def memory_kib(pid, key="VmRSS"):
    """VmRSS (resident now) or VmHWM (resident at most) of a process in KiB."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
        for line in status:
            if line.startswith(key + ":"):
                return int(line.split()[1])
    raise KeyError(key)


def open_descriptors(pid):
    """How many files, sockets among them, a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))
