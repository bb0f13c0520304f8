/** Follows until it is killed: `node --import=tsx follow-child.ts JOURNAL SOURCE TARGET [PEER]`. */
import { follow } from './following.js';

const [journal = '', source = '', target = '', peers] = process.argv.slice(2);

await follow(
  { journal, source, target, peers },
  {
    until: { kind: 'signal' },
    signal: new AbortController().signal,
    onNote: (note) => {
      console.log(note);
    },
  },
);
