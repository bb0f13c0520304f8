/**
 * The report of a night: of one that went well, of one that broke off, of one that went on, of a way back; each
 * says what has happened, and `audit verify` finds it whole.
 */
import { expect } from 'chai';
import type { NightEnd } from '../../src/cutover/nightlog.js';
import { LEASES } from '../../src/kube/resource.js';
import { htmlOf, jsonOf } from '../../src/report/document.js';
import { describeMaking } from '../../src/report/madeby.js';
import { nightFactsOf, type NightFacts } from '../../src/report/nightfacts.js';
import { verify } from '../../src/report/verify.js';
import { Stage } from '../cli/stage.js';
import { Night } from '../cutover/night.js';
import { isHold } from '../cutover/servedfrom.js';
import { withCerts } from '../kube/scene.js';

const VERSION = '1.2.3';

describe('the report of a night', () => {
  const { certs } = withCerts();
  let stage: Stage;
  let night: Night;
  before(async () => {
    stage = await Stage.start();
    night = await Night.start(stage, certs());
  });
  after(async () => {
    await night.end();
    await stage.end();
  });

  /** What is reported of it, when it has ended in whatever way; looked at as page and as JSON. */
  async function reported(running: Promise<NightEnd>, command: NightFacts['command']) {
    const { log } = night;
    const started = new Date();
    await running.then(
      (end) => {
        log.ended(end);
      },
      (error: unknown) => {
        log.failed(error, false);
      },
    );
    const made = describeMaking({
      ...{ version: VERSION, command: `etcd-lockstep ${command}`, environment: [] },
      ...{ started, ended: new Date() },
    });
    const facts = nightFactsOf(log.record, command, made, { source: null, target: null });
    const page = htmlOf(facts);
    for (const file of [page, jsonOf(facts)])
      expect(verify(Buffer.from(file), VERSION)).to.include({ whole: true });
    return { facts, page };
  }
  const cutover = async (): Promise<NightEnd> => ({
    kind: 'cutover',
    report: await night.cutover(),
  });

  it('that broke off behind the takeover: what is frozen, why, and what to do', async () => {
    const switchHook = () => Promise.reject(new Error('a bug in a hook'));
    const { facts, page } = await reported(
      night.cutover({ switchHook }).then((report) => ({ kind: 'cutover', report })),
      'cutover',
    );
    expect(facts).to.include({
      good: false,
      verdict: 'FAILED in step 8, switch: writes stay frozen',
      writes: 'refused',
    });
    expect(facts.audit?.report.equal).to.equal(true);
    expect(facts.frozen).to.include({ until: null });
    expect(facts.fence?.lowest.ahead).to.be.greaterThan(0);
    expect(facts.steps.map(({ state }) => state).slice(6)).to.deep.equal([
      ...['done', 'failed', 'to do', 'to do'],
    ]);
    expect(page).to.contain('<strong>FAILED</strong>').and.to.contain('writes stay frozen');
    expect(page).to.contain('FAILED HERE').and.to.contain('etcd-lockstep rollback');
  });

  it('that cannot go on with it: nobody knows what is frozen, and there is a way back', async () => {
    const running = night.cutover({ resources: [LEASES] });
    const { facts } = await reported(
      running.then((report) => ({ kind: 'cutover', report })),
      'cutover',
    );
    expect(facts).to.include({
      verdict: 'FAILED before the first step: writes may be frozen',
      ...{ writes: 'unknown', earlier: 'fenced' },
    });
    expect(facts.toDo.map(({ command }) => command)).to.include('etcd-lockstep rollback');
  });

  it('that goes on with it: what an earlier run did is not known, what the target says is', async () => {
    const { facts, page } = await reported(cutover(), 'cutover');
    const { end } = night.log.record;
    if (end?.kind !== 'cutover') throw new Error(JSON.stringify(end));
    expect(facts).to.include({ good: true, earlier: 'fenced', writes: 'let in again' });
    expect(facts.audit).to.equal(null);
    expect(facts.taken).to.include({ exact: end.report.exact, checksum: end.report.checksum });
    expect(facts.steps.map(({ state }) => state)).to.deep.equal([
      ...Array.from({ length: 6 }, () => 'passed over'),
      ...Array.from({ length: 4 }, () => 'done'),
    ]);
    expect(facts.apiservers.map(({ now, moved }) => [now?.from, moved !== null])).to.deep.equal([
      ['target', true],
      ['target', true],
    ]);
    expect(page).to.contain('<strong>CUT OVER</strong>').and.to.contain('An earlier run had');
  });

  it('that only watches on: what it says of apiservers it has seen itself', async () => {
    const { facts, page } = await reported(cutover(), 'cutover');
    expect(facts).to.include({ good: true, earlier: 'done', writes: 'not refused' });
    expect(facts.apiservers.map(({ now }) => now?.from)).to.deep.equal(['target', 'target']);
    expect(page).to.contain('2 of 2 apiservers were seen to serve pods from the target.');

    const [first = 'source'] = night.serves;
    night.serves[0] = 'source';
    const back = await reported(cutover(), 'cutover');
    night.serves[0] = first;
    expect(back.facts).to.include({ good: false, alarmCount: 1 });
    expect(back.page).to.contain('1 of 2 apiservers were seen to serve pods from the target.');
  });

  it('back again: what was brought', async () => {
    await night.put('target', 'default/new');
    const rollback = night.rollback().then((report) => ({ kind: 'rollback', report }) as const);
    const { facts, page } = await reported(rollback, 'rollback');
    expect(facts).to.include({ good: true, verdict: 'ROLLED BACK', writes: 'let in again' });
    expect(facts.brought).to.include({ put: 1 });
    expect(page).to.contain('<strong>ROLLED BACK</strong>').and.to.contain('1 put, 0 deleted');
  });

  it('with a late write: an alarm, and its key, and no value', async () => {
    await night.end();
    night = await Night.start(stage, certs());
    night.once(isHold, () => night.put('source', 'default/<late>', 'secret value'));
    const { facts, page } = await reported(cutover(), 'cutover');
    expect(facts).to.include({ good: false, alarmCount: 1 });
    expect(facts.failed?.code).to.equal('LATE_WRITE');
    expect(page).to.contain('default/&lt;late&gt;').and.not.to.contain('secret value');
  });
});
