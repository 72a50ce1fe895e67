-- What the ward page keeps, in the alerts database. Times are epoch milliseconds, UTC. A line "--;" ends a statement.
CREATE TABLE IF NOT EXISTS page_sessions (
  token_hash BINARY(32) NOT NULL PRIMARY KEY COMMENT 'SHA-256 of the cookie: the table cannot be used to log in',
  user_name VARCHAR(64) CHARACTER SET ascii NOT NULL,
  created_at BIGINT NOT NULL,
  seen_at BIGINT NOT NULL COMMENT 'the last time that its user did something, a minute late at most',
  KEY by_seen (seen_at)
) DEFAULT CHARSET = utf8mb4
--;
CREATE TABLE IF NOT EXISTS page_audit (
  entry_id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
  at BIGINT NOT NULL,
  user_name VARCHAR(64) NOT NULL COMMENT 'as it was typed, for a wrong password',
  role VARCHAR(16) CHARACTER SET ascii NOT NULL,
  act VARCHAR(32) CHARACTER SET ascii NOT NULL COMMENT 'what was done or looked at',
  patient_id VARCHAR(190) COLLATE utf8mb4_bin NULL,
  detail VARCHAR(4000) NOT NULL DEFAULT '' COMMENT 'what was changed, from and to',
  KEY by_time (at),
  KEY by_patient (patient_id, at),
  KEY by_user (user_name, at)
) DEFAULT CHARSET = utf8mb4 COMMENT = 'append-only audit'
