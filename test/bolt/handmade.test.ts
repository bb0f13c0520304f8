/** Files that no writer writes: each kind of damage, and the error that names it. */
import fs from 'node:fs';
import path from 'node:path';
import { expect } from 'chai';
import { BoltFile } from '../../src/bolt/boltreader.js';
import { hasCode } from '../../src/errors.js';
import { damageOf, readBuckets, tempDir, withFile } from './files.js';
import { branch, image, inlineBucket, leaf, rootWith, type PageSpec } from './image.js';

const PAGE = 4096;

describe('bolt reader on files made by hand', () => {
  const file = path.join(tempDir(), 'db');
  const write = (bytes: Buffer) => {
    fs.writeFileSync(file, bytes);
  };

  for (const pageSize of [512, 1024, 16384, 65536]) {
    it(`reads pages of ${pageSize} bytes, also without meta 0`, () => {
      const bytes = image([rootWith(3), leaf([['k', 'v']])], pageSize);
      for (const damage of [0, 1]) {
        bytes[20] = (bytes[20] ?? 0) + damage;
        write(bytes);
        const size = withFile(file, (db) => db.pageSize);
        expect(size).to.equal(pageSize);
        expect(readBuckets(file).get('b')?.map(String)).to.deep.equal(['k,v']);
      }
    });
  }

  it('takes the meta with the higher txid', () => {
    for (const txids of [
      [7, 6],
      [6, 7],
    ]) {
      const bytes = image([rootWith(3), leaf([])], PAGE, txids);
      // The older meta has another root, as after a commit.
      const older = image([leaf([], 1), rootWith(3)], PAGE, txids);
      const at = txids[0] === 7 ? PAGE : 0;
      older.copy(bytes, at, at, at + PAGE);
      write(bytes);
      expect([...readBuckets(file).keys()]).to.deep.equal(['b']);
    }
  });

  it('reads inline buckets', () => {
    write(
      image([
        rootWith(
          inlineBucket(
            leaf([
              ['k', 'v'],
              ['l', ''],
            ]),
          ),
        ),
      ]),
    );
    expect(readBuckets(file).get('b')?.map(String)).to.deep.equal(['k,v', 'l,']);
    expect(withFile(file, (db) => db.bucket('b')?.lastKey()?.toString())).to.equal('l');
  });

  const leafA = leaf([['a', '']]);
  const overlapping = (overflow: number): PageSpec => ({ ...leafA, overflow });
  const longKeys = leaf([
    ['a', ''],
    ['c', ''],
  ]);
  const cases: [what: string, pages: PageSpec[], error: RegExp][] = [
    [
      'a branch that is its own child',
      [rootWith(3), branch([['a', 3]])],
      /page 3: .*more pages than/,
    ],
    [
      'a branch below itself',
      [rootWith(3), branch([['a', 4]]), branch([['a', 3]])],
      /page 3: .*more pages than/,
    ],
    ['a cycle among buckets', [branch([['a', 2]])], /page 2: .*more pages than/],
    [
      'many cycles',
      [
        rootWith(3),
        branch([
          ['a', 3],
          ['b', 3],
          ['c', 3],
        ]),
      ],
      /page 3: /,
    ],
    [
      'a leaf with two parents',
      [
        rootWith(3),
        branch([
          ['a', 4],
          ['b', 4],
        ]),
        leafA,
      ],
      /page 4: .*sep/,
    ],
    ['a branch without children', [rootWith(3), branch([])], /page 3: .*without children/],
    [
      'an empty leaf below a branch',
      [rootWith(3), branch([['a', 4]]), leaf([])],
      /page 4: .*empty/,
    ],
    ['a child that is a meta page', [rootWith(1)], /page 1: .*neither leaf nor branch/],
    ['a child outside the file', [rootWith(3), branch([['a', 99]])], /page 99: is not in the file/],
    ['a child beyond 2^53', [rootWith(3), branch([['a', 2 ** 63]])], /is not in the file/],
    ['overflow outside the file', [rootWith(3), overlapping(1)], /page 3: its overflow/],
    [
      'pages over each other',
      [
        rootWith(3),
        branch(['a', 'b', 'c', 'd'].map((key, i) => [key, 4 + i])),
        ...['a', 'b', 'c', 'd'].map((key, i) => ({ ...leaf([[key, '']]), overflow: 3 - i })),
      ],
      /more pages than the file/,
    ],
    [
      'keys that do not ascend',
      [
        rootWith(3),
        leaf([
          ['b', ''],
          ['a', ''],
        ]),
      ],
      /page 3: key of element 1/,
    ],
    [
      'a key twice',
      [
        rootWith(3),
        leaf([
          ['a', ''],
          ['a', ''],
        ]),
      ],
      /page 3: key of element 1/,
    ],
    [
      'separators that do not ascend',
      [
        rootWith(3),
        branch([
          ['b', 4],
          ['a', 4],
        ]),
      ],
      /page 3: key of/,
    ],
    [
      'a leaf that reaches into the next',
      [
        rootWith(3),
        branch([
          ['a', 4],
          ['c', 4],
        ]),
        longKeys,
      ],
      /page 4: .*right/,
    ],
    ['more elements than fit', [rootWith(3), { ...leafA, count: 0xffff }], /page 3: has no room/],
    ['a bucket among values', [rootWith(3), leaf([['a', '']], 1)], /page 3: element 0 has flags 1/],
    ['a value among buckets', [leaf([['a', '']])], /page 2: element 0 has flags 0/],
    ['a bucket that is too short', [rootWith(Buffer.alloc(8))], /bucket b\): is too short/],
    ['an inline page that is cut', [rootWith(Buffer.alloc(20))], /bucket b\): is too short/],
    ['an inline branch', [rootWith(inlineBucket(branch([['a', 3]])))], /bucket b\): is no leaf/],
    [
      'an inline page with overflow',
      [rootWith(inlineBucket(overlapping(1)))],
      /bucket b\): its header/,
    ],
  ];
  for (const [what, pages, error] of cases) {
    it(`names ${what}`, () => {
      write(image(pages));
      expect(damageOf(file))
        .to.match(/^page /)
        .and.match(error);
    });
  }

  it('descends no further than a sound tree is deep', () => {
    write(image([rootWith(3), branch([['a', 3]])]));
    withFile(file, (db) => {
      const bucket = db.bucket('b')!;
      expect(() => bucket.lastKey()).to.throw(/^page 3: .*32 branches/);
      expect(() => bucket.get(Buffer.from('a'))).to.throw(/^page 3: .*32 branches/);
    });
  });

  it('names a value that runs out of its page', () => {
    for (const field of [4, 8, 12]) {
      const bytes = image([rootWith(3), leaf([['a', 'v']])]);
      bytes.writeUInt32LE(0xffffffff, 3 * PAGE + 16 + field);
      write(bytes);
      expect(damageOf(file)).to.match(/^page 3: element 0 lies outside/);
    }
  });

  it('names elements that lie over the table or each other', () => {
    for (const pos of [0, 15, 16, 18]) {
      const bytes = image([
        rootWith(3),
        leaf([
          ['a', 'vv'],
          ['b', ''],
        ]),
      ]);
      bytes.writeUInt32LE(pos, 3 * PAGE + 32 + 4);
      write(bytes);
      expect(damageOf(file)).to.match(/^page 3: element 1 lies outside/);
    }
  });

  it("keeps the file system's errors apart", () => {
    const { dir } = path.parse(file);
    for (const [where, what] of [
      [path.join(dir, 'none'), 'ENOENT'],
      [dir, 'EISDIR'],
    ] as const) {
      expect(() => BoltFile.open(where))
        .to.throw(what)
        .that.satisfies((e: unknown) => hasCode(e, 'IO') && e.message.includes(where));
    }
  });
});
