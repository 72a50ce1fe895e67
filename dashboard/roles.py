"""Who may do what on the ward page. Pure; every page and every act asks here, whatever the menu shows."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What somebody is on the ward."""

    DOCTOR = "doctor"
    NURSE = "nurse"
    OPS = "ops"
    ANALYST = "analyst"
    ADMIN = "admin"


class Permission(StrEnum):
    """What a page shows or an act needs."""

    SEE_WARD = "see the ward board, alarms and vitals"
    SEE_IDENTITY = "see names and contact data"
    ACT_ON_ALARMS = "acknowledge and silence alarms"
    EDIT_PATIENTS = "create, change and discharge patients"
    COMPARE = "compare patients and wards"
    EDIT_THRESHOLDS = "see and edit the thresholds"
    SEE_SYSTEM = "see servers and streams"


_PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.DOCTOR: frozenset(
        {
            Permission.SEE_WARD,
            Permission.SEE_IDENTITY,
            Permission.ACT_ON_ALARMS,
            Permission.EDIT_PATIENTS,
            Permission.COMPARE,
        }
    ),
    Role.NURSE: frozenset(
        {
            Permission.SEE_WARD,
            Permission.SEE_IDENTITY,
            Permission.ACT_ON_ALARMS,
            Permission.EDIT_PATIENTS,
            Permission.COMPARE,
        }
    ),
    Role.OPS: frozenset({Permission.EDIT_THRESHOLDS, Permission.SEE_SYSTEM}),
    Role.ANALYST: frozenset({Permission.SEE_WARD, Permission.COMPARE}),
    Role.ADMIN: frozenset(Permission),
}


def may(role: Role, permission: Permission) -> bool:
    """Whether somebody of that role may do that."""
    return permission in _PERMISSIONS[role]
