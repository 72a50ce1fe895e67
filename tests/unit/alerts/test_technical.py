"""One mail for technical alarms that come together."""

from alerts.technical import NAMED_IN_A_MAIL, summary, technical


def test_an_alarm_alone_speaks_for_itself() -> None:
    alarm = technical("contact_missing", "P1", "Patient P1 has no contact.", 5)
    assert summary([alarm]) == alarm


def test_a_summary_names_the_first_few_and_counts_the_others() -> None:
    alarms = [technical("contact_missing", f"P{n}", f"Patient P{n}.", 5) for n in range(NAMED_IN_A_MAIL + 2)]
    said = summary(alarms)
    assert said["alarm_key"] == f"contact_missing:P0 and {len(alarms) - 1} more"
    assert said["detail"] == "Patient P0. Patient P1. Patient P2. Patient P3. Patient P4. And 2 more of this kind."
