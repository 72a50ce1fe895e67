-- The hospital's side: what bedside devices and the ward office write. Devices only ever insert readings.
-- Ids of patients are compared byte by byte, so that two ids that differ in case are two patients here as elsewhere.

CREATE TABLE IF NOT EXISTS health.patients_vital_info (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY COMMENT 'increasing; becomes visible out of order',
  patient_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL COMMENT 'NULL: the device knew no patient',
  device_id VARCHAR(64) NULL,
  recorded_at DATETIME(3) NULL COMMENT 'clock of the device, UTC; NULL: it has none',
  inserted_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  heart_rate INT NULL COMMENT '/min',
  systolic_bp INT NULL COMMENT 'mmHg',
  diastolic_bp INT NULL COMMENT 'mmHg',
  spo2 INT NULL COMMENT '%',
  temperature DECIMAL(6, 2) NULL COMMENT 'degrees Celsius',
  respiratory_rate INT NULL COMMENT '/min',
  glucose DECIMAL(7, 2) NULL COMMENT 'mg/dL',
  on_oxygen BOOL NULL,
  consciousness CHAR(1) NULL COMMENT 'A, C, V, P or U (ACVPU)',
  signal_quality TINYINT UNSIGNED NULL COMMENT '%; 0: electrodes or probe have no contact',
  battery_percent TINYINT UNSIGNED NULL COMMENT '%; NULL: none, or not told',
  KEY inserted_at (inserted_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4;

CREATE TABLE IF NOT EXISTS health.patients_information (
  patient_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL PRIMARY KEY,
  name VARCHAR(200) NULL,
  address VARCHAR(500) NULL,
  phone VARCHAR(40) NULL,
  admitted_ward VARCHAR(80) NULL,
  date_of_birth DATE NULL COMMENT 'NULL: age unknown, judged as an adult',
  sex CHAR(1) NULL COMMENT 'F or M',
  spo2_scale TINYINT NULL COMMENT '1, or 2 where prescribed (NEWS2)',
  pregnant BOOL NULL,
  other_details TEXT NULL,
  updated_at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  discharged_at TIMESTAMP(3) NULL DEFAULT NULL COMMENT 'NULL: still on the ward',
  KEY updated_at (updated_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4;

CREATE TABLE IF NOT EXISTS health.simulator_episodes (
  id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  run_id VARCHAR(64) NOT NULL COMMENT 'names the seed, the number of patients and the start: equal runs have equal ids',
  seed BIGINT NOT NULL,
  patient_id VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  kind VARCHAR(32) NOT NULL COMMENT 'bradycardia, probe_off, late ...',
  attribute VARCHAR(32) NOT NULL COMMENT 'the vital that is disturbed; * for whole rows',
  direction VARCHAR(4) NULL COMMENT 'low or high; NULL: an artefact, no true deviation',
  expected_severity VARCHAR(6) NULL COMMENT 'severity that a true alarm has; NULL: any alarm is a false one',
  started_at DATETIME(3) NOT NULL COMMENT 'first disturbed reading, UTC',
  ended_at DATETIME(3) NOT NULL COMMENT 'end of the disturbance, UTC',
  details TEXT NOT NULL COMMENT 'JSON',
  UNIQUE KEY episode (run_id, patient_id, kind, attribute, started_at),
  KEY patient (patient_id, started_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4;
