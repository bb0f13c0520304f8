/** Follows until it is killed: `node --import=tsx follow-child.ts JOURNAL SOURCE TARGET`. */
import { follow } from './following.js';

const [journal = '', source = '', target = ''] = process.argv.slice(2);

await follow(
  { journal, source, target },
  {
    until: { kind: 'signal' },
    signal: new AbortController().signal,
    onNote: (note) => {
      console.log(note);
    },
  },
);
