// Makes shared/src/gen from the one schema, proto/frames.proto. Needs protoc (Debian: protobuf-compiler).
//
//   frames_pb.ts   protobuf-es code: the types of the messages for codec.ts, and in tests a second opinion
//   schema.ts      the same schema as a table for wire.ts, which is a tenth of the size of a protobuf library
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { createFileRegistry, fromBinary, ScalarType } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';

const web = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = join(web, '..', 'proto');
const out = join(web, 'shared', 'src', 'gen');

function protoc(...options) {
  try {
    execFileSync('protoc', [...options, `-I${folder}`, join(folder, 'frames.proto')], { stdio: 'inherit' });
  } catch (error) {
    if (error.code === 'ENOENT') {
      console.error('protoc was not found: install the package protobuf-compiler');
    }
    process.exit(1);
  }
}

const scalars = new Map([
  [ScalarType.STRING, 'string'],
  [ScalarType.BYTES, 'bytes'],
  [ScalarType.BOOL, 'bool'],
  [ScalarType.UINT32, 'uint32'],
  [ScalarType.UINT64, 'uint64'],
  [ScalarType.INT64, 'int64'],
  [ScalarType.FIXED64, 'fixed64'],
]);

function fieldOf(field) {
  const repeated = field.fieldKind === 'list';
  const kind = repeated ? field.listKind : field.fieldKind;
  const made = { number: field.number, name: field.localName };
  if (field.jsonName !== field.localName) {
    throw new Error(`${String(field)}: its JSON name differs from its name in code`);
  }
  if (field.name !== field.localName) {
    made.proto = field.name;
  }
  if (kind === 'message') {
    made.type = 'message';
    made.of = field.message.name;
  } else if (kind === 'enum') {
    made.type = 'enum';
    made.of = field.enum.name;
  } else {
    made.type = scalars.get(field.scalar);
  }
  if (made.type === undefined || (repeated && !['message', 'bytes', 'string'].includes(made.type))) {
    throw new Error(`${String(field)}: shared/src/wire.ts does not know this type`);
  }
  if (repeated) {
    made.repeated = true;
  }
  if (field.oneof !== undefined) {
    made.oneof = field.oneof.localName;
  } else if (kind !== 'message' && !repeated && field.proto.proto3Optional) {
    made.optional = true;
  }
  return made;
}

mkdirSync(out, { recursive: true });
protoc(
  `--plugin=protoc-gen-es=${join(web, 'node_modules', '.bin', 'protoc-gen-es')}`,
  `--es_out=${out}`,
  '--es_opt=target=ts,import_extension=js',
);

const scratch = mkdtempSync(join(tmpdir(), 'frontdesk-schema-'));
const described = join(scratch, 'frames.bin');
protoc(`--descriptor_set_out=${described}`);
const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(described)));
rmSync(scratch, { recursive: true });

const [file] = [...registry.files];
const messages = Object.fromEntries(
  file.messages.map((message) => [
    message.name,
    [...message.fields].sort((left, right) => left.number - right.number).map(fieldOf),
  ]),
);
const enums = Object.fromEntries(
  file.enums.map((one) => [one.name, Object.fromEntries(one.values.map(({ number, name }) => [number, name]))]),
);
writeFileSync(
  join(out, 'schema.ts'),
  `// Generated from proto/frames.proto by tools/generate.mjs.
import type { Schema } from '../wire.js';

export const schema: Schema = ${JSON.stringify({ messages, enums })};
`,
);
