CREATE OR REPLACE VIEW ${database}.alarm_response (
  ward COMMENT 'Ward of the alarm',
  severity COMMENT 'The highest severity that the alarms had; low is recorded and never mailed',
  alarms COMMENT 'Alarms that began that day and became active',
  mailed COMMENT 'Of these: those that were mailed at all',
  acknowledged COMMENT 'Of these: those that somebody acknowledged',
  median_seconds_to_acknowledge COMMENT 'Median over the acknowledged ones, from the first mail, in s',
  escalated COMMENT 'Of these: those whose mails were escalated because nobody acknowledged',
  ended COMMENT 'Of these: those that have ended',
  cleared_without_action COMMENT 'Of the ended ones: those that cleared and that nobody acknowledged',
  share_cleared_without_action COMMENT 'cleared_without_action / ended; NULL while none has ended',
  event_date COMMENT 'Day, UTC, as YYYY-MM-DD'
)
COMMENT 'How alarms were answered, for each ward, severity and day; one that was dropped while pending does not count'
AS
SELECT r.ward, r.severity, r.alarms, r.mailed, r.acknowledged, r.median_seconds_to_acknowledge, r.escalated, r.ended,
       r.cleared_without_action,
       IF(r.ended > 0, r.cleared_without_action / r.ended, NULL) AS share_cleared_without_action, r.event_date
FROM (
  SELECT event_date, COALESCE(ward, 'ward unknown') AS ward, peak_severity AS severity, COUNT(*) AS alarms,
         SUM(IF(mails > 0, 1, 0)) AS mailed,
         SUM(IF(acknowledged_at IS NOT NULL, 1, 0)) AS acknowledged,
         PERCENTILE(seconds_to_acknowledge, 0.5) AS median_seconds_to_acknowledge,
         SUM(IF(escalation > 0, 1, 0)) AS escalated,
         SUM(IF(ended_at IS NOT NULL, 1, 0)) AS ended,
         SUM(IF(end_reason = 'cleared' AND acknowledged_at IS NULL, 1, 0)) AS cleared_without_action
  FROM ${database}.alarms WHERE raised_at IS NOT NULL
  GROUP BY event_date, COALESCE(ward, 'ward unknown'), peak_severity
) r
