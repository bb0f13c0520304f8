/** The page of a night in a real browser: on a screen, on a phone, on paper. */
import { expect } from 'chai';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser } from 'playwright-core';
import { htmlOf } from '../../src/report/document.js';
import type { NightFacts } from '../../src/report/nightfacts.js';
import { launch, needsBrowser, open } from '../rig/browser.js';
import { removeFolder } from '../rig/child.js';
import { BROKEN, CUT_OVER } from './nights.js';

describe('the page of a night, in a browser', () => {
  const dir = mkdtempSync(join(tmpdir(), 'nightpage-'));
  let browser: Browser;
  before(async function () {
    needsBrowser(this);
    browser = await launch();
  });
  after(async () => {
    await (browser as Browser | undefined)?.close();
    removeFolder(dir);
  });

  function page(name: string, facts: NightFacts): string {
    const path = join(dir, `${name}.html`);
    writeFileSync(path, htmlOf(facts));
    return pathToFileURL(path).href;
  }

  for (const [name, facts] of Object.entries({ 'cut over': CUT_OVER, 'broken off': BROKEN }))
    it(`${name}: asks for nothing, complains of nothing, and fits a screen and a phone`, async () => {
      for (const width of [1280, 390]) {
        const viewport = { width, height: 900 };
        const opened = await open(browser, page(name, facts), { viewport });
        const { page: shown, complaints, requests } = opened;
        expect({ complaints, requests }).to.deep.equal({ complaints: [], requests: [] });
        const wide = await shown.evaluate('document.documentElement.scrollWidth');
        expect(wide).to.be.at.most(width);
        // What is not nothing can be seen, also of steps of milliseconds.
        const bars = await shown.locator('rect.step').all();
        expect(bars.length).to.equal(
          facts.steps.filter(({ began }) => began !== null).length - (facts === CUT_OVER ? 3 : 2),
        );
        for (const bar of bars) expect((await bar.boundingBox())?.width).to.be.greaterThan(0.5);
      }
    });

  it('says first what has become of it, and what is to be done before all else', async () => {
    const { page: shown } = await open(browser, page('first', BROKEN));
    expect(await shown.locator('.verdict strong').textContent()).to.equal('FAILED');
    expect(await shown.locator('.verdict').textContent()).to.contain('writes stay frozen');
    expect(await shown.locator('h2').first().textContent()).to.equal('What is left to do');
    expect(await shown.getByText('<b>late</b>').count()).to.equal(1);
  });

  it('on A4 it is some pages', async () => {
    const { page: shown } = await open(browser, page('paper', CUT_OVER));
    const pdf = await shown.pdf({ preferCSSPageSize: true });
    const pages = pdf.toString('latin1').match(/\/Type\s*\/Page\b/g)?.length ?? 0;
    expect(pages).to.be.within(2, 4);
  });
});
