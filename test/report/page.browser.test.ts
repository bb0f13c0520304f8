/**
 * The page of a report in a real browser: on a screen, on a phone, on paper. PICTURES=1 makes the picture
 * that the pages of docs/ show.
 */
import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Browser } from 'playwright-core';
import { htmlOf } from '../../src/report/document.js';
import { launch, needsBrowser, open } from '../rig/browser.js';
import { removeFolder } from '../rig/child.js';
import { DIFFERENT, EQUAL, MIRROR, ODD_KEYS } from './facts.js';

const PICTURE = fileURLToPath(new URL('../../docs/pictures/report.png', import.meta.url));

describe('the page of a report, in a browser', () => {
  const dir = mkdtempSync(join(tmpdir(), 'page-'));
  let browser: Browser;
  before(async function () {
    needsBrowser(this);
    browser = await launch();
  });
  after(async () => {
    await (browser as Browser | undefined)?.close();
    removeFolder(dir);
  });

  function page(name: string, facts: Parameters<typeof htmlOf>[0]): string {
    const path = join(dir, `${name}.html`);
    writeFileSync(path, htmlOf(facts));
    return pathToFileURL(path).href;
  }

  it('asks for nothing and complains of nothing, and no key is more than text', async () => {
    for (const [i, facts] of [EQUAL, DIFFERENT, MIRROR].entries()) {
      const { page: shown, complaints, requests } = await open(browser, page(`quiet-${i}`, facts));
      expect({ complaints, requests }).to.deep.equal({ complaints: [], requests: [] });
      const json = await shown.locator('#report').textContent();
      const { facts: carried } = JSON.parse(json ?? '') as { facts: unknown };
      expect(carried).to.deep.equal(facts);
    }
  });

  it('differences are filtered by key, kind and field', async () => {
    const { page: shown, complaints } = await open(browser, page('filter', DIFFERENT));
    const rows = () => shown.locator('#found tbody:visible').count();
    const told = () => shown.locator('#search output').textContent();
    expect([await rows(), await told()]).to.deep.equal([ODD_KEYS.length, '7 of 7 shown']);
    await shown.getByLabel('key contains').fill('ALERT(1)');
    expect([await rows(), await told()]).to.deep.equal([1, '1 of 7 shown']);
    await shown.getByLabel('key contains').fill('');
    await shown.getByLabel('kind').selectOption('missing on target');
    expect(await rows()).to.equal(1);
    await shown.getByLabel('kind').selectOption('all');
    await shown.getByLabel('differs in').selectOption('value');
    expect(await rows()).to.equal(5);
    await shown.getByLabel('differs in').selectOption('lease');
    expect(await rows()).to.equal(0);
    // On paper all are there, whatever is filtered.
    await shown.emulateMedia({ media: 'print' });
    expect(await rows()).to.equal(ODD_KEYS.length);
    expect(complaints).to.deep.equal([]);
  });

  it('without scripts all of it is there, and no controls that do nothing', async () => {
    const { page: shown } = await open(browser, page('bare', DIFFERENT), {
      javaScriptEnabled: false,
    });
    expect(await shown.locator('#found tbody:visible').count()).to.equal(ODD_KEYS.length);
    expect(await shown.locator('#search').isVisible()).to.equal(false);
  });

  it('is no wider than a phone', async () => {
    for (const facts of [EQUAL, DIFFERENT]) {
      const { page: shown } = await open(browser, page('phone', facts), {
        viewport: { width: 390, height: 844 },
      });
      const width = await shown.evaluate('document.documentElement.scrollWidth');
      expect(width).to.be.at.most(390);
    }
  });

  it('on A4: light, a header row on each page, no difference torn apart', async () => {
    const many = Array.from({ length: 80 }, () => DIFFERENT.differences.listed).flat();
    const facts = { ...DIFFERENT, differences: { found: many.length, listed: many } };
    const { page: shown } = await open(browser, page('paper', facts), { colorScheme: 'dark' });
    const pdf = join(dir, 'paper.pdf');
    await shown.pdf({ path: pdf, preferCSSPageSize: true, printBackground: true });
    let text: string;
    try {
      text = execFileSync('pdftotext', ['-layout', pdf, '-']).toString();
      expect(execFileSync('pdfinfo', [pdf]).toString()).to.match(
        /Page size:\s+59[45].* x 84[12].* \(A4\)/,
      );
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      throw error;
    }
    const pages = text.split('\f').slice(0, -1);
    expect(pages.length).to.be.greaterThan(10);
    for (const [i, sheet] of pages.entries()) {
      expect(sheet).to.contain(`${i + 1} / ${pages.length}`);
      if (!sheet.includes('/registry/pods/a/')) continue;
      expect(sheet, `page ${i + 1}`).to.contain('mod_revision');
      expect(sheet.match(/^ *source /gm)?.length).to.equal(sheet.match(/^ *target /gm)?.length);
    }
    await shown.emulateMedia({ media: 'print', colorScheme: 'dark' });
    const background = await shown.evaluate('getComputedStyle(document.body).backgroundColor');
    expect(background).to.equal('rgb(255, 255, 255)');
  });

  it('PICTURES=1: the picture for docs/', async function () {
    if (process.env['PICTURES'] !== '1') this.skip();
    const viewport = { width: 760, height: 640 };
    const { page: shown } = await open(browser, page('picture', EQUAL), { viewport });
    await shown.screenshot({ path: PICTURE });
    expect(statSync(PICTURE).size).to.be.lessThan(80_000);
  });
});
