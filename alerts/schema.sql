-- The alerts database. Times are epoch milliseconds, UTC. A line "--;" ends a statement.
CREATE TABLE IF NOT EXISTS alarms (
  alarm_id CHAR(32) CHARACTER SET ascii NOT NULL PRIMARY KEY,
  kind ENUM('clinical', 'technical') NOT NULL,
  open_key BINARY(32) NULL UNIQUE COMMENT 'SHA-256 of what the alarm is about while it is the newest of its kind; NULL once over',
  patient_id VARCHAR(190) COLLATE utf8mb4_bin NULL,
  attribute VARCHAR(64) NULL,
  direction VARCHAR(8) NULL,
  technical_key VARCHAR(400) COLLATE utf8mb4_bin NULL COMMENT 'cause of a technical alarm',
  technical_kind VARCHAR(64) NULL,
  source VARCHAR(64) NULL COMMENT 'stream that raised a technical alarm',
  detail VARCHAR(2000) NULL COMMENT 'what a technical alarm says; no direct identifiers',
  ward VARCHAR(190) NULL,
  phase ENUM('pending', 'active', 'acknowledged', 'ended') NULL COMMENT 'clinical: where it stands',
  severity VARCHAR(8) NULL COMMENT 'clinical: now, or as it ended; NULL while pending',
  peak_severity VARCHAR(8) NULL COMMENT 'clinical: the highest that it had',
  started_at BIGINT NOT NULL COMMENT 'event time of the first breach',
  raised_at BIGINT NULL COMMENT 'event time at which it became active; NULL: it never did',
  last_breach_at BIGINT NOT NULL COMMENT 'event time of the newest breach',
  breaches INT NOT NULL,
  last_value DOUBLE NULL,
  told_at BIGINT NULL COMMENT 'when a mail about it was last decided; NULL: never',
  escalation TINYINT NOT NULL DEFAULT 0 COMMENT 'highest level that a mail about it had',
  acknowledged_at BIGINT NULL COMMENT 'first acknowledgement, by the clock',
  acknowledged_by VARCHAR(190) NULL COMMENT 'author of the newest acknowledgement',
  acknowledged_until BIGINT NULL COMMENT 'while it is acknowledged: until when',
  ended_at BIGINT NULL COMMENT 'technical: when its cause went; clinical: event time at which it ended',
  end_reason ENUM('cleared', 'dropped', 'discharged') NULL COMMENT 'clinical; dropped: it was never active',
  lifecycle TEXT NULL COMMENT 'JSON of clinical.lifecycle_state; NULL once ended',
  notice TEXT NULL COMMENT 'JSON of clinical.notices: what was told and what is still owed',
  breach MEDIUMTEXT NULL COMMENT 'JSON of the breach that the next mail speaks of; NULL once ended and told',
  KEY by_patient (patient_id, last_breach_at),
  KEY by_breach (kind, last_breach_at, ward),
  KEY by_ward (ward, last_breach_at),
  KEY by_time (last_breach_at),
  KEY by_notice (notice(1)) COMMENT 'the few that the engine loads, among all that are over',
  KEY by_end (ended_at)
) DEFAULT CHARSET = utf8mb4
--;
CREATE TABLE IF NOT EXISTS alarm_events (
  event_id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  alarm_id CHAR(32) CHARACTER SET ascii NOT NULL,
  at BIGINT NOT NULL COMMENT 'when it happened, by the clock',
  who VARCHAR(190) NOT NULL,
  what VARCHAR(32) NOT NULL COMMENT 'a kind of transition or of news',
  why VARCHAR(2000) NOT NULL,
  breach_id CHAR(64) CHARACTER SET ascii NULL,
  notification_id CHAR(32) CHARACTER SET ascii NULL,
  KEY by_alarm (alarm_id, event_id),
  KEY by_time (at)
) DEFAULT CHARSET = utf8mb4 COMMENT = 'append-only audit'
--;
CREATE TABLE IF NOT EXISTS notifications (
  seq BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  notification_id CHAR(32) CHARACTER SET ascii NOT NULL UNIQUE,
  alarm_id CHAR(32) CHARACTER SET ascii NOT NULL,
  group_key BINARY(32) NOT NULL COMMENT 'patient or cause: never sent out of order within one',
  topic ENUM('doctors', 'ops', 'watchdog') NOT NULL,
  kind ENUM('clinical', 'technical', 'watchdog') NOT NULL,
  notice VARCHAR(16) NOT NULL,
  priority TINYINT NOT NULL COMMENT '0 first',
  severity VARCHAR(16) NOT NULL,
  ward VARCHAR(190) NOT NULL,
  attribute VARCHAR(190) NOT NULL COMMENT 'one or several, separated by commas',
  escalation TINYINT NOT NULL DEFAULT 0,
  subject VARCHAR(99) CHARACTER SET ascii NOT NULL,
  body MEDIUMTEXT NOT NULL,
  created_at BIGINT NOT NULL,
  attempts INT NOT NULL DEFAULT 0,
  not_before BIGINT NOT NULL DEFAULT 0 COMMENT 'refused by SNS for its own sake: not tried before this time',
  last_error VARCHAR(500) NULL,
  sent_at BIGINT NULL,
  message_id VARCHAR(100) NULL COMMENT 'given by SNS',
  merged_into CHAR(32) CHARACTER SET ascii NULL COMMENT 'went out within that notification, because the pace did not allow its own',
  KEY unsent (sent_at, priority, seq),
  KEY unsent_of_group (group_key, sent_at, seq),
  KEY by_alarm (alarm_id, seq)
) DEFAULT CHARSET = utf8mb4 COMMENT = 'outbox'
--;
CREATE TABLE IF NOT EXISTS subscriptions (
  subscription_id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  email VARCHAR(254) COLLATE utf8mb4_bin NOT NULL,
  topic ENUM('doctors', 'ops') NOT NULL,
  wards JSON NOT NULL COMMENT 'list; empty: every ward',
  severities JSON NOT NULL COMMENT 'list; empty for ops; technical: alarms about the signal, for nurses',
  from_escalation TINYINT NOT NULL DEFAULT 0 COMMENT 'hears mails of this level and above',
  state ENUM('wanted', 'pending', 'confirmed', 'removed') NOT NULL,
  sns_arn VARCHAR(300) NULL,
  created_at BIGINT NOT NULL,
  changed_at BIGINT NOT NULL,
  UNIQUE KEY one_per_topic (email, topic)
) DEFAULT CHARSET = utf8mb4 COMMENT = 'who gets what'
--;
CREATE TABLE IF NOT EXISTS consumer_offsets (
  consumer VARCHAR(64) NOT NULL,
  topic VARCHAR(190) NOT NULL,
  partition_id INT NOT NULL,
  next_offset BIGINT NOT NULL,
  PRIMARY KEY (consumer, topic, partition_id)
) DEFAULT CHARSET = utf8mb4
--;
CREATE TABLE IF NOT EXISTS seen_breaches (
  seq BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  breach BINARY(32) NOT NULL UNIQUE COMMENT 'SHA-256 of breach_id'
) DEFAULT CHARSET = utf8mb4 COMMENT = 'the newest breaches, to drop repeats'
--;
CREATE TABLE IF NOT EXISTS mailed (
  subscription_id INT NOT NULL,
  notification_id CHAR(32) CHARACTER SET ascii NOT NULL,
  mailed_at BIGINT NOT NULL,
  PRIMARY KEY (subscription_id, notification_id),
  KEY by_time (mailed_at),
  KEY by_notification (notification_id)
) DEFAULT CHARSET = utf8mb4 COMMENT = 'what the mailer gave to SMTP, to drop repeats'
--;
CREATE TABLE IF NOT EXISTS mailing (
  subscription_id INT NOT NULL,
  notification_id CHAR(32) CHARACTER SET ascii NOT NULL,
  begun_at BIGINT NOT NULL,
  PRIMARY KEY (subscription_id, notification_id),
  KEY by_time (begun_at)
) DEFAULT CHARSET = utf8mb4 COMMENT = 'what the mailer is giving to SMTP; left by a crash: the inbox says whether it got it'
--;
CREATE TABLE IF NOT EXISTS orders (
  order_id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  alarm_id CHAR(32) CHARACTER SET ascii NOT NULL,
  author VARCHAR(190) NOT NULL,
  is_claimed BOOLEAN NOT NULL COMMENT 'the author is who they say they are, by the link in a mail',
  reason VARCHAR(1000) NOT NULL,
  until_at BIGINT NULL COMMENT 'NULL: the default',
  created_at BIGINT NOT NULL,
  handled_at BIGINT NULL,
  outcome VARCHAR(500) NULL COMMENT 'what the engine made of it, as a sentence',
  severity VARCHAR(16) NULL COMMENT 'of the alarm, as it was shown',
  KEY unhandled (handled_at, order_id)
) DEFAULT CHARSET = utf8mb4 COMMENT = 'acknowledgements that people ask for; the engine carries them out'
--;
CREATE TABLE IF NOT EXISTS silences (
  silence_id INT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  kind ENUM('silence', 'maintenance') NOT NULL,
  patient_id VARCHAR(190) COLLATE utf8mb4_bin NULL COMMENT 'NULL: every patient',
  ward VARCHAR(190) NULL COMMENT 'NULL: every ward',
  attribute VARCHAR(64) NULL COMMENT 'NULL: every attribute',
  starts_at BIGINT NOT NULL,
  ends_at BIGINT NOT NULL,
  author VARCHAR(190) NOT NULL,
  reason VARCHAR(1000) NOT NULL,
  created_at BIGINT NOT NULL,
  lifted_at BIGINT NULL,
  lifted_by VARCHAR(190) NULL,
  KEY by_end (ends_at)
) DEFAULT CHARSET = utf8mb4 COMMENT = 'no mails about what they match, from start to end; all is recorded'
--;
CREATE TABLE IF NOT EXISTS audited_hours (
  source_table VARCHAR(190) COLLATE utf8mb4_bin NOT NULL,
  hour_at BIGINT NOT NULL COMMENT 'its beginning',
  source_rows BIGINT NOT NULL COMMENT 'inserted in it and committed when the audit found all of them in Hive',
  PRIMARY KEY (source_table, hour_at)
) DEFAULT CHARSET = utf8mb4 COMMENT = 'what the audit has seen, so that it notices rows that are committed later'
