/**
 * mvccpb.KeyValue as bytes.
 *
 * The same message is what Range and Watch send and what the `key` bucket stores as a row's value,
 * byte for byte (etcd writes fields in order and leaves zeros out). So records travel from source
 * to base as the bytes that came in, and only the fields that a stage needs are looked at. Decoding
 * every message into an object and encoding it again was the alternative: slower, and one more
 * place where a byte could change.
 *
 * Fields: 1 key, 2 create_revision, 3 mod_revision, 4 version, 5 value, 6 lease.
 */
import protobuf from 'protobufjs/minimal.js';
import Long from 'long';
import { LockstepError } from '../errors.js';
import { safeRevision, type Revision } from './revision.js';

/** One key at one revision. `key` and `value` are views into the bytes they were read from. */
export interface KeyValue {
  key: Buffer;
  createRevision: Revision;
  modRevision: Revision;
  /** Number of puts since the key was created; 0 in a deletion. */
  version: number;
  value: Buffer;
  /** 64 bits, signed as etcd has it; 0n where there is no lease. */
  lease: bigint;
}

const EMPTY = Buffer.alloc(0);

/**
 * Reads a KeyValue message.
 * @throws LockstepError ETCD for bytes that are no such message.
 */
export function parseKeyValue(bytes: Uint8Array): KeyValue {
  const kv: KeyValue = {
    key: EMPTY,
    createRevision: 0,
    modRevision: 0,
    version: 0,
    value: EMPTY,
    lease: 0n,
  };
  try {
    const reader = protobuf.Reader.create(bytes);
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      switch (tag) {
        case 0x0a:
          kv.key = view(reader.bytes());
          break;
        case 0x10:
          kv.createRevision = safeRevision(reader.int64());
          break;
        case 0x18:
          kv.modRevision = safeRevision(reader.int64());
          break;
        case 0x20:
          kv.version = safeRevision(reader.int64());
          break;
        case 0x2a:
          kv.value = view(reader.bytes());
          break;
        case 0x30:
          kv.lease = toBigInt(reader.int64());
          break;
        default:
          reader.skipType(tag & 7);
      }
    }
  } catch (cause) {
    throw invalid(cause);
  }
  return kv;
}

/**
 * The lease alone, for who looks at every row and needs nothing else of it; 0n where there is none.
 * @throws as {@link parseKeyValue}
 */
export function leaseOf(bytes: Uint8Array): bigint {
  return toBigInt(numberIn(bytes, 0x30));
}

/** Likewise the revision of the last change; 0 in a deletion. */
export function modRevisionOf(bytes: Uint8Array): Revision {
  return safeRevision(numberIn(bytes, 0x18));
}

/** Likewise the number of puts since the key was created; 0 in a deletion. */
export function versionOf(bytes: Uint8Array): number {
  return safeRevision(numberIn(bytes, 0x20));
}

/**
 * Likewise the revision of the last change and the size of the value, in one walk and without a view of
 * anything: for who only counts.
 */
export function measured(bytes: Uint8Array): { modRevision: Revision; valueBytes: number } {
  const found = { modRevision: 0, valueBytes: 0 };
  try {
    const reader = protobuf.Reader.create(bytes);
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      if (tag === 0x18) found.modRevision = safeRevision(reader.int64());
      else if (tag === 0x2a) {
        found.valueBytes = reader.uint32();
        reader.skip(found.valueBytes);
      } else reader.skipType(tag & 7);
    }
  } catch (cause) {
    throw invalid(cause);
  }
  return found;
}

/**
 * A field that is a number. Tags and lengths are read by hand: it is asked of each row of a base, and a reader
 * made for each takes four times as long.
 */
function numberIn(bytes: Uint8Array, wanted: number): Int64 | number {
  let pos = 0;
  while (pos < bytes.length) {
    const tag = bytes[pos++] ?? 0;
    const kind = tag & 7;
    // What etcd writes has varints and bytes alone.
    if (tag === wanted || tag > 0x7f || (kind !== 0 && kind !== 2))
      return numberAt(bytes, pos - 1, wanted);
    let varint = 0;
    let shift = 1;
    let byte: number;
    do {
      byte = bytes[pos++] ?? 0;
      varint += (byte & 0x7f) * shift;
      shift *= 128;
    } while (byte > 0x7f);
    if (kind === 2) pos += varint;
  }
  if (pos > bytes.length) throw invalid('it breaks off');
  return 0;
}

function numberAt(bytes: Uint8Array, pos: number, wanted: number): Int64 | number {
  try {
    const reader = protobuf.Reader.create(bytes);
    reader.pos = pos;
    while (reader.pos < reader.len) {
      const tag = reader.uint32();
      if (tag === wanted) return reader.int64();
      reader.skipType(tag & 7);
    }
    return 0;
  } catch (cause) {
    throw invalid(cause);
  }
}

function invalid(cause: unknown): LockstepError {
  return new LockstepError('ETCD', 'a row is no valid mvccpb.KeyValue message', { cause });
}

/** Writes a KeyValue message the way etcd does: fields in order, zeros left out. */
export function encodeKeyValue(kv: Partial<KeyValue> & { key: Uint8Array }): Buffer {
  const w = protobuf.Writer.create();
  if (kv.key.length) w.uint32(0x0a).bytes(kv.key);
  if (kv.createRevision) w.uint32(0x10).int64(kv.createRevision);
  if (kv.modRevision) w.uint32(0x18).int64(kv.modRevision);
  if (kv.version) w.uint32(0x20).int64(kv.version);
  if (kv.value?.length) w.uint32(0x2a).bytes(kv.value);
  if (kv.lease) w.uint32(0x30).int64(toLong(kv.lease));
  return view(w.finish());
}

/**
 * The key alone, without reading the rest of the message.
 * @throws as {@link parseKeyValue}
 */
export function keyOf(bytes: Uint8Array): Buffer {
  // etcd writes the key first; anything else takes the long way round.
  if (bytes[0] !== 0x0a) return parseKeyValue(bytes).key;
  const length = bytes[1] ?? 0;
  if (length < 0x80 && length <= bytes.length - 2) return view(bytes.subarray(2, 2 + length));
  try {
    const reader = protobuf.Reader.create(bytes);
    reader.pos = 1;
    return view(reader.bytes());
  } catch (cause) {
    throw invalid(cause);
  }
}

function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A 64-bit field as protobufjs hands it over: two halves, or a number where it had no need of them. */
interface Int64 {
  low: number;
  high: number;
  unsigned: boolean;
}

/** Without loss, signed. */
export function toBigInt(value: Int64 | number): bigint {
  if (typeof value === 'number') return BigInt(value);
  return BigInt.asIntN(64, (BigInt(value.high) << 32n) | BigInt(value.low >>> 0));
}

/** The inverse of {@link toBigInt}. */
export function toLong(value: bigint): Long {
  return Long.fromBigInt(value);
}
