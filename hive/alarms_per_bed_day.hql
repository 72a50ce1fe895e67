CREATE OR REPLACE VIEW ${database}.alarms_per_bed_day (
  ward COMMENT 'Ward of the alarm; of a patient without one that day the ward where the patient is now',
  beds COMMENT 'Patients on the ward who had a reading or an alarm that day',
  alarms COMMENT 'Alarms that began that day and became active',
  high COMMENT 'Of these: with high as their highest severity',
  medium COMMENT 'Of these: with medium as their highest severity',
  low COMMENT 'Of these: with low, which is recorded and never mailed',
  alarms_per_bed COMMENT 'alarms / beds',
  mailed_per_bed COMMENT 'Alarms that were mailed at all / beds',
  event_date COMMENT 'Day, UTC, as YYYY-MM-DD; reads the readings of the days asked for'
)
COMMENT 'Alarms per bed and day, for each ward; an alarm that was dropped while pending does not count'
AS
SELECT b.ward, b.beds, COALESCE(a.alarms, 0) AS alarms,
       COALESCE(a.high, 0) AS high, COALESCE(a.medium, 0) AS medium, COALESCE(a.low, 0) AS low,
       COALESCE(a.alarms, 0) / b.beds AS alarms_per_bed, COALESCE(a.mailed, 0) / b.beds AS mailed_per_bed,
       b.event_date
FROM (
  SELECT d.event_date, COALESCE(w.ward, p.admitted_ward, 'ward unknown') AS ward,
         COUNT(DISTINCT d.patient_id) AS beds
  FROM (
    SELECT event_date, patient_id FROM ${database}.vital_readings GROUP BY event_date, patient_id
    UNION DISTINCT
    SELECT event_date, patient_id FROM ${database}.alarms WHERE raised_at IS NOT NULL
  ) d
  LEFT JOIN (
    SELECT event_date, patient_id, COALESCE(ward, 'ward unknown') AS ward FROM ${database}.alarms
    WHERE raised_at IS NOT NULL GROUP BY event_date, patient_id, COALESCE(ward, 'ward unknown')
  ) w ON w.event_date = d.event_date AND w.patient_id = d.patient_id
  LEFT JOIN ${database}.patients p ON p.patient_id = d.patient_id
  GROUP BY d.event_date, COALESCE(w.ward, p.admitted_ward, 'ward unknown')
) b
LEFT JOIN (
  SELECT event_date, COALESCE(ward, 'ward unknown') AS ward, COUNT(*) AS alarms,
         SUM(IF(peak_severity = 'high', 1, 0)) AS high, SUM(IF(peak_severity = 'medium', 1, 0)) AS medium,
         SUM(IF(peak_severity = 'low', 1, 0)) AS low, SUM(IF(mails > 0, 1, 0)) AS mailed
  FROM ${database}.alarms WHERE raised_at IS NOT NULL
  GROUP BY event_date, COALESCE(ward, 'ward unknown')
) a ON a.event_date = b.event_date AND a.ward = b.ward
