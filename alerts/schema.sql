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
  severity VARCHAR(8) NULL COMMENT 'of the newest breach',
  started_at BIGINT NOT NULL COMMENT 'event time of the first breach',
  last_breach_at BIGINT NOT NULL COMMENT 'event time of the newest breach',
  breaches INT NOT NULL,
  last_value DOUBLE NULL,
  told_severity VARCHAR(8) NULL COMMENT 'severity of the last notice',
  told_event_at BIGINT NULL COMMENT 'event time of the breach of the last notice',
  told_clock_at BIGINT NULL COMMENT 'when the last notice was decided',
  ended_at BIGINT NULL COMMENT 'technical: when its cause went; clinical: event time of its last breach, set when a newer alarm begins',
  KEY by_patient (patient_id, last_breach_at),
  KEY by_ward (ward, last_breach_at)
) DEFAULT CHARSET = utf8mb4
--;
CREATE TABLE IF NOT EXISTS alarm_events (
  event_id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  alarm_id CHAR(32) CHARACTER SET ascii NOT NULL,
  at BIGINT NOT NULL COMMENT 'when it happened, by the clock',
  who VARCHAR(190) NOT NULL,
  what VARCHAR(32) NOT NULL COMMENT 'began, first, worse, reminder, ended, raised, cleared',
  why VARCHAR(2000) NOT NULL,
  breach_id CHAR(64) CHARACTER SET ascii NULL,
  notification_id CHAR(32) CHARACTER SET ascii NULL,
  KEY by_alarm (alarm_id, event_id)
) DEFAULT CHARSET = utf8mb4 COMMENT = 'append-only audit'
--;
CREATE TABLE IF NOT EXISTS notifications (
  seq BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  notification_id CHAR(32) CHARACTER SET ascii NOT NULL UNIQUE,
  alarm_id CHAR(32) CHARACTER SET ascii NOT NULL,
  group_key BINARY(32) NOT NULL COMMENT 'patient or cause: never sent out of order within one',
  topic ENUM('doctors', 'ops') NOT NULL,
  notice VARCHAR(16) NOT NULL,
  priority TINYINT NOT NULL COMMENT '0 first',
  severity VARCHAR(16) NOT NULL,
  ward VARCHAR(190) NOT NULL,
  attribute VARCHAR(64) NOT NULL,
  subject VARCHAR(99) CHARACTER SET ascii NOT NULL,
  body MEDIUMTEXT NOT NULL,
  created_at BIGINT NOT NULL,
  attempts INT NOT NULL DEFAULT 0,
  not_before BIGINT NOT NULL DEFAULT 0 COMMENT 'refused by SNS for its own sake: not tried before this time',
  last_error VARCHAR(500) NULL,
  sent_at BIGINT NULL,
  message_id VARCHAR(100) NULL COMMENT 'given by SNS',
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
  severities JSON NOT NULL COMMENT 'list; empty for ops',
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
