import type { FuzzTarget } from '../target.ts'

const seeds = (text: string) => () => [new TextEncoder().encode(text)]

/** Targets that fail, to prove the harness; never run but by its tests. */
export const planted: ReadonlyMap<string, FuzzTarget> = new Map<string, FuzzTarget>([
  [
    'endless',
    {
      name: 'endless',
      seeds: seeds('loop'),
      run() {
        for (;;);
      },
    },
  ],
  [
    'glutton',
    {
      name: 'glutton',
      seeds: seeds('eat'),
      run() {
        const kept: number[][] = []
        for (;;) kept.push(new Array<number>(1000).fill(kept.length + 0.5))
      },
    },
  ],
])
