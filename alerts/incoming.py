"""Messages of `doctors-queue` and `technical-alarms`: read strictly, or told why not."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast, get_type_hints

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from clinical.lifecycle_events import breached
from clinical.messages import ID_MAX, Breach, TechnicalAlarm

SHORT_TEXTS = {
    "patient_id": ID_MAX,
    "breach_id": 64,
    "attribute": 64,
    "alarm_key": 400,
    "kind": 64,
    "source": 64,
}
"""Longest identifier that the tables hold. A longer one is malformed: cut, it could be another's."""

PLAIN = r"^[!-~]+$"
"""Printable ASCII: the tables keep ids of ours in no other letters."""

_Millis = Annotated[int, Field(ge=0, le=253_402_300_799_000)]
_Number = Annotated[float, Field(ge=-1e9, le=1e9)]

NARROWER: dict[Any, Any] = {
    "direction": Literal["low", "high"],
    "recorded_at": _Millis,
    "inserted_at": _Millis,
    "detected_at": _Millis,
    "raised_at": _Millis,
    float: _Number,
    float | None: _Number | None,
}
"""By field, or by type: a value in its normal band is no breach; a time ends with the year 9999; a number can be
written out."""


ADDED_LATER = frozenset({"inputs_used", "inputs_expected"})
"""Fields that breaches of older versions lack: they are null there."""


class MalformedMessageError(ValueError):
    """A message that is not what its topic holds; it goes to the dead-letter topic."""


def _model(name: str, schema: type[Any]) -> type[BaseModel]:
    """A strict pydantic model of a TypedDict: every field present but ADDED_LATER, no text for a number, no NaN."""
    fields: dict[str, Any] = {}
    for field, annotation in get_type_hints(schema).items():
        if field in SHORT_TEXTS:
            pattern = PLAIN if field == "breach_id" else None
            short = Field(min_length=1, max_length=SHORT_TEXTS[field], pattern=pattern)
            fields[field] = (Annotated[str, short], ...)
        else:
            default = None if field in ADDED_LATER else ...
            fields[field] = (NARROWER.get(field, NARROWER.get(annotation, annotation)), default)
    config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)
    return create_model(name, __config__=config, **fields)


_BREACH = _model("BreachModel", Breach)
_TECHNICAL = _model("TechnicalAlarmModel", TechnicalAlarm)


def read_breach(value: bytes | None) -> Breach:
    """A breach from the bytes of a message, which the alarm lifecycle can judge. Raises MalformedMessageError with the
    reason."""
    breach = cast(Breach, _read(_BREACH, value))
    try:
        breached(breach, {})
    except ValueError as error:
        raise MalformedMessageError(str(error)) from None
    return breach


def read_technical(value: bytes | None) -> TechnicalAlarm:
    """A technical alarm from the bytes of a message. Raises MalformedMessageError with the reason."""
    return cast(TechnicalAlarm, _read(_TECHNICAL, value))


def _read(model: type[BaseModel], value: bytes | None) -> dict[str, Any]:
    if value is None:
        raise MalformedMessageError("the message is empty")
    try:
        document = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise MalformedMessageError(f"not JSON: {error}") from None
    try:
        return model.model_validate(document).__dict__
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or "message"
        raise MalformedMessageError(f"{field}: {first['msg']}") from None
