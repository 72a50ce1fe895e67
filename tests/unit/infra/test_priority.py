"""Giving way to other processes: in a process of its own, for there is no way back."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from infra.priority import GIVE_WAY
from infra.settings import PROJECT_ROOT

SLEEPER = """
import os, sys, threading, time
os.nice(int(sys.argv[1]))
threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
print("two threads", flush=True)
time.sleep(600)
"""

PROGRAM = f"""
import json, os, subprocess, sys, threading
from infra.priority import give_way

def niceness(pid):
    return [os.getpriority(os.PRIO_PROCESS, int(thread)) for thread in os.listdir(f"/proc/{{pid}}/task")]

def start_thread():
    threading.Thread(target=stop.wait).start()

stop = threading.Event()
start_thread()
below = [
    subprocess.Popen([sys.executable, "-c", {SLEEPER!r}, more], stdout=subprocess.PIPE) for more in ("0", "7")
]
try:
    for one in below:
        one.stdout.readline()
    before = [niceness(pid) for pid in (os.getpid(), *(one.pid for one in below))]
    for _ in range(2):
        give_way()
    start_thread()
    after = [niceness(pid) for pid in (os.getpid(), *(one.pid for one in below))]
    print(json.dumps([before, after]))
finally:
    stop.set()
    for one in below:
        one.kill()
"""


def test_each_thread_of_a_process_and_of_those_below_it_gives_way_and_who_is_nicer_stays_so() -> None:
    """Relative to the niceness that these tests run with: it is the highest when they run beside others."""
    at_first = os.getpriority(os.PRIO_PROCESS, 0)
    nicer = min(at_first + 7, 19)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=300, check=True
    )
    before, after = json.loads(done.stdout)
    assert before == [[at_first] * 2, [at_first] * 2, [nicer] * 2]
    later, later_nicer = max(at_first, GIVE_WAY), max(nicer, GIVE_WAY)
    assert after == [[later] * 3, [later] * 2, [later_nicer] * 2]
