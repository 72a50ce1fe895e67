CREATE OR REPLACE VIEW ${database}.vital_readings_long (
  reading_id COMMENT 'Key of the row in the source table',
  patient_id COMMENT 'Patient, as in health.patients',
  device_id COMMENT 'Device that measured',
  recorded_at COMMENT 'Time of measurement, UTC',
  inserted_at COMMENT 'Time of insertion into the source table, UTC',
  attribute COMMENT 'Name of the attribute',
  value COMMENT 'Numeric value in its unit; NULL for on_oxygen and consciousness',
  text_value COMMENT 'Value of on_oxygen (true, false) and of consciousness (A, C, V, P, U); NULL for a number',
  unit COMMENT 'UCUM unit of value',
  loinc COMMENT 'LOINC code of the attribute, where it has one',
  signal_quality COMMENT 'Signal quality that the device told with the reading, in %; NULL: it tells none',
  event_date COMMENT 'Day of recorded_at, UTC, as YYYY-MM-DD',
  event_hour COMMENT 'Hour of recorded_at, UTC, 0 to 23'
)
COMMENT 'One row for each attribute that a reading has'
AS
SELECT r.reading_id, r.patient_id, r.device_id, r.recorded_at, r.inserted_at,
       a.attribute, a.value, a.text_value, a.unit, a.loinc, r.signal_quality,
       r.event_date, r.event_hour
FROM ${database}.vital_readings r
LATERAL VIEW STACK(${attribute_count},
${attributes}
) a AS attribute, value, text_value, unit, loinc
WHERE a.value IS NOT NULL OR a.text_value IS NOT NULL
