"""A breach to start from."""

from __future__ import annotations

import uuid
from typing import Any, cast

from clinical.messages import Breach, TechnicalAlarm

RECORDED = 1_790_000_000_000


def breach(**changes: Any) -> Breach:
    """A high heart rate of a patient with a full contact; `changes` replace fields."""
    fields: dict[str, Any] = {
        "breach_id": uuid.uuid4().hex * 2,
        "source_topic": "vital-info",
        "source_id": "4711",
        "patient_id": "P-0012",
        "device_id": "bedside-7",
        "attribute": "heart_rate",
        "value": 135.0,
        "unit": "/min",
        "inputs_used": None,
        "inputs_expected": None,
        "direction": "high",
        "severity": "high",
        "low_value": 131.0,
        "high_value": None,
        "normal_low": 51.0,
        "normal_high": 90.0,
        "clear_margin": 3.0,
        "delay_seconds": 0,
        "alert_message": "Severe tachycardia",
        "threshold_row": "heart_rate#012",
        "threshold_source": "NEWS2 (RCP 2017)",
        "threshold_updated_by": "ops",
        "threshold_version": "v1",
        "patients_version": "p1",
        "contact_missing": False,
        "name": "Zoë Łukasz",
        "phone": "+47 22 00 00 00",
        "address": "1 Harbour Street, Oslo",
        "ward": "Cardiology",
        "age_years": 54.2,
        "recorded_at": RECORDED,
        "recorded_at_is_receipt": False,
        "inserted_at": RECORDED + 5,
        "detected_at": RECORDED + 12,
        **changes,
    }
    return cast(Breach, fields)


def technical_alarm(**changes: Any) -> TechnicalAlarm:
    """A technical alarm that is raised; `changes` replace fields."""
    fields: dict[str, Any] = {
        "alarm_key": "hbase_unavailable",
        "source": "detect-breaches",
        "kind": "hbase_unavailable",
        "detail": "HBase Thrift at 127.0.0.1:19090 cannot be reached; the newest snapshot stays in force.",
        "raised_at": RECORDED,
        "cleared": False,
        **changes,
    }
    return cast(TechnicalAlarm, fields)
