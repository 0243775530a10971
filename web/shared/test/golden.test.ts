// tests/golden/wire holds every frame in both forms; the C++ codec is held to the same files.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { decodeClient, decodeServer, encodeClient, encodeServer } from '../src/codec.js';
import type { ClientFrame, ServerFrame } from '../src/frames.js';

interface Golden {
  readonly direction: 'client' | 'server';
  readonly json: unknown;
  readonly proto_base64: string;
}

const folder = join(__dirname, '..', '..', '..', 'tests', 'golden', 'wire');
const files = readdirSync(folder).filter((name) => name.endsWith('.json'));

function load(name: string): Golden {
  return JSON.parse(readFileSync(join(folder, name), 'utf8')) as Golden;
}

function decode(golden: Golden, input: Uint8Array | string): ClientFrame | ServerFrame | null {
  return golden.direction === 'client' ? decodeClient(input) : decodeServer(input);
}

function encode(golden: Golden, frame: ClientFrame | ServerFrame, form: 'proto' | 'json'): Uint8Array | string {
  return golden.direction === 'client'
    ? encodeClient(frame as ClientFrame, form)
    : encodeServer(frame as ServerFrame, form);
}

describe('golden frames', () => {
  it('has every frame of both directions', () => {
    const kinds = new Set(
      files.map((name) => {
        const golden = load(name);
        return `${golden.direction}:${decode(golden, Buffer.from(golden.proto_base64, 'base64'))?.kind ?? ''}`;
      }),
    );
    expect(kinds.size).toBe(11 + 16);
  });

  it.each(files)('%s reads alike in both forms', (name) => {
    const golden = load(name);
    const binary = decode(golden, Buffer.from(golden.proto_base64, 'base64'));
    const text = decode(golden, JSON.stringify(golden.json));
    expect(binary).not.toBeNull();
    expect(text).toEqual(binary);
  });

  it.each(files)('%s is written byte for byte', (name) => {
    const golden = load(name);
    const frame = decode(golden, JSON.stringify(golden.json));
    if (frame === null) {
      throw new Error('not a frame');
    }
    const bytes = encode(golden, frame, 'proto');
    expect(Buffer.from(bytes as Uint8Array).toString('base64')).toBe(golden.proto_base64);
    expect(JSON.parse(encode(golden, frame, 'json') as string)).toEqual(golden.json);
  });
});
