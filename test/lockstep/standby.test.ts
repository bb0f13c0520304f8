/** What a standby tells of its looks; when it takes over: faults/standby, crash/standby. */
import { expect } from 'chai';
import type { Applier } from '../../src/lockstep/apply.js';
import { SourceHead } from '../../src/lockstep/sourcehead.js';
import { Standby } from '../../src/lockstep/standby.js';
import { TargetTrouble } from '../../src/lockstep/targettrouble.js';
import { proven } from '../../src/position.js';
import type { Target } from '../../src/target/target.js';
import type { EtcdClient } from '../../src/wire/client.js';
import type { JournalState } from '../../src/journal/state.js';
import { IDENTITY } from './model.js';

const nobody = () => undefined;

describe('a standby', () => {
  it('tells how long each look at the target took, by which the target is written more slowly', async () => {
    const took: number[] = [];
    const journal = {
      position: proven(5),
      state: { clusterId: 'a1', prefixes: ['/a/'] } as unknown as JournalState,
    };
    const target = { read: () => Promise.resolve({}) } as unknown as Target;
    const standby = new Standby({
      ...{ afterMs: 1000, identity: IDENTITY, journal, target },
      ...{ applier: {} as Applier, head: new SourceHead({} as EtcdClient, journal) },
      ...{ trouble: new TargetTrouble(nobody), heard: (ms) => took.push(ms) },
      ...{ failed: nobody, onTurnOver: nobody, onNote: nobody },
    });
    // It is no target of ours, which ends it at its first look.
    const ended = await standby
      .watch(new AbortController().signal)
      .catch((error: unknown) => error);
    expect(ended).to.include({ code: 'TARGET_NOT_OURS' });
    expect(took).to.have.lengthOf(1);
  });
});
