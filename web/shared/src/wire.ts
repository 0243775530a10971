// Protobuf's binary form and its canonical JSON form of the messages in a schema table, and nothing more: a general
// protobuf library is twice the size of the whole widget. A message is a plain object in the shape that protobuf-es
// gives it: 64-bit numbers are bigint, a oneof is {case, value}, what is left out is its default.

export interface Field {
  readonly number: number;
  readonly name: string;
  /** Name in the schema where it is another; JSON may use either. */
  readonly proto?: string;
  readonly type:
    | 'string'
    | 'bytes'
    | 'bool'
    | 'uint32'
    | 'uint64'
    | 'int64'
    | 'fixed64'
    | 'enum'
    | 'message';
  /** The message's or enumeration's name. */
  readonly of?: string;
  readonly repeated?: true;
  /** Present or not, whatever its value. */
  readonly optional?: true;
  readonly oneof?: string;
}

export interface Schema {
  readonly messages: Readonly<Record<string, readonly Field[]>>;
  readonly enums: Readonly<Record<string, Readonly<Record<number, string>>>>;
}

export type Message = Record<string, unknown>;

/** The input is no such message. */
export class WireError extends Error {}

/** Deeper than any frame; keeps hostile input from using up the stack. */
const depthMax = 32;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const toUtf8 = new TextEncoder();

function fieldsOf(schema: Schema, type: string | undefined): readonly Field[] {
  const fields = schema.messages[type ?? ''];
  if (fields === undefined) {
    throw new WireError(`no such message: ${type ?? ''}`);
  }
  return fields;
}

/** What a field holds in a message; undefined: nothing that is written. */
function valueOf(message: Message, field: Field): unknown {
  if (field.oneof !== undefined) {
    const chosen = message[field.oneof] as { case?: string; value?: unknown } | undefined;
    return chosen?.case === field.name ? chosen.value : undefined;
  }
  const value = message[field.name];
  const present = field.optional === true || field.type === 'message' || field.repeated === true;
  return present || !isDefault(value) ? value : undefined;
}

function isDefault(value: unknown): boolean {
  return (
    value === undefined ||
    value === 0 ||
    value === 0n ||
    value === '' ||
    value === false ||
    (value instanceof Uint8Array && value.length === 0)
  );
}

function place(message: Message, field: Field, value: unknown): void {
  if (field.oneof !== undefined) {
    message[field.oneof] = { case: field.name, value };
  } else if (field.repeated === true) {
    (message[field.name] as unknown[]).push(value);
  } else {
    message[field.name] = value;
  }
}

/** A message with every default in place. */
function blank(fields: readonly Field[]): Message {
  const message: Message = {};
  for (const { name, type, oneof, repeated, optional } of fields) {
    if (oneof !== undefined) {
      message[oneof] ??= { case: undefined };
    } else if (repeated === true) {
      message[name] = [];
    } else if (type === 'message' || optional === true) {
      message[name] = undefined;
    } else {
      message[name] = defaults[type];
    }
  }
  return message;
}

const defaults: Readonly<Record<Exclude<Field['type'], 'message'>, unknown>> = {
  string: '',
  bytes: new Uint8Array(0),
  bool: false,
  uint32: 0,
  uint64: 0n,
  int64: 0n,
  fixed64: 0n,
  enum: 0,
};

// -- binary --------------------------------------------------------------------------------------------------

/** Fields are written in the order of their numbers, as every protobuf library does. */
export function toBinary(schema: Schema, type: string, message: Message): Uint8Array {
  const out: number[] = [];
  writeMessage(schema, type, message, out);
  return Uint8Array.from(out);
}

function writeMessage(schema: Schema, type: string | undefined, message: Message, out: number[]): void {
  for (const field of fieldsOf(schema, type)) {
    const value = valueOf(message, field);
    if (value !== undefined) {
      for (const one of field.repeated === true ? (value as unknown[]) : [value]) {
        writeField(schema, field, one, out);
      }
    }
  }
}

function writeField(schema: Schema, field: Field, value: unknown, out: number[]): void {
  const tag = (wireType: number) => {
    writeVarint(BigInt(field.number * 8 + wireType), out);
  };
  switch (field.type) {
    case 'bool':
      tag(0);
      out.push(value === true ? 1 : 0);
      return;
    case 'uint32':
    case 'enum':
      tag(0);
      return writeVarint(BigInt(value as number), out);
    case 'uint64':
    case 'int64':
      tag(0);
      return writeVarint(BigInt.asUintN(64, value as bigint), out);
    case 'fixed64':
      tag(1);
      for (let shift = 0n; shift < 64n; shift += 8n) {
        out.push(Number(((value as bigint) >> shift) & 0xffn));
      }
      return;
    case 'string':
    case 'bytes':
    case 'message': {
      tag(2);
      let bytes: ArrayLike<number> & Iterable<number>;
      if (field.type === 'message') {
        const inner: number[] = [];
        writeMessage(schema, field.of, value as Message, inner);
        bytes = inner;
      } else {
        bytes = field.type === 'string' ? toUtf8.encode(value as string) : (value as Uint8Array);
      }
      writeVarint(BigInt(bytes.length), out);
      for (const byte of bytes) {
        out.push(byte);
      }
      return;
    }
  }
}

function writeVarint(value: bigint, out: number[]): void {
  let rest = value;
  while (rest > 0x7fn) {
    out.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  out.push(Number(rest));
}

export function fromBinary(schema: Schema, type: string, bytes: Uint8Array): Message {
  const fields = fieldsOf(schema, type);
  const message = blank(fields);
  readMessage(schema, fields, message, { bytes, at: 0, end: bytes.length }, 0);
  return message;
}

interface Cursor {
  readonly bytes: Uint8Array;
  at: number;
  readonly end: number;
}

function readMessage(
  schema: Schema,
  fields: readonly Field[],
  message: Message,
  from: Cursor,
  depth: number,
): void {
  if (depth > depthMax) {
    throw new WireError('too deep');
  }
  while (from.at < from.end) {
    const tag = Number(readVarint(from) & 0xffff_ffffn);
    const number = tag >>> 3;
    const wireType = tag & 7;
    const field = fields.find((candidate) => candidate.number === number);
    if (number === 0) {
      throw new WireError('a field with number 0');
    }
    if (field === undefined || wireType !== wireTypeOf(field)) {
      skip(from, wireType);
    } else if (field.type === 'message') {
      const inner = fieldsOf(schema, field.of);
      // A second piece of one message adds to the first.
      const held = field.repeated === true ? undefined : (valueOf(message, field) as Message | undefined);
      const target = held ?? blank(inner);
      readMessage(schema, inner, target, slice(from), depth + 1);
      if (held === undefined) {
        place(message, field, target);
      }
    } else {
      place(message, field, readScalar(field, from));
    }
  }
}

function wireTypeOf({ type }: Field): number {
  return type === 'fixed64' ? 1 : type === 'string' || type === 'bytes' || type === 'message' ? 2 : 0;
}

function readScalar(field: Field, from: Cursor): unknown {
  switch (field.type) {
    case 'bool':
      return readVarint(from) !== 0n;
    case 'uint32':
      return Number(BigInt.asUintN(32, readVarint(from)));
    case 'enum':
      return Number(BigInt.asIntN(32, readVarint(from)));
    case 'uint64':
      return readVarint(from);
    case 'int64':
      return BigInt.asIntN(64, readVarint(from));
    case 'fixed64': {
      const { bytes, at } = take(from, 8);
      return new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(at, true);
    }
    case 'string': {
      const { bytes, at, end } = slice(from);
      try {
        return utf8.decode(bytes.subarray(at, end));
      } catch {
        throw new WireError('text that is not UTF-8');
      }
    }
    case 'bytes': {
      const { bytes, at, end } = slice(from);
      return bytes.slice(at, end);
    }
    case 'message':
      throw new WireError('not a scalar');
  }
}

function readVarint(from: Cursor): bigint {
  let value = 0n;
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const byte = from.at < from.end ? from.bytes[from.at] : undefined;
    if (byte === undefined) {
      throw new WireError('cut off');
    }
    ++from.at;
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) {
      return BigInt.asUintN(64, value);
    }
  }
  throw new WireError('a number without an end');
}

/** The next bytes as a part of their own; moves past them. */
function take(from: Cursor, length: number): Cursor {
  const { at } = from;
  if (length > from.end - at) {
    throw new WireError('cut off');
  }
  from.at += length;
  return { bytes: from.bytes, at, end: at + length };
}

function slice(from: Cursor): Cursor {
  const length = readVarint(from);
  return take(from, length > BigInt(from.end) ? Infinity : Number(length));
}

function skip(from: Cursor, wireType: number): void {
  switch (wireType) {
    case 0:
      readVarint(from);
      return;
    case 1:
      take(from, 8);
      return;
    case 2:
      slice(from);
      return;
    case 5:
      take(from, 4);
      return;
    default:
      throw new WireError('a wire type of no use');
  }
}

// -- JSON ----------------------------------------------------------------------------------------------------

export function toJson(schema: Schema, type: string, message: Message): Message {
  const made: Message = {};
  for (const field of fieldsOf(schema, type)) {
    const value = valueOf(message, field);
    if (field.repeated === true && Array.isArray(value)) {
      if (value.length > 0) {
        made[field.name] = value.map((one) => jsonOf(schema, field, one));
      }
    } else if (value !== undefined) {
      made[field.name] = jsonOf(schema, field, value);
    }
  }
  return made;
}

function jsonOf(schema: Schema, field: Field, value: unknown): unknown {
  switch (field.type) {
    case 'string':
    case 'bool':
    case 'uint32':
      return value;
    case 'uint64':
    case 'int64':
    case 'fixed64':
      return (value as bigint).toString();
    case 'bytes':
      return btoa(String.fromCharCode(...(value as Uint8Array)));
    case 'enum':
      return schema.enums[field.of ?? '']?.[value as number] ?? value;
    case 'message':
      return toJson(schema, field.of ?? '', value as Message);
  }
}

export function fromJson(schema: Schema, type: string, json: unknown, depth = 0): Message {
  if (typeof json !== 'object' || json === null || Array.isArray(json) || depth > depthMax) {
    throw new WireError(`not a ${type}`);
  }
  const fields = fieldsOf(schema, type);
  const message = blank(fields);
  for (const [name, value] of Object.entries(json)) {
    const field = fields.find((candidate) => candidate.name === name || candidate.proto === name);
    if (field === undefined || value === null) {
      continue; // of a later schema, or left out in so many words
    }
    if (field.repeated === true && !Array.isArray(value)) {
      throw new WireError(`${name} is a list`);
    }
    for (const one of field.repeated === true ? (value as unknown[]) : [value as unknown]) {
      place(message, field, fromJsonValue(schema, field, one, depth));
    }
  }
  return message;
}

function fromJsonValue(schema: Schema, field: Field, value: unknown, depth: number): unknown {
  const wrong = new WireError(`${field.name} is not ${field.type}`);
  switch (field.type) {
    case 'string':
    case 'bool':
      if (typeof value !== (field.type === 'bool' ? 'boolean' : 'string')) {
        throw wrong;
      }
      return value;
    case 'uint32':
      return Number(integer(value, 0n, 0xffff_ffffn, wrong));
    case 'uint64':
    case 'fixed64':
      return integer(value, 0n, 0xffff_ffff_ffff_ffffn, wrong);
    case 'int64':
      return integer(value, -0x8000_0000_0000_0000n, 0x7fff_ffff_ffff_ffffn, wrong);
    case 'bytes':
      return fromBase64(value, wrong);
    case 'enum': {
      if (typeof value === 'number') {
        return Number(integer(value, -0x8000_0000n, 0x7fff_ffffn, wrong));
      }
      const names = Object.entries(schema.enums[field.of ?? ''] ?? {});
      // A name of a later schema is as good as none.
      return Number(names.find(([, name]) => name === value)?.[0] ?? 0);
    }
    case 'message':
      return fromJson(schema, field.of ?? '', value, depth + 1);
  }
}

function integer(value: unknown, least: bigint, most: bigint, wrong: WireError): bigint {
  const whole = typeof value === 'number' ? Number.isInteger(value) : typeof value === 'string' && /^-?\d+$/.test(value);
  const number = whole ? BigInt(value as string | number) : least - 1n;
  if (number < least || number > most) {
    throw wrong;
  }
  return number;
}

/** Of either alphabet, padded or not. */
function fromBase64(value: unknown, wrong: WireError): Uint8Array {
  if (typeof value !== 'string' || !/^[\w+/-]*={0,2}$/.test(value)) {
    throw wrong;
  }
  try {
    return Uint8Array.from(atob(value.replace(/-/g, '+').replace(/_/g, '/').replace(/=/g, '')), (one) =>
      one.charCodeAt(0),
    );
  } catch {
    throw wrong;
  }
}
