"""Plays the demo or ends one. Called by scripts/demo: demo.py BINARY [--once | --stop]."""

import os
import signal
import stat
import sys

from processes import Failed, end_saved


def runtime_folder():
    """Where the state of a demo that was left up is kept; ours alone."""
    folder = os.path.join(os.environ.get("XDG_RUNTIME_DIR") or "/tmp", "weir-demo")
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        found = os.lstat(folder)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise Failed(f"{folder} belongs to somebody else") from None
    return folder


def main(binary, mode):
    """Plays the show, or ends one; returns the exit status."""
    state_file = os.path.join(runtime_folder(), "state.json")
    if mode == "--stop":
        print("demo ended" if end_saved(state_file) else "no demo was left up")
        return 0
    # Only now: --stop must work where the drivers these need were never installed.
    from demo_stage import Demo
    from demo_story import Report, end_show, play, where
    if end_saved(state_file):
        print("an earlier demo was still up; ended it")
    report, demo = Report(), Demo(os.path.abspath(binary))
    left_up = False
    try:
        play(demo, report)
        if mode == "--once":
            end_show(demo, report)
        print("\nevery promise was kept" if not report.broken
              else "\nnot kept: " + "; ".join(report.broken))
        if mode != "--once":
            demo.stage.save(state_file)
            left_up = True
            where(demo, state_file)
    finally:
        if not left_up:
            demo.stage.end()
    return 1 if report.broken else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are ended too
    sys.stdout.reconfigure(errors="replace")
    try:
        sys.exit(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""))
    except Failed as failure:
        print(f"demo: {failure}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
