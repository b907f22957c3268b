import manifest from '../../package.json' with { type: 'json' }

/** Version of this program, for what it writes about itself. */
export const latheVersion: string = manifest.version
