import type { Migration } from './migration.ts'

// Schema 3. A project remembers the quantizer and the preparations that it plans with, as JSON (NULL: plain ones).
export const methods: Migration = {
  version: 30,
  title: 'methods',
  sql: `
ALTER TABLE projects ADD COLUMN methods TEXT CHECK (methods IS NULL OR json_valid(methods));
`,
}
