// Bundles the test page into testpage/dist: index.html, app.js, app.css, icon.svg. They load nothing else.
import { copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

const web = dirname(dirname(fileURLToPath(import.meta.url)));
const page = join(web, 'testpage');
const out = join(page, 'dist');

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
await build({
  entryPoints: { app: join(page, 'src', 'main.ts') },
  outdir: out,
  bundle: true,
  minify: true,
  format: 'esm',
  target: ['chrome109', 'firefox115', 'safari16'],
  legalComments: 'none',
  logLevel: 'warning',
});
await build({
  entryPoints: [join(page, 'src', 'app.css')],
  outdir: out,
  minify: true,
  target: ['chrome109', 'firefox115', 'safari16'],
  logLevel: 'warning',
});
for (const name of ['index.html', 'icon.svg']) {
  copyFileSync(join(page, 'src', name), join(out, name));
}
