import { config } from 'zod'

// Imported before anything that makes a schema: without it zod probes `new Function`, which the content policy reports.
config({ jitless: true })
