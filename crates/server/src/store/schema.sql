-- Schema 1 of jobs.db. Times are wall-clock milliseconds since the epoch; ids are the 16 bytes of a UUIDv7.
-- A schema change is a new file and a new number (PRAGMA user_version); what is written here never changes.

-- Text that many rows share: service ids and submitters.
CREATE TABLE name (
  id   INTEGER PRIMARY KEY,
  text TEXT NOT NULL UNIQUE
);

-- The part of a job that changes. What was asked for and what came out are apart, so that a change of state rewrites
-- two hundred bytes and not the inputs.
CREATE TABLE job (
  seq        INTEGER PRIMARY KEY AUTOINCREMENT,
  id         BLOB    NOT NULL UNIQUE,
  service    INTEGER NOT NULL,
  submitter  INTEGER NOT NULL,
  state      INTEGER NOT NULL,
  priority   INTEGER NOT NULL,
  parent     BLOB,
  idx        INTEGER NOT NULL,
  batch      BLOB,
  attempt    INTEGER NOT NULL,
  attempt_id BLOB,
  worker     TEXT,
  failures   INTEGER NOT NULL,
  crashes    INTEGER NOT NULL,
  revision   INTEGER NOT NULL,
  created    INTEGER NOT NULL,
  queued     INTEGER,
  started    INTEGER,
  ended      INTEGER,
  wake       INTEGER,
  deadline   INTEGER,
  cpus       INTEGER NOT NULL, -- thousandths
  memory     INTEGER NOT NULL, -- bytes
  history    BLOB    NOT NULL, -- trefoil_jobs::History
  failure    TEXT,             -- trefoil_jobs::Failure as JSON
  cancel     TEXT,
  counts     TEXT              -- trefoil_jobs::Counts as JSON; set for the parent of a sweep
);

-- 3 = queued: what starts next, by group.
CREATE INDEX job_queue ON job (service, submitter, priority DESC, seq) WHERE state = 3;
-- With a worker (4, 5, 7) or between two attempts (6). Conditions are comparisons and not lists: for a list SQLite builds a
-- temporary tree at each UPDATE, which costs more than all the rest of it.
CREATE INDEX job_active ON job (state, seq) WHERE state > 3 AND state < 8;
-- 9, 10 = failed, canceled: rare, and what people look for.
CREATE INDEX job_bad ON job (state, seq) WHERE state > 8;
CREATE INDEX job_wake ON job (wake) WHERE wake IS NOT NULL;
CREATE INDEX job_parent ON job (parent, idx) WHERE parent IS NOT NULL;
CREATE INDEX job_batch ON job (batch, idx) WHERE batch IS NOT NULL;

CREATE TABLE spec (
  seq  INTEGER PRIMARY KEY,
  json TEXT NOT NULL -- trefoil_jobs::Spec
);

CREATE TABLE result (
  seq  INTEGER PRIMARY KEY,
  json TEXT NOT NULL -- port to value
);

-- Attempts that were followed by another; the last attempt of a job is in its row.
CREATE TABLE attempt (
  seq     INTEGER NOT NULL,
  n       INTEGER NOT NULL,
  id      BLOB    NOT NULL,
  worker  TEXT,
  started INTEGER,
  ended   INTEGER NOT NULL,
  failure TEXT,
  PRIMARY KEY (seq, n)
) WITHOUT ROWID;

CREATE TABLE label (
  key   TEXT NOT NULL,
  value TEXT NOT NULL,
  seq   INTEGER NOT NULL,
  PRIMARY KEY (key, value, seq)
) WITHOUT ROWID;
CREATE INDEX label_job ON label (seq);

CREATE TABLE tombstone (
  id      BLOB PRIMARY KEY,
  deleted INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX tombstone_age ON tombstone (deleted);

CREATE TABLE idempotency (
  submitter   TEXT NOT NULL,
  key         TEXT NOT NULL,
  fingerprint BLOB NOT NULL,
  first       BLOB NOT NULL,
  count       INTEGER NOT NULL,
  batch       BLOB,
  created     INTEGER NOT NULL,
  PRIMARY KEY (submitter, key)
) WITHOUT ROWID;
CREATE INDEX idempotency_age ON idempotency (created);

-- What is known of files; their content is beside the database, under its hash.
CREATE TABLE file (
  seq     INTEGER PRIMARY KEY AUTOINCREMENT, -- order of arrival; pages of lists end at one
  sha256  BLOB    NOT NULL UNIQUE,
  size    INTEGER NOT NULL,
  name    TEXT,
  type    TEXT,
  created INTEGER NOT NULL
);

CREATE TABLE file_use (
  sha256 BLOB    NOT NULL,
  seq    INTEGER NOT NULL,
  PRIMARY KEY (sha256, seq)
) WITHOUT ROWID;
CREATE INDEX file_use_job ON file_use (seq);

-- Decisions about services that outlive the process.
CREATE TABLE service_state (
  service TEXT PRIMARY KEY,
  paused  INTEGER NOT NULL,
  retired INTEGER NOT NULL
) WITHOUT ROWID;
