"""When a table that is being edited may be looked at."""

from hbase.settling import Settling

A = {"spo2#001": {"high_value": "90"}}
B = {"spo2#001": {"high_value": "91"}}


def test_a_table_is_settled_once_it_has_been_the_same_for_long_enough() -> None:
    settling = Settling(2)
    assert [settling.observe(A, now) for now in (100, 101, 101.9, 102)] == [False, False, False, True]


def test_each_change_starts_the_wait_again() -> None:
    settling = Settling(2)
    seen = [settling.observe(table, now) for table, now in ((A, 0), (A, 1), (B, 1.5), (B, 3), (A, 3.4), (A, 5.3))]
    assert seen == [False] * 6
    assert settling.observe(A, 5.4)


def test_it_stays_settled_until_it_was_dealt_with_and_then_only_another_table_counts() -> None:
    settling = Settling(2)
    settling.observe(A, 0)
    assert settling.observe(A, 2)
    assert settling.observe(A, 3)
    settling.done()
    assert not settling.observe(A, 10)
    assert not settling.observe(B, 11)
    assert settling.observe(B, 13)


def test_a_change_and_back_is_looked_at_again() -> None:
    settling = Settling(2)
    settling.observe(A, 0)
    settling.observe(A, 2)
    settling.done()
    settling.observe(B, 3)
    assert not settling.observe(A, 4)
    assert settling.observe(A, 6)


def test_a_table_that_could_not_be_read_meanwhile_must_be_quiet_anew() -> None:
    settling = Settling(2)
    settling.observe(A, 0)
    settling.restart(1.9)
    assert not settling.observe(A, 2)
    assert settling.observe(A, 3.9)


def test_a_clock_that_is_set_back_starts_the_wait_again_and_does_not_hang() -> None:
    settling = Settling(2)
    settling.observe(A, 1000)
    assert not settling.observe(A, 10)
    assert settling.observe(A, 12)
