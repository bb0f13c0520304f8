/**
 * The page in a real browser, served by the real listener.
 *
 * States of hours and nights are views made by hand (views.ts); one run has a real follower between real
 * etcds. PICTURES=1 takes the pictures of the README.
 */
import { expect } from 'chai';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { Browser, Page } from 'playwright-core';
import { Listener } from '../../src/listen/listener.js';
import type { View } from '../../src/listen/view.js';
import { Running } from '../cli/run.js';
import { PODS, Stage } from '../cli/stage.js';
import { launch, needsBrowser, open, type Watched } from '../rig/browser.js';
import { withPalette } from './palette.js';
import * as views from './views.js';

const { samples, ...STATES } = views;
const DESKTOP = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };

describe('the page', function () {
  let browser: Browser;
  const listeners: Listener[] = [];
  const servers: Server[] = [];
  before(async function () {
    needsBrowser(this);
    browser = await launch();
  });
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
    for (const listener of listeners.splice(0)) await listener.close();
    for (const server of servers.splice(0)) server.close();
  });
  after(async () => {
    // Without a browser there is none.
    await (browser as Browser | undefined)?.close();
  });

  /** @param port 0: any */
  async function listen(view: () => View, port = 0): Promise<Listener> {
    const shown = { view, status: () => undefined };
    const listener = await Listener.open({ host: '127.0.0.1', port }, shown, (note) => {
      throw new Error(note);
    });
    listeners.push(listener);
    return listener;
  }

  async function look(view: () => View, size = DESKTOP): Promise<Watched> {
    const watched = await open(browser, (await listen(view)).url, { viewport: size });
    await shows(watched.page, '#sentence', view().sentence);
    return watched;
  }

  /** Waits until it does; mocha's timeout is the limit. */
  async function shows(page: Page, selector: string, text: string | RegExp): Promise<void> {
    await page.locator(selector, { hasText: text }).first().waitFor();
  }

  async function text(page: Page, selector: string): Promise<string> {
    return page.locator(selector).innerText();
  }

  for (const [name, view] of Object.entries(STATES))
    it(`${name}: on a desktop and a phone, without a complaint, from nowhere else`, async () => {
      const { page, complaints, requests } = await look(view);
      await shows(page, '#contact-text', /^Live, \d\d:\d\d:\d\d$/);
      for (const size of [DESKTOP, PHONE]) {
        await page.setViewportSize(size);
        expect(await page.evaluate('document.documentElement.scrollWidth')).to.equal(size.width);
      }
      const origins = new Set(requests.map((url) => new URL(url).origin));
      expect([...origins]).to.deep.equal([new URL(page.url()).origin]);
      expect(complaints).to.deep.equal([]);
    });

  it('a follower: revisions as digits alone, amounts with separators, window, audits, next', async () => {
    const { page } = await look(views.inLockstep);
    expect(await page.title()).to.equal('✓ in lockstep: follow');
    expect(await text(page, '#figures')).to.match(
      /Source head\s+48\d{6}\s+cluster cdf818194e3a8c32/,
    );
    expect(await text(page, '#figures')).to.contain('1,934,211 revisions');
    expect(await text(page, '#figures'))
      .to.contain('by proposals')
      .and.not.to.contain('Written by');
    expect(await text(page, '#window')).to.match(/5m00s\s+left of 5m00s/);
    expect(await text(page, '#audits')).to.match(/✓ equal\s+48176012\s+312,448/);
    const report = page.locator('#audits a').first();
    expect(await report.getAttribute('href')).to.equal('reports/audit-48176012.html');
    await page.locator('#next button').click();
    await shows(page, '#next button', /^(Copied|Not copied)$/);
    expect(await page.locator('#night').isVisible()).to.equal(false);
  });

  it('is plotted from what the process has kept, for minutes and for hours', async () => {
    const { page } = await look(views.inLockstep);
    await page.route('**/samples.json', (route) => route.fulfill({ json: samples() }));
    await page.reload();
    const lag = page.locator('#plots figure', { hasText: 'Lag' }).locator('[role=img]');
    const label = async (): Promise<string> => (await lag.getAttribute('aria-label')) ?? '';
    while (!/1m3\ds at the most$/.test(await label())) await page.waitForTimeout(50);
    await page.getByLabel('10 minutes').check();
    while (!/0\.\d s at the most$/.test(await label())) await page.waitForTimeout(50);
  });

  it('trouble, with its hint and since when; a window that runs down', async () => {
    const { page } = await look(views.catchingUp);
    expect(await text(page, '#trouble')).to.match(
      /Trouble NO_SPACE for \d+m\d\ds.*\n.*\n.*Try: Make room/s,
    );
    expect(await text(page, '#window')).to.match(/52 s\s+left of 5m00s/);
    expect(await text(page, '#figures')).to.contain('! 17 missed');
    expect(await text(page, '#figures')).to.match(
      /Written by\s+transactions\s+! the peer port .*connection refused \(PEER_PORT\)/,
    );
    expect(await text(page, '#said')).to.equal('catching up, trouble: NO_SPACE');
  });

  it('a night: the step, the running frozen time, the fence, who has moved', async () => {
    const { page } = await look(views.switching);
    expect(await page.title()).to.equal('→ [8/10] switch: cutover');
    expect(await text(page, '[aria-current=step]')).to.match(
      /switch.*38\.9 s.*waits for: the lists/s,
    );
    const first = await text(page, '#frozen .big');
    expect(first).to.match(/^(\d+\.\d s|\d+m\d\ds)$/);
    while ((await text(page, '#frozen .big')) === first) await page.waitForTimeout(50);
    expect(await text(page, '#fence')).to.match(
      /1,000,482\s+the margin is 1,000,000\s+target 49214079/,
    );
    expect(await text(page, '#apiservers')).to.contain('1 of 3 moved');
    expect(await text(page, '#aborted')).to.contain('etcd-lockstep rollback goes back');
  });

  it('what is in a view stays text, whatever it looks like', async () => {
    const evil = '<img src=x onerror="document.title=1"><script>document.title=2</script>';
    const { page, complaints } = await look(() => ({
      ...views.doneWithAlarms(),
      ...{ sentence: evil, prefixes: [evil], state: evil },
      trouble: { code: 'IO', message: evil, hint: evil, since: views.inLockstep().startedAt },
      events: [{ at: views.inLockstep().startedAt, level: 'error', text: evil }],
      next: { text: evil, command: evil },
      progress: { share: 0.5, text: evil },
    }));
    for (const id of ['prefixes', 'trouble', 'log', 'next', 'progress', 'chips'])
      expect(await text(page, `#${id}`), id).to.contain(evil);
    expect(await page.locator('main img, main script').count()).to.equal(0);
    expect(await page.title()).to.contain(evil);
    expect(complaints).to.deep.equal([]);
  });

  it('without the process it is dimmed, says since when, and nothing runs on; it comes back', async () => {
    const { page } = await look(views.switching);
    const [first] = listeners.splice(0);
    const port = Number(new URL(page.url()).port);
    await first?.close();
    await shows(
      page,
      'body[data-contact=lost] #contact-text',
      /No contact for \d s \(the connection is lost\)/,
    );
    expect(await page.title()).to.equal('? no contact: cutover');
    const frozen = await text(page, '#frozen .big');
    await page.waitForTimeout(500);
    expect(await text(page, '#frozen .big')).to.equal(frozen);
    await listen(views.doneWithAlarms, port);
    await shows(page, 'body[data-contact=live] #sentence', 'Cut over; 2 alarms');
  });

  it('views that are not new are no sign of life, though they come each second', async () => {
    const made = views.inLockstep();
    const { page } = await look(() => made);
    await shows(page, 'body[data-contact=lost] #contact-text', /connected, but nothing new comes/);
  });

  it('nor are views that come each second, and late', async () => {
    let late = 0;
    const { page } = await look(() => ({
      ...views.inLockstep(),
      at: new Date(Date.now() - (late += 900)).toISOString(),
    }));
    await shows(page, 'body[data-contact=lost] #contact-text', /\(what comes is old\)/);
  });

  it('nor is what somebody else answers', async () => {
    const { page } = await look(views.inLockstep);
    const [first] = listeners.splice(0);
    const { port } = new URL(page.url());
    await first?.close();
    const other = createServer((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      setInterval(
        () => response.write('event: view\ndata: {"state":"in lockstep"}\n\n'),
        100,
      ).unref();
    }).listen(Number(port), '127.0.0.1');
    servers.push(other);
    await once(other, 'listening');
    await shows(page, 'body[data-contact=lost] #contact-text', /is not etcd-lockstep/);
    other.closeAllConnections();
  });

  it('a real follower, from its first contact to its end', async () => {
    const stage = await Stage.start();
    await stage.put(`${PODS}a`);
    const { journal, base } = await stage.seed();
    const target = await stage.etcd(base);
    const follower = new Running([...stage.followArgs(journal, target.endpoint), '--listen', ':0']);
    const said = (): string | undefined => /listening: (http:[^"\s]+)/.exec(follower.stderr)?.[1];
    await follower.until(() => said() !== undefined);
    const { page, complaints } = await open(browser, said() ?? '');
    await shows(page, '.state', '✓ in lockstep');
    const there = await stage.put(`${PODS}<b>`);
    await shows(page, '#figures', new RegExp(`Target head.*${there}`, 's'));
    await shows(page, '#plots figure', 'Journal');
    follower.signal('SIGTERM');
    expect((await follower.ended).code).to.equal(0);
    await shows(page, 'body[data-contact=lost] #sentence', /./);
    // That nobody answers any more the browser says, too.
    expect(complaints.filter((text) => !text.includes('ERR_CONNECTION_REFUSED'))).to.deep.equal([]);
    await stage.end();
  });

  it('pictures for the README', async function () {
    if (process.env['PICTURES'] === undefined) this.skip();
    for (const [name, view, size] of [
      ['page', views.inLockstep, { width: 1280, height: 860 }],
      ['page-night', views.switching, { width: 1280, height: 620 }],
    ] as const) {
      const { page } = await look(view, size);
      if (view === views.inLockstep)
        await page.route('**/samples.json', (route) => route.fulfill({ json: samples() }));
      await page.reload();
      await shows(page, '#contact-text', /^Live/);
      await page.waitForTimeout(1500);
      writeFileSync(`docs/pictures/${name}.png`, withPalette(await page.screenshot()));
    }
  });
});
