/** Output that the pages show is what the commands print. */
import { expect } from 'chai';
import { auditText } from '../../src/cli/audit.command.js';
import { cutoverText } from '../../src/cli/cutover.command.js';
import { retireText } from '../../src/cli/retire.command.js';
import { rollbackText } from '../../src/cli/rollback.command.js';
import { CUTOVER_STEPS } from '../../src/cutover/script.js';
import { blocksOf } from './pages.js';
import { callsIn } from './shell.js';

const PODS = { prefixes: ['/registry/pods/'], resources: ['pods'] };

/** The block of a page that begins so. */
function shown(page: string, begins: string): string {
  const found = blocksOf(page).find(({ text }) => text.startsWith(begins));
  if (!found) throw new Error(`${page} shows nothing that begins with ${begins}`);
  return found.text;
}

/** The report up to the table of steps. */
function head(text: string): string {
  return `${text.split(/\n *step /)[0] ?? ''}\n`;
}

describe('docs: output that is shown', () => {
  it('README.md: audit', () => {
    const side = { keys: 2213, checksum: '1f4bb1ab5f7d0e83', version: '3.5.16' };
    const { keys, checksum } = side;
    const text = auditText({
      ...{ equal: true, revision: 6182, sourceHead: 6182, prefixes: PODS.prefixes, differences: 0 },
      source: { ...side, cluster: 'cdf818194e3a8c32' },
      target: { ...side, cluster: 'eb2e3ab3a2c2b3b5' },
      cursor: { revision: 6182, keys, checksum, gap: null, agrees: true },
      ...{ ahead: null, takenOver: null },
      history: { after: 4210, events: 1644, differences: 0 },
      ...{ bytes: 12 * 1024 * 1024, seconds: 0.7 },
    });
    expect(shown('README.md', 'EQUAL')).to.equal(`${text}\n`);
  });

  it('docs/cutover.md: the switch hook gives each host its flag, there and back', () => {
    const hook = shown('docs/cutover.md', '#!/bin/sh');
    const called = (overrides: string) =>
      callsIn(`APISERVER=https://10.0.0.1:6443 OVERRIDES='${overrides}'\n${hook}`).map(
        ({ args }) => args,
      );
    const set = ['ssh', 'root@10.0.0.1', 'set-overrides'];
    const events = '/events#https://10.0.2.1:2379';
    const pods = '/pods#https://10.0.1.1:2379;https://10.0.1.2:2379';
    expect(called(pods)).to.deep.equal([[...set, `'${events},${pods}'`]]);
    expect(called('')).to.deep.equal([[...set, `'${events}'`]]);
  });

  it('docs/cutover.md: the steps', () => {
    const text = shown('docs/cutover.md', '[2026-').replaceAll(/^\[\d{4}-\S+ INFO: /gm, '');
    const [first] = CUTOVER_STEPS;
    expect(text).to.contain(`waits for: ${first?.waitsFor ?? ''}\n`);
    expect(text).to.contain(`stopped here: ${first?.ifAborted ?? ''}\n`);
    const steps = [...text.matchAll(/^\[(\d+)\/(\d+)\] (\w+): (.*?)(; frozen for [\d.]+ s)?$/gm)];
    expect(steps.map(([, number, of, name, does]) => [number, of, name, does])).to.deep.equal(
      CUTOVER_STEPS.map(({ name, does }, i) => [`${i + 1}`, `${CUTOVER_STEPS.length}`, name, does]),
    );
  });

  it('docs/cutover.md: the end of cutover, rollback and retire', () => {
    const night = { ...PODS, apiservers: [], steps: [], alarms: [] };
    const cutover = cutoverText({
      ...night,
      ...{ exact: 409, keys: 50, checksum: '05cf354d07ee0eb9' },
      heads: { source: 422, target: 1697 },
      ...{ frozenSeconds: 16.2, ownSeconds: 0.71 },
      lateWrites: { count: 0, named: [] },
    });
    expect(shown('docs/cutover.md', 'CUT OVER')).to.equal(head(cutover));
    const rollback = rollbackText({
      ...night,
      brought: { keys: 51, put: 2, deleted: 0, unchanged: 49, replaced: { count: 0, keys: [] } },
      heads: { source: 3156, target: 2053 },
      back: { way: 'long', why: null },
      ...{ frozenSeconds: 13.6, ownSeconds: 0.4, lateWrites: [] },
    });
    expect(shown('docs/cutover.md', 'ROLLED BACK')).to.equal(head(rollback));
    const { prefixes, resources } = PODS;
    const found = { keys: 50, checksum: '231268821f7919ef' };
    const retire = retireText(
      {
        ...{
          prefixes,
          resources,
          ...found,
          bytes: 50 * 1024,
          deletedSince: 3,
          reverse: null,
          cutOver: found,
        },
        ...{ removed: false, revisions: null, left: 50 },
      },
      1000,
    );
    expect(shown('docs/cutover.md', 'WOULD REMOVE')).to.equal(`${retire}\n`);
  });
});
