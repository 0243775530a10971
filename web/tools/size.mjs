// Holds the bundles to their budgets, gzip as a server would send them. The shared client has to leave room for the
// widget's own code.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

import { build } from 'esbuild';

const web = dirname(dirname(fileURLToPath(import.meta.url)));
const budgets = [
  { name: 'testpage/dist/app.js', bytes: () => readFileSync(join(web, 'testpage/dist/app.js')), most: 27 * 1024 },
  { name: 'testpage/dist/app.css', bytes: () => readFileSync(join(web, 'testpage/dist/app.css')), most: 4 * 1024 },
  { name: '@frontdesk/shared', bytes: () => bundle('shared/src/index.ts'), most: 20 * 1024 },
];

async function bundle(entry) {
  const made = await build({
    entryPoints: [join(web, entry)],
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
  });
  return made.outputFiles[0].contents;
}

let over = 0;
for (const { name, bytes, most } of budgets) {
  const size = gzipSync(await bytes(), { level: 9 }).length;
  const verdict = size <= most ? 'ok' : 'OVER BUDGET';
  over += size <= most ? 0 : 1;
  console.log(`${name.padEnd(24)} ${String(size).padStart(6)} of ${String(most).padStart(6)} bytes gzip  ${verdict}`);
}
process.exit(over === 0 ? 0 : 1);
