/** An entity's 16-byte id as 32 lower-case hexadecimal digits; '' where the wire has none (zero). */
export type Id = string;

/** A 64-bit value that may pass 2^53, as 16 lower-case hexadecimal digits; '' is zero. */
export type Word = string;

const digits = '0123456789abcdef';

/**
 * A 64-bit number that a client chooses: a plain number up to 2^53 - 1, beyond it a bigint. This client's own stay
 * below; those of others only pass through.
 */
export type U64 = number | bigint;

export function u64Of(value: bigint): U64 {
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

export function hexOf(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) {
    text += (digits[byte >> 4] ?? '') + (digits[byte & 15] ?? '');
  }
  return text;
}

/** The bytes of an even number of lower-case hexadecimal digits; null for other text. */
export function bytesOf(hex: string): Uint8Array | null {
  if (!/^([0-9a-f]{2})*$/.test(hex)) {
    return null;
  }
  const bytes = new Uint8Array(hex.length / 2);
  for (let index = 0; index < bytes.length; ++index) {
    bytes[index] = parseInt(hex.slice(2 * index, 2 * index + 2), 16);
  }
  return bytes;
}

export function isId(text: string): boolean {
  return /^[0-9a-f]{32}$/.test(text);
}

export function wordOf(value: bigint): Word {
  return value === 0n ? '' : value.toString(16).padStart(16, '0');
}

export function bigintOf(word: Word): bigint {
  return word === '' ? 0n : BigInt('0x' + word);
}

/** How many bytes the text takes on the wire; limits count these, not characters. */
export function utf8Length(text: string): number {
  return new TextEncoder().encode(text).length;
}
