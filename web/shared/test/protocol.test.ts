// docs/PROTOCOL.md shows real frames and all codes.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

const root = join(__dirname, '..', '..', '..');
const page = readFileSync(join(root, 'docs', 'PROTOCOL.md'), 'utf8');
const examples = [...page.matchAll(/<!-- golden: (\w+) -->\n```json\n([\s\S]*?)```/g)];

describe('docs/PROTOCOL.md', () => {
  it.each(examples.map(([, name, json]) => [name ?? '', json ?? '']))('shows %s as the golden file has it', (name, json) => {
    const golden = JSON.parse(readFileSync(join(root, 'tests', 'golden', 'wire', `${name}.json`), 'utf8')) as {
      readonly json: unknown;
    };
    expect(JSON.parse(json)).toEqual(golden.json);
  });

  it('has no example that is not held to a golden file', () => {
    expect(examples.length).toBe([...page.matchAll(/```json/g)].length);
  });

  it('lists every error code of the server', () => {
    const header = readFileSync(join(root, 'domain', 'result.hpp'), 'utf8');
    const codes = [...(/enum class errc[^{]*\{([\s\S]*?)\};/.exec(header)?.[1] ?? '').matchAll(/^ {2}(\w+)[ =,]/gm)];
    expect(codes.length).toBeGreaterThan(20);
    for (const [, code] of codes) {
      expect(page).toContain(`| \`${code ?? ''}\` |`);
    }
  });

  it('lists every frame of the schema', () => {
    const schema = readFileSync(join(root, 'proto', 'frames.proto'), 'utf8');
    for (const direction of ['ClientFrame', 'ServerFrame']) {
      const body = new RegExp(`message ${direction} \\{\\s*oneof frame \\{([\\s\\S]*?)\\}`).exec(schema)?.[1] ?? '';
      const frames = [...body.matchAll(/(\w+) = \d+;/g)];
      expect(frames.length).toBeGreaterThan(10);
      for (const [, frame] of frames) {
        expect(page).toContain(`\`${frame ?? ''}`);
      }
    }
  });
});
