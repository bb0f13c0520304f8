/**
 * The script of a page: it filters the differences, and shows its controls only where it runs. All that a
 * report says can be read without it; on paper all differences are there, whatever is filtered.
 *
 * It stands here as text and not as a function: what a compiler makes of a function depends on the
 * compiler, and a page must come out the same, byte for byte (document.ts).
 */
export const FILTER_SCRIPT = `
'use strict';
(() => {
  const search = document.getElementById('search');
  const list = document.getElementById('found');
  if (!search || !list) return;
  const [text, kind, field] = search.querySelectorAll('input, select');
  const shown = search.querySelector('output');
  const all = [...list.tBodies].map((body) => ({
    body,
    key: body.querySelector('code').textContent.toLowerCase(),
    kind: body.dataset.kind,
    fields: body.dataset.fields.split(' '),
  }));
  const apply = () => {
    const part = text.value.toLowerCase();
    let count = 0;
    for (const one of all) {
      const fits =
        one.key.includes(part) &&
        (kind.value === '' || one.kind === kind.value) &&
        (field.value === '' || one.fields.includes(field.value));
      one.body.hidden = !fits;
      if (fits) count++;
    }
    shown.textContent = count.toLocaleString('en-US') + ' of ' + all.length.toLocaleString('en-US') + ' shown';
  };
  search.addEventListener('input', apply);
  search.hidden = false;
  apply();
})();
`;
