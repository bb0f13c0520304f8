/** A real browser, Debian's chromium: what a page shows, asks for and complains about. */
import { existsSync } from 'node:fs';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';

const CHROMIUM = '/usr/bin/chromium';

/**
 * Skips the test where there is no browser; what lands a change has one.
 * @throws Error in CI
 */
export function needsBrowser(test: Mocha.Context): void {
  if (existsSync(CHROMIUM)) return;
  if (process.env['CI'] === 'true')
    throw new Error(`${CHROMIUM} is missing: apt-get install chromium`);
  process.stderr.write(`      ${CHROMIUM} is missing: nobody looks at the page\n`);
  test.skip();
}

export async function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: CHROMIUM,
    args: ['--no-sandbox', '--disable-background-networking', '--disable-gpu'],
  });
}

/** A page, and what it did that it should not have done. */
export interface Watched {
  page: Page;
  /** Errors, warnings and violations of its content security policy. */
  complaints: string[];
  /** What it asked for, itself apart. */
  requests: string[];
}

export async function open(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<Watched> {
  const page = await (await browser.newContext(options)).newPage();
  const [complaints, requests]: [string[], string[]] = [[], []];
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => {
    if (request.url() !== url && !request.url().startsWith('data:')) requests.push(request.url());
  });
  await page.goto(url);
  return { page, complaints, requests };
}
