import type { Migration } from './migration.ts'

// Schema 1. `data` columns hold a data set's fingerprint, '' where no data was used. JSON columns go through the
// contract's schemas when read. Steps are keyed by content (checkpoint, layer, option, seed), so recipes share them.
export const initial: Migration = {
  version: 10,
  title: 'initial',
  sql: `
CREATE TABLE checkpoints (
  fingerprint TEXT NOT NULL PRIMARY KEY,
  path TEXT NOT NULL,
  relative_path TEXT NOT NULL,
  summary TEXT NOT NULL CHECK (json_valid(summary)),
  added_at TEXT NOT NULL
) STRICT;

CREATE TABLE data_sets (
  id INTEGER PRIMARY KEY,
  fingerprint TEXT NOT NULL,
  path TEXT NOT NULL,
  relative_path TEXT NOT NULL,
  split TEXT NOT NULL CHECK (split IN ('auto', 'none')),
  summary TEXT NOT NULL CHECK (json_valid(summary)),
  added_at TEXT NOT NULL,
  UNIQUE (fingerprint, path, split)
) STRICT;

CREATE TABLE projects (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  name TEXT NOT NULL,
  device TEXT NOT NULL,
  checkpoint TEXT NOT NULL REFERENCES checkpoints,
  data_set INTEGER REFERENCES data_sets,
  created_at TEXT NOT NULL
) STRICT;

CREATE TABLE probes (
  checkpoint TEXT NOT NULL REFERENCES checkpoints ON DELETE CASCADE,
  data TEXT NOT NULL,
  kind TEXT NOT NULL,
  key TEXT NOT NULL,
  version INTEGER NOT NULL,
  value TEXT NOT NULL CHECK (json_valid(value)),
  PRIMARY KEY (checkpoint, data, kind, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE scores (
  checkpoint TEXT NOT NULL REFERENCES checkpoints ON DELETE CASCADE,
  data TEXT NOT NULL,
  method TEXT NOT NULL,
  version INTEGER NOT NULL,
  result TEXT NOT NULL CHECK (json_valid(result)),
  measured_at TEXT NOT NULL,
  PRIMARY KEY (checkpoint, data, method)
) STRICT, WITHOUT ROWID;

CREATE TABLE options (
  checkpoint TEXT NOT NULL REFERENCES checkpoints ON DELETE CASCADE,
  data TEXT NOT NULL,
  layer TEXT NOT NULL,
  option TEXT NOT NULL,
  samples INTEGER NOT NULL,
  loss REAL NOT NULL,
  error REAL NOT NULL,
  standard_error REAL,
  source TEXT NOT NULL,
  PRIMARY KEY (checkpoint, data, layer, option)
) STRICT, WITHOUT ROWID;

CREATE TABLE recipes (
  id TEXT NOT NULL PRIMARY KEY,
  checkpoint TEXT NOT NULL REFERENCES checkpoints,
  body TEXT NOT NULL CHECK (json_valid(body)),
  created_at TEXT NOT NULL
) STRICT;

CREATE TABLE jobs (
  id TEXT NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  title TEXT NOT NULL,
  args TEXT NOT NULL CHECK (json_valid(args)),
  state TEXT NOT NULL,
  units_done INTEGER NOT NULL,
  units_total INTEGER NOT NULL,
  progress REAL NOT NULL,
  elapsed_ms REAL NOT NULL,
  notices TEXT NOT NULL CHECK (json_valid(notices)),
  fault TEXT CHECK (fault IS NULL OR json_valid(fault)),
  result TEXT,
  created_at TEXT NOT NULL
) STRICT;
CREATE INDEX jobs_by_state ON jobs (state);

CREATE TABLE runs (
  id TEXT NOT NULL PRIMARY KEY,
  recipe TEXT NOT NULL REFERENCES recipes,
  job TEXT REFERENCES jobs ON DELETE SET NULL,
  state TEXT NOT NULL CHECK (state IN ('started', 'finished')),
  created_at TEXT NOT NULL
) STRICT;
CREATE INDEX runs_by_recipe ON runs (recipe);
CREATE INDEX runs_by_job ON runs (job);

CREATE TABLE steps (
  key TEXT NOT NULL PRIMARY KEY,
  run TEXT REFERENCES runs ON DELETE SET NULL,
  task TEXT NOT NULL,
  file TEXT,
  sha256 TEXT,
  bytes INTEGER,
  result TEXT NOT NULL CHECK (json_valid(result)),
  CHECK ((file IS NULL) = (sha256 IS NULL))
) STRICT;
CREATE INDEX steps_by_run ON steps (run);
CREATE INDEX steps_by_sha256 ON steps (sha256);

CREATE TABLE variants (
  id TEXT NOT NULL PRIMARY KEY,
  run TEXT NOT NULL REFERENCES runs,
  recipe TEXT NOT NULL UNIQUE REFERENCES recipes,
  name TEXT NOT NULL,
  bytes INTEGER NOT NULL,
  average_bits REAL NOT NULL,
  predicted_loss REAL,
  uniform INTEGER NOT NULL CHECK (uniform IN (0, 1)),
  pinned INTEGER NOT NULL CHECK (pinned IN (0, 1)),
  created_at TEXT NOT NULL
) STRICT;
CREATE INDEX variants_by_run ON variants (run);

CREATE TABLE evaluations (
  id TEXT NOT NULL PRIMARY KEY,
  checkpoint TEXT NOT NULL REFERENCES checkpoints,
  variant TEXT REFERENCES variants ON DELETE CASCADE,
  data TEXT NOT NULL,
  device TEXT NOT NULL,
  result TEXT NOT NULL CHECK (json_valid(result)),
  created_at TEXT NOT NULL
) STRICT;
CREATE INDEX evaluations_by_variant ON evaluations (variant);
CREATE INDEX evaluations_by_data ON evaluations (checkpoint, data);

CREATE TABLE exports (
  id TEXT NOT NULL PRIMARY KEY,
  variant TEXT NOT NULL REFERENCES variants ON DELETE CASCADE,
  result TEXT NOT NULL CHECK (json_valid(result)),
  created_at TEXT NOT NULL
) STRICT;
CREATE INDEX exports_by_variant ON exports (variant);

CREATE TABLE holders (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  pid INTEGER NOT NULL,
  started TEXT NOT NULL,
  machine TEXT NOT NULL,
  door TEXT NOT NULL,
  beat INTEGER NOT NULL,
  taken_at TEXT NOT NULL
) STRICT;
`,
}
