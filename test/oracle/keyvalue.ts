/** mvccpb.KeyValue, decoded without src/mvcc: the oracle must not share the mistakes of what it judges. */
import protobuf from 'protobufjs/minimal.js';

export interface DecodedKeyValue {
  key: Buffer;
  create: number;
  mod: number;
  version: number;
  value: Buffer;
  lease: bigint;
}

/** etcd's field numbers, in the order in which it writes them. */
const NAMES = ['', 'key', 'create', 'mod', 'version', 'value', 'lease'] as const;

/** Strict: an unknown field, or one out of order, throws. */
export function decodeKeyValue(bytes: Buffer): DecodedKeyValue {
  const fields = new Map<string, Buffer | bigint>();
  const reader = protobuf.Reader.create(bytes);
  let before = 0;
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    const field = tag >>> 3;
    const name = NAMES[field];
    if (!name || field <= before) throw new Error(`field ${field} after ${before} in a KeyValue`);
    before = field;
    fields.set(name, (tag & 7) === 2 ? Buffer.from(reader.bytes()) : varint(reader));
  }
  const buffer = (name: string) => Buffer.from((fields.get(name) as Buffer | undefined) ?? []);
  const int = (name: string) => (fields.get(name) as bigint | undefined) ?? 0n;
  return {
    key: buffer('key'),
    create: Number(int('create')),
    mod: Number(int('mod')),
    version: Number(int('version')),
    value: buffer('value'),
    lease: int('lease'),
  };
}

function varint(reader: protobuf.Reader): bigint {
  let value = 0n;
  for (let shift = 0n; ; shift += 7n) {
    const byte = reader.buf[reader.pos++]!;
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return BigInt.asIntN(64, value);
  }
}
