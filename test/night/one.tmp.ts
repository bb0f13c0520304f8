import { Night } from './night.js';
const n = new Night({ before: [], commands: ['cutover','cutover'], writes: 'always' }, [{"step":6,"what":{"kind":"switch","to":1}},{"step":16,"what":{"kind":"interrupt"}}] as never);
await n.play(); console.log(n.violations); console.log(n.trace.filter((l) => !/raise|R1/.test(l)).join('\n')); process.exit(0);
