/** The messages as bytes, against protobufjs's own codec built from the schema at run time. */
import { expect } from 'chai';
import fc from 'fast-check';
import Long from 'long';
import protobuf from 'protobufjs';
import { LockstepError } from '../../src/errors.js';
import {
  encodeKeyValue,
  keyOf,
  leaseOf,
  modRevisionOf,
  parseKeyValue,
  toBigInt,
  toLong,
  versionOf,
  type KeyValue,
} from '../../src/mvcc/keyvalue.js';

/** etcd's api/mvccpb/kv.proto. */
const SCHEMA = `syntax = "proto3";
message KeyValue {
  bytes key = 1; int64 create_revision = 2; int64 mod_revision = 3;
  int64 version = 4; bytes value = 5; int64 lease = 6;
}`;
const KeyValueType = protobuf.parse(SCHEMA).root.lookupType('KeyValue');

const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array));
const keyValue: fc.Arbitrary<KeyValue> = fc.record({
  key: bytes,
  createRevision: fc.maxSafeNat(),
  modRevision: fc.maxSafeNat(),
  version: fc.maxSafeNat(),
  value: bytes,
  lease: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
});

function reference({ key, value, ...numbers }: KeyValue): Buffer {
  // Like etcd, and unlike this codec, zeros are left out.
  const fields: Record<string, Buffer | Long> = {};
  for (const [name, n] of Object.entries(numbers))
    if (n !== 0 && n !== 0n) fields[name] = Long.fromString(n.toString());
  if (key.length > 0) fields['key'] = key;
  if (value.length > 0) fields['value'] = value;
  return Buffer.from(KeyValueType.encode(fields).finish());
}

describe('KeyValue', () => {
  it('is written byte for byte as the schema has it', () => {
    fc.assert(
      fc.property(keyValue, (kv) => {
        expect(encodeKeyValue(kv).toString('hex')).to.equal(reference(kv).toString('hex'));
      }),
    );
  });

  it('comes back as it was', () => {
    fc.assert(
      fc.property(keyValue, (kv) => {
        const read = parseKeyValue(reference(kv));
        expect(read).to.deep.equal(kv);
        expect(keyOf(reference(kv))).to.deep.equal(kv.key);
        expect(leaseOf(reference(kv))).to.equal(kv.lease);
        expect(modRevisionOf(reference(kv))).to.equal(kv.modRevision);
        expect(versionOf(reference(kv))).to.equal(kv.version);
      }),
    );
  });

  it('known bytes, with a lease below zero', () => {
    const hex = '0a0161' + '1002' + '1803' + '2001' + '2a0178' + '30ffffffffffffffffff01';
    const read = parseKeyValue(Buffer.from(hex, 'hex'));
    expect(read).to.deep.include({ createRevision: 2, modRevision: 3, version: 1, lease: -1n });
    expect(read.key.toString() + read.value.toString()).to.equal('ax');
    expect(encodeKeyValue(read).toString('hex')).to.equal(hex);
  });

  it('fields that are not known yet, and another order, are no matter', () => {
    const later = Buffer.from('2a0178' + '7a03010203' + '0a0161' + '1803', 'hex');
    expect(parseKeyValue(later)).to.deep.include({ modRevision: 3, version: 0 });
    expect(keyOf(later).toString()).to.equal('a');
  });

  it('views, not copies: a row in memory is there once', () => {
    const row = encodeKeyValue({ key: Buffer.from('a'), value: Buffer.from('xyz') });
    expect(parseKeyValue(row).value.buffer).to.equal(row.buffer);
  });

  it('bytes that are no message are an error of ours, never another', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (noise) => {
        try {
          parseKeyValue(noise);
        } catch (error) {
          expect(error).to.be.instanceOf(LockstepError);
        }
      }),
      { numRuns: 1000 },
    );
    expect(() => parseKeyValue(Buffer.from('0aff', 'hex'))).to.throw(LockstepError);
  });

  it('64 bits go through a Long without loss', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (n) => {
        expect(toBigInt(toLong(n))).to.equal(n);
      }),
    );
    expect(toBigInt(5)).to.equal(5n);
    expect(toBigInt({ low: -1, high: -1, unsigned: true })).to.equal(-1n);
  });
});
