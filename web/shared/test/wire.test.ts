// The table codec against a full protobuf library, on messages of every shape, and against hostile input.
import { fromBinary as otherFromBinary, fromJson as otherFromJson, toBinary as otherToBinary, toJson as otherToJson, type JsonValue } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';

import { decodeServer, encodeServer, FrameError } from '../src/codec.js';
import { ClientFrameSchema, ServerFrameSchema } from '../src/gen/frames_pb.js';
import { schema } from '../src/gen/schema.js';
import { fromBinary, fromJson, toBinary, toJson, WireError, type Field, type Message } from '../src/wire.js';
import { Random } from './model/random.js';

const texts = ['', 'a', 'Grüße 你好 🙂', '\u0000', '"\\\n', 'x'.repeat(200)];

function scalar(field: Field, random: Random): unknown {
  const wide = () => BigInt.asUintN(64, BigInt(random.next()) << BigInt(random.below(33))) | BigInt(random.below(3));
  switch (field.type) {
    case 'string':
      return random.pick(texts) ?? '';
    case 'bytes':
      return Uint8Array.from({ length: random.below(20) }, () => random.below(256));
    case 'bool':
      return random.chance(0.5);
    case 'uint32':
      return random.chance(0.5) ? random.below(4) : random.next();
    case 'uint64':
    case 'fixed64':
      return wide();
    case 'int64':
      return BigInt.asIntN(64, random.chance(0.3) ? -wide() : wide());
    case 'enum':
      return random.below(4);
    case 'message':
      return undefined;
  }
}

function anyMessage(type: string, random: Random, depth: number): Message {
  const message: Message = {};
  const value = (field: Field) =>
    field.type === 'message' ? anyMessage(field.of ?? '', random, depth + 1) : scalar(field, random);
  const fields = schema.messages[type] ?? [];
  const oneofs = new Set(fields.flatMap(({ oneof }) => (oneof === undefined ? [] : [oneof])));
  for (const oneof of oneofs) {
    const chosen = random.pick(fields.filter((field) => field.oneof === oneof));
    if (chosen !== undefined && (depth === 0 || random.chance(0.9))) {
      message[oneof] = { case: chosen.name, value: value(chosen) };
    }
  }
  for (const field of fields) {
    if (field.oneof === undefined && random.chance(0.8)) {
      message[field.name] =
        field.repeated === true ? Array.from({ length: random.below(4) }, () => value(field)) : value(field);
    }
  }
  return message;
}

describe('the table codec', () => {
  it.each([
    ['ClientFrame', ClientFrameSchema],
    ['ServerFrame', ServerFrameSchema],
  ] as const)('writes and reads every %s as a protobuf library does', (type, other) => {
    const random = new Random(20);
    for (let round = 0; round < 1_000; ++round) {
      const message = anyMessage(type, random, 0);
      const bytes = toBinary(schema, type, message);
      const theirs = otherFromBinary(other, bytes);
      const json = toJson(schema, type, message);
      expect(JSON.stringify(json)).toBe(JSON.stringify(otherToJson(other, theirs)));
      const copies = [
        otherToBinary(other, theirs),
        otherToBinary(other, otherFromJson(other, json as JsonValue)),
        toBinary(schema, type, fromBinary(schema, type, bytes)),
        toBinary(schema, type, fromJson(schema, type, json)),
      ];
      expect(copies.map((copy) => Buffer.from(copy).equals(bytes))).toEqual([true, true, true, true]);
    }
  });

  it('reads the pieces of a split message as one', () => {
    const half = (text: string) => Buffer.from(text, 'hex');
    // ServerFrame{refuse{retry_after_ms 5}} and then refuse{reason{code "x"}}
    const bytes = Buffer.concat([half('1a023005'), half('1a052a030a0178')]);
    expect(decodeServer(bytes)).toMatchObject({ kind: 'refuse', retryAfterMs: 5, reason: { code: 'x' } });
  });

  it('passes over fields and kinds of a later schema', () => {
    const pong = encodeServer({ kind: 'pong', nonce: 7 }, 'proto') as Uint8Array;
    // field 500: a varint, 8 bytes, a text, 4 bytes
    const later = Buffer.from('a01f96 01a11f0102030405060708a21f03616263a51f01020304'.replace(/ /g, ''), 'hex');
    expect(decodeServer(Buffer.concat([later, pong, later]))).toEqual({ kind: 'pong', nonce: 7 });
    expect(decodeServer(later)).toBeNull();
    expect(decodeServer('{"pong":{"nonce":"7","later":[1]},"alsoLater":{}}')).toEqual({ kind: 'pong', nonce: 7 });
    expect(decodeServer('{"later":{}}')).toBeNull();
    expect(decodeServer('{"event":{"kind":"LATER"}}')).toMatchObject({ kind: 'event', event: 'unknown' });
  });

  it('reads the names of the schema in JSON as well', () => {
    expect(decodeServer('{"go_away":{"reconnect_after_ms":9}}')).toEqual({ kind: 'goAway', reconnectAfterMs: 9 });
  });

  it.each([
    ['a message that is cut off', Buffer.from('2a05', 'hex')],
    ['a length beyond everything', Buffer.from('2affffffffffffffffff01', 'hex')],
    ['a number without an end', Buffer.from('8201ffffffffffffffffffffff01', 'hex')],
    ['field number 0', Buffer.from('0000', 'hex')],
    ['a group', Buffer.from('0b', 'hex')],
    ['text that is not UTF-8', Buffer.from('6a060a040a02c328', 'hex')],
    ['text that is not JSON', '{'],
    ['JSON that is no object', '[]'],
    ['a number where a text belongs', '{"welcome":{"name":5}}'],
    ['a fraction', '{"pong":{"nonce":1.5}}'],
    ['a number out of range', '{"goAway":{"reconnectAfterMs":4294967296}}'],
    ['bytes that are not base64', '{"resync":{"conversation":"***"}}'],
    ['one thing where a list belongs', '{"welcome":{"conversations":"AA=="}}'],
  ])('refuses %s', (_, input) => {
    expect(() => decodeServer(input)).toThrow(FrameError);
  });

  it('refuses ids of a wrong length', () => {
    expect(() => decodeServer('{"resync":{"conversation":"AAAA"}}')).toThrow('an id of 3 bytes');
  });

  it('fails on random bytes with an error of its own, never otherwise', () => {
    const random = new Random(3);
    for (let round = 0; round < 20_000; ++round) {
      const bytes = Uint8Array.from({ length: random.below(40) }, () => random.below(256));
      try {
        fromBinary(schema, 'ServerFrame', bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(WireError);
      }
    }
  });
});
