// The real server as a child process that can be killed and started again on the same data.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const web = join(__dirname, '..');

function binary(): string {
  const path = process.env['FRONTDESK_BINARY'];
  if (path === undefined || !existsSync(path)) {
    throw new Error('FRONTDESK_BINARY names the server to test');
  }
  return path;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => {
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      });
    });
  });
}

export class FrontdeskNode {
  readonly data = mkdtempSync(join(tmpdir(), 'frontdesk-e2e-'));
  private child: ChildProcess | null = null;
  private output = '';

  private constructor(
    readonly port: number,
    private readonly adminPort: number,
  ) {}

  static async make(): Promise<FrontdeskNode> {
    return new FrontdeskNode(await freePort(), await freePort());
  }

  get url(): string {
    return `http://127.0.0.1:${String(this.port)}`;
  }

  /** Everything the processes have written so far. */
  get log(): string {
    return this.output;
  }

  private places(): readonly string[] {
    return ['--data', this.data, '--admin-port', String(this.adminPort)];
  }

  /** Starts the process; resolved when it is ready. */
  async start(): Promise<void> {
    const pages = join(web, 'testpage', 'dist');
    const child = spawn(
      binary(),
      ['serve', '--port', String(this.port), '--static-dir', pages, ...this.places()],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    this.child = child;
    await new Promise<void>((resolve, reject) => {
      let started = '';
      const hear = (chunk: Buffer) => {
        this.output += chunk.toString();
        started += chunk.toString();
        if (started.includes('"ready"') || /\bready\b/.test(started)) {
          resolve();
        }
      };
      child.stdout.on('data', hear);
      child.stderr.on('data', hear);
      child.once('exit', (code) => {
        reject(new Error(`the server ended with ${String(code)}: ${started}`));
      });
    });
  }

  /** As a power cut would: no time to say anything. */
  async kill(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    const { child } = this;
    this.child = null;
    if (child !== null && child.exitCode === null) {
      const gone = new Promise<void>((resolve) => {
        child.once('exit', () => {
          resolve();
        });
      });
      child.kill(signal);
      await gone;
    }
  }

  async end(): Promise<void> {
    await this.kill();
    rmSync(this.data, { recursive: true, force: true });
  }

  /** Makes an account and says its token. */
  createAccount(name: string): string {
    return execFileSync(binary(), ['account', 'create', name, ...this.places()], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  }
}
