"""Who may do what."""

from __future__ import annotations

import pytest

from dashboard.roles import Permission, Role, may


def test_only_ops_and_admins_edit_thresholds_and_see_the_system() -> None:
    for permission in (Permission.EDIT_THRESHOLDS, Permission.SEE_SYSTEM):
        assert {role for role in Role if may(role, permission)} == {Role.OPS, Role.ADMIN}


@pytest.mark.parametrize("role", [Role.ANALYST, Role.OPS])
def test_analysts_and_ops_see_no_name_and_change_no_patient(role: Role) -> None:
    for permission in (Permission.SEE_IDENTITY, Permission.EDIT_PATIENTS, Permission.ACT_ON_ALARMS):
        assert not may(role, permission)


def test_whoever_changes_patients_or_acts_on_alarms_sees_whose_they_are() -> None:
    for role in Role:
        if may(role, Permission.EDIT_PATIENTS) or may(role, Permission.ACT_ON_ALARMS):
            assert may(role, Permission.SEE_IDENTITY)


def test_an_admin_may_everything_and_everybody_something() -> None:
    assert all(may(Role.ADMIN, permission) for permission in Permission)
    assert all(any(may(role, permission) for permission in Permission) for role in Role)
