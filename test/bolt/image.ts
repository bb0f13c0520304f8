/** Database files made by hand, for what no writer would write. */
import {
  BUCKET_BYTES,
  ELEMENT_BUCKET,
  ELEMENT_BYTES,
  encodeBucket,
  encodeHeader,
  encodeMeta,
  HEADER_BYTES,
  PAGE_BRANCH,
  PAGE_LEAF,
  PAGE_META,
  writeU64,
} from '../../src/bolt/boltformat.js';

export interface PageSpec {
  flags: number;
  count: number;
  overflow?: number;
  body: Buffer;
}

export function leaf(rows: [key: string, value: string | Buffer][], elementFlags = 0): PageSpec {
  const table = Buffer.alloc(rows.length * ELEMENT_BYTES);
  const data: Buffer[] = [];
  let used = 0;
  rows.forEach(([k, v], i) => {
    const [key, value] = [Buffer.from(k), typeof v === 'string' ? Buffer.from(v) : v];
    const at = i * ELEMENT_BYTES;
    table.writeUInt32LE(elementFlags, at);
    table.writeUInt32LE(table.length - at + used, at + 4);
    table.writeUInt32LE(key.length, at + 8);
    table.writeUInt32LE(value.length, at + 12);
    used += key.length + value.length;
    data.push(key, value);
  });
  return { flags: PAGE_LEAF, count: rows.length, body: Buffer.concat([table, ...data]) };
}

export function branch(children: [key: string, page: number][]): PageSpec {
  const table = Buffer.alloc(children.length * ELEMENT_BYTES);
  let used = 0;
  children.forEach(([key, page], i) => {
    const at = i * ELEMENT_BYTES;
    table.writeUInt32LE(table.length - at + used, at);
    table.writeUInt32LE(key.length, at + 4);
    writeU64(table, page, at + 8);
    used += key.length;
  });
  const keys = children.map(([key]) => Buffer.from(key));
  return { flags: PAGE_BRANCH, count: children.length, body: Buffer.concat([table, ...keys]) };
}

/** A bucket's value with its only page inside. */
export function inlineBucket(page: PageSpec): Buffer {
  return Buffer.concat([Buffer.alloc(BUCKET_BYTES), header(0, page), page.body]);
}

/** A root page with one bucket, `b`, whose root is `page` or which has these bytes for its value. */
export function rootWith(value: number | Buffer): PageSpec {
  return leaf([['b', typeof value === 'number' ? encodeBucket(value) : value]], ELEMENT_BUCKET);
}

/**
 * A whole file. Pages are numbered from 2; the first is the root.
 * @param txids of metas 0 and 1
 */
export function image(pages: PageSpec[], pageSize = 4096, txids = [0, 1]): Buffer {
  const highWater = pages.length + 2;
  const out = Buffer.alloc(highWater * pageSize);
  txids.forEach((txid, page) => {
    const meta = encodeMeta({ pageSize, root: 2, freelist: 2 ** 52, highWater, txid });
    header(page, { flags: PAGE_META, count: 0, body: meta }).copy(out, page * pageSize);
    meta.copy(out, page * pageSize + HEADER_BYTES);
  });
  pages.forEach((page, i) => {
    const at = (i + 2) * pageSize;
    page.body.copy(out, at + header(i + 2, page).copy(out, at));
  });
  return out;
}

function header(id: number, { flags, count, overflow = 0 }: PageSpec): Buffer {
  return encodeHeader({ id, flags, count, overflow });
}
