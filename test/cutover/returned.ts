/** What a rollback has to leave, by whichever way it went. */
import { expect } from 'chai';
import { parseKeyValue, type KeyValue } from '../../src/mvcc/keyvalue.js';
import { OWN_PREFIX, prefixRange } from '../../src/mvcc/prefix.js';
import { PODS } from '../cli/stage.js';
import type { Night, Side } from './night.js';

/** All pods of one side, by their keys. */
export async function held(night: Night, side: Side): Promise<Map<string, KeyValue>> {
  const { rows } = await night.direct[side].range(prefixRange(PODS));
  return new Map(rows.map(parseKeyValue).map((kv) => [kv.key.toString(), kv]));
}

/** Content is the same, what was changed lies above, and nothing of ours is left. */
export async function expectReturned(night: Night): Promise<void> {
  const [source, target] = [await held(night, 'source'), await held(night, 'target')];
  expect([...source.keys()]).to.deep.equal([...target.keys()]);
  for (const [name, there] of source) {
    const here = target.get(name);
    expect(there.value.toString(), name).to.equal(here?.value.toString());
    if (there.modRevision !== here?.modRevision)
      expect(there.modRevision, name).to.be.above(here?.modRevision ?? 0);
  }
  const { rows } = await night.direct.source.range(prefixRange(OWN_PREFIX));
  expect(rows.map((row) => parseKeyValue(row).key.toString())).to.deep.equal([]);
  expect(await night.phase()).to.equal('rolled back');
  for (const side of night.serves) expect(side).to.equal('source');
  expect(night.frozen).to.equal(false);
}
