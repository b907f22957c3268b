import type { Migration } from './migration.ts'

// Schema 4. Results of one score with other parameters stand side by side; `parameters` is JSON with sorted keys, and `place`
// counts up, so that the latest is known whatever the clock said.
export const scoreParameters: Migration = {
  version: 40,
  title: 'score parameters',
  sql: `
CREATE TABLE scores_by_parameters (
  checkpoint TEXT NOT NULL REFERENCES checkpoints ON DELETE CASCADE,
  data TEXT NOT NULL,
  method TEXT NOT NULL,
  parameters TEXT NOT NULL CHECK (json_valid(parameters)),
  version INTEGER NOT NULL,
  result TEXT NOT NULL CHECK (json_valid(result)),
  measured_at TEXT NOT NULL,
  place INTEGER NOT NULL,
  PRIMARY KEY (checkpoint, data, method, parameters)
) STRICT, WITHOUT ROWID;
INSERT INTO scores_by_parameters
  SELECT checkpoint, data, method,
    coalesce((SELECT json_group_object(key, json(result -> fullkey))
      FROM (SELECT key, fullkey FROM json_each(scores.result, '$.parameters') ORDER BY key)), '{}'),
    version, result, measured_at, row_number() OVER (ORDER BY measured_at, method)
  FROM scores;
DROP TABLE scores;
ALTER TABLE scores_by_parameters RENAME TO scores;
`,
}
