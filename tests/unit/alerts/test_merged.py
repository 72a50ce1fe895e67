"""Several mails as one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from alerts.merged import MERGED_MAX_BYTES, how_many_fit, merged_mail
from alerts.told import Mail
from alerts.wording import SUBJECT_MAX
from clinical.notices import UNKNOWN_WARD


def part(place: int, state: str = "HIGH", mark: str = "", alarms: int = 1) -> Mail:
    subject = f"[{state}] {mark}Heart rate 135 /min high, ward ICU, patient P-{place}"
    return Mail(subject, f"Body {place}.\nReading:      vital-info {place}\n", alarms)


def test_a_merged_mail_lists_the_subjects_first_and_then_the_bodies() -> None:
    mail = merged_mail([part(1), part(2, alarms=3)], "high", "ICU", "f" * 32)
    assert mail == Mail(
        "[HIGH] 4 alarms, ward ICU (merged)",
        "HIGH: 4 alarms, ward ICU: 2 mails in one, since they came faster than mails may go out.\n"
        "\n"
        "1. [HIGH] Heart rate 135 /min high, ward ICU, patient P-1\n"
        "2. [HIGH] Heart rate 135 /min high, ward ICU, patient P-2\n"
        "\n"
        f"Notification: {'f' * 32}\n"
        "\n======== 1 of 2 ========\n\n"
        "Body 1.\nReading:      vital-info 1\n"
        "\n======== 2 of 2 ========\n\n"
        "Body 2.\nReading:      vital-info 2\n",
        4,
    )


def test_alarms_that_are_over_are_not_counted_as_if_they_lasted() -> None:
    over = [part(1, "RESOLVED"), part(2, "DISCHARGED")]
    assert merged_mail(over, "high", "ICU", "f" * 32).subject == "[RESOLVED] 2 alarms over, ward ICU (merged)"
    assert (
        merged_mail([*over, part(3)], "high", "ICU", "f" * 32).subject == "[HIGH] 3 alarms, 2 over, ward ICU (merged)"
    )


def test_escalated_mails_stay_marked() -> None:
    mail = merged_mail([part(1), part(2, mark="escalated: ")], "high", "ICU", "f" * 32)
    assert mail.subject == "[HIGH] escalated: 2 alarms, ward ICU (merged)"


def test_patients_of_no_known_ward_are_merged_as_such() -> None:
    mail = merged_mail([part(1), part(2)], "medium", UNKNOWN_WARD, "f" * 32)
    assert mail.subject == "[MEDIUM] 2 alarms, ward unknown (merged)"


def test_a_part_that_alone_is_too_large_still_goes() -> None:
    assert how_many_fit([Mail("[HIGH] x", "x" * MERGED_MAX_BYTES), part(2)]) == 1
    assert how_many_fit([]) == 0


def test_the_list_of_subjects_counts_in_the_size() -> None:
    many = [Mail("[HIGH] " + "x" * 92, "b") for _ in range(5000)]
    count = how_many_fit(many)
    assert count > 500
    assert len(merged_mail(many[:count], "high", "ICU", "f" * 32).body.encode()) <= MERGED_MAX_BYTES


PARTS = st.lists(
    st.builds(Mail, st.text(st.characters(codec="ascii", categories=["L"]), max_size=99), st.text(min_size=1)),
    min_size=1,
    max_size=8,
)


@given(PARTS, st.integers(1, 60_000), st.text(max_size=200))
def test_what_fits_is_whole_and_small_enough(parts: list[Mail], times: int, ward: str) -> None:
    large = [Mail(one.subject, one.body * times, one.alarms) for one in parts]
    count = how_many_fit(large)
    assert 1 <= count <= len(large)
    mail = merged_mail(large[:count], "high", ward, "f" * 32)
    assert all(one.subject in mail.body and one.body in mail.body for one in large[:count])
    assert count == 1 or len(mail.body.encode()) <= MERGED_MAX_BYTES
    assert len(mail.subject) <= SUBJECT_MAX
    assert mail.subject.isascii()
    assert mail.subject.isprintable()


@given(st.integers(1, 3000))
def test_splitting_loses_no_mail(count: int) -> None:
    waiting = [Mail(f"[HIGH] x, patient P-{place}", "b" * 2000) for place in range(count)]
    sizes = []
    while waiting:
        sizes.append(how_many_fit(waiting))
        waiting = waiting[sizes[-1] :]
    assert sum(sizes) == count
    assert all(size > 80 for size in sizes[:-1])
