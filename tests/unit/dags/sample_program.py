"""A program for the tests of `dags.lib.program`: says a few things and ends as it is told."""

from __future__ import annotations

import subprocess
import sys
import time


def main(what: str, *arguments: str) -> None:
    if what == "end":
        print("to standard output")
        print("to standard error", file=sys.stderr)
        sys.exit(int(arguments[0]))
    if what == "babble":
        for number in range(3_000):
            print(f"line {number} on standard output {'x' * 60}")
            print(f"line {number} on standard error {'x' * 60}", file=sys.stderr)
    if what == "stay":
        time.sleep(600)
    if what == "stay-with-child":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        print(child.pid, flush=True)
        time.sleep(600)


if __name__ == "__main__":
    main(*sys.argv[1:])
