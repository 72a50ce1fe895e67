"""What becomes of a subscription when SNS answers with an error, which a sound one cannot be made to do."""

from __future__ import annotations

from unittest.mock import MagicMock

import pytest
from botocore.exceptions import ClientError

from alerts.subscriptions import _Reconciler
from tests.unit.alerts.test_subscriptions_table import subscription


def error(code: str, status: int) -> ClientError:
    """What boto3 raises for such an answer."""
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Subscribe")


@pytest.mark.parametrize(
    ("code", "status", "is_passing"),
    [
        ("Throttling", 400, True),
        ("RequestThrottled", 400, True),
        ("TooManyRequestsException", 429, True),
        ("RequestLimitExceeded", 400, True),
        ("InternalError", 500, True),
        ("ServiceUnavailable", 503, True),
        ("InvalidParameter", 400, False),
        ("SubscriptionLimitExceeded", 403, False),
    ],
)
def test_what_sns_refuses_is_no_longer_counted_on_and_what_it_cannot_do_now_is(
    code: str, status: int, is_passing: bool
) -> None:
    sns, connection = MagicMock(), MagicMock()
    sns.subscribe.side_effect = error(code, status)
    _Reconciler(sns, None, "arn:topic", {}, connection).try_to_bring_in_line(subscription())
    assert connection.cursor.called != is_passing
