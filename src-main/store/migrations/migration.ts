export interface Migration {
  version: number // becomes user_version; numbered by tens
  title: string
  sql: string
}
