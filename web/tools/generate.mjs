// Makes shared/src/gen from the one schema, proto/frames.proto. Needs protoc (Debian: protobuf-compiler).
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const web = dirname(dirname(fileURLToPath(import.meta.url)));
const schema = join(web, '..', 'proto');
const out = join(web, 'shared', 'src', 'gen');

mkdirSync(out, { recursive: true });
try {
  execFileSync(
    'protoc',
    [
      `--plugin=protoc-gen-es=${join(web, 'node_modules', '.bin', 'protoc-gen-es')}`,
      `--es_out=${out}`,
      '--es_opt=target=ts,import_extension=js',
      `-I${schema}`,
      join(schema, 'frames.proto'),
    ],
    { stdio: 'inherit' },
  );
} catch (error) {
  if (error.code === 'ENOENT') {
    console.error('protoc was not found: install the package protobuf-compiler');
  }
  process.exit(1);
}
