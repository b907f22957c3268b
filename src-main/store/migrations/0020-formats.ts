import type { Migration } from './migration.ts'

// Schema 2. A project plans for one export format at a time (NULL: the first that fits), and a variant remembers the one its
// bytes were planned in. Before this there were two: packed safetensors for tensors alone, ONNX for everything else.
export const formats: Migration = {
  version: 20,
  title: 'formats',
  sql: `
ALTER TABLE projects ADD COLUMN format TEXT;
ALTER TABLE variants ADD COLUMN format TEXT NOT NULL DEFAULT 'onnx';
UPDATE variants SET format = 'safetensors'
  WHERE EXISTS (SELECT 1 FROM projects JOIN checkpoints ON fingerprint = projects.checkpoint
    WHERE summary ->> '$.task' = 'none');
`,
}
