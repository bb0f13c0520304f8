/** Events for tests of what becomes of them. */
import type { Happened, Told } from '../../src/hooks/events.js';

const ABOUT = {
  version: 1,
  host: 'here',
  command: 'follow',
  rehearsal: false,
  at: '2026-03-01T20:00:00.000Z',
  clusters: { source: 'a1', target: 'b2' },
  prefixes: ['/registry/pods/'],
} as const;

export const SOME = ['alarm', 'end', 'lockstep-reached'] as const;

const BY_NAME: Record<(typeof SOME)[number], Happened> = {
  alarm: { event: 'alarm', text: 'look', incident: null },
  end: { event: 'end', text: 'it has ended', incident: null, exitCode: 0, error: null },
  'lockstep-reached': {
    ...{ event: 'lockstep-reached', text: 'there', incident: 'follow/b2/lockstep' },
    ...{ again: false, revision: 17, lag: { revisions: 0, seconds: 0 } },
  },
};

/** The nth event, of this kind. */
export function told(event: (typeof SOME)[number], n = 1): Told {
  return { ...ABOUT, id: `run-${n}`, ...BY_NAME[event] };
}
