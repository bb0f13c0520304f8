import { launch, open } from '/work/h4/test/rig/browser.ts';
const b = await launch();
for (const width of [1280, 390]) {
  const { page, complaints } = await open(b, 'file:///tmp/h4x/r.html', { viewport: { width, height: 900 } });
  console.log(width, complaints, await page.evaluate('document.documentElement.scrollWidth'));
  await page.screenshot({ path: `/tmp/h4x/r${width}.png`, fullPage: true });
}
await b.close();
