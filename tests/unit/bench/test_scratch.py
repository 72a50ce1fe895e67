"""Names of what a benchmark makes for itself."""

from __future__ import annotations

import os
import re

from bench.scratch import is_own, random_name, random_suffix


def test_a_name_tells_which_process_made_it_and_nobody_else_has_it() -> None:
    names = {random_name() for _ in range(100)}
    assert len(names) == 100
    assert all(re.fullmatch(rf"bench_{os.getpid()}_[0-9a-f]{{8}}", name) for name in names)


def test_what_has_a_suffix_of_this_process_is_its_own_wherever_the_suffix_stands() -> None:
    suffix = random_suffix()
    assert all(is_own(name) for name in (f"Bench-{suffix}", f"/warehouse-bench-{suffix}", f"bench_x_{suffix}_2"))


def test_what_another_process_made_is_not_ours() -> None:
    pid, digits = os.getpid(), "0123abcd"
    others = [f"bench_{pid + 1}_{digits}", f"bench_1{pid}_{digits}", f"bench_{digits}", f"bench_{pid}_contacts"]
    assert not any(is_own(name) for name in others)
