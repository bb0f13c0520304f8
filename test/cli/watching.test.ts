/** Lines of watch where there is no terminal: rates are those of one process, and of a head that is known. */
import { expect } from 'chai';
import { LineWatcher } from '../../src/cli/watching.js';
import type { View } from '../../src/listen/view.js';
import { followed } from '../listen/fixtures.js';

describe('a line of watch', () => {
  /** @returns what each view was told as, in revisions a second */
  function rates(...views: Partial<View>[]): string[] {
    const lines: string[] = [];
    const watcher = new LineWatcher({
      ...{ json: false, lineSeconds: 0, note: () => undefined },
      print: (_object, text) => {
        lines.push(text());
      },
    });
    for (const view of views) watcher.heard({ view: { ...followed(), ...view } });
    return lines.map((line) => /([\d,-]+) rev\/s/.exec(line)?.[1] ?? 'none');
  }
  const at = (seconds: number) => new Date(seconds * 1000).toISOString();

  it('a target that is found at a high revision has not come there in a second', () => {
    const shown = rates(
      { at: at(1), heads: { source: 9_000_000, target: null } },
      { at: at(2), heads: { source: 9_000_000, target: 9_000_000 } },
      { at: at(3), heads: { source: 9_000_005, target: 9_000_005 } },
    );
    expect(shown).to.deep.equal(['none', '0', '5']);
  });

  it('another process begins anew', () => {
    const shown = rates(
      { at: at(1), startedAt: at(0), heads: { source: 9000, target: 9000 } },
      { at: at(2), startedAt: at(2), heads: { source: 70, target: 70 } },
      { at: at(3), startedAt: at(2), heads: { source: 72, target: 72 } },
    );
    expect(shown).to.deep.equal(['0', '0', '2']);
  });
});
