// The only code that knows WebSocket.
import { decodeServer, encodeClient, FrameError, subprotocols, type WireForm } from './codec.js';
import type { ClientFrame, ServerFrame } from './frames.js';

export interface SocketEvents {
  opened(): void;
  received(frame: ServerFrame): void;
  /** Once, last; never before the constructor has returned. */
  closed(code: number): void;
}

/** Close codes of ours: the peer sent what is no frame, or speaks another subprotocol. */
export const closeBadFrame = 4002;

/** One connection. Tells nothing any more after `close`. */
export class Socket {
  private readonly socket: WebSocket;
  private ended = false;

  constructor(
    url: string,
    private readonly form: WireForm,
    private readonly events: SocketEvents,
  ) {
    this.socket = new WebSocket(url, subprotocols[form]);
    this.socket.binaryType = 'arraybuffer';
    this.socket.onopen = () => {
      if (this.socket.protocol === subprotocols[form]) {
        events.opened();
      } else {
        this.fail();
      }
    };
    this.socket.onmessage = (message: MessageEvent<unknown>) => {
      this.read(message.data);
    };
    this.socket.onclose = ({ code }) => {
      this.end(code);
    };
  }

  send(frame: ClientFrame): void {
    if (!this.ended && this.socket.readyState === WebSocket.OPEN) {
      this.socket.send(encodeClient(frame, this.form) as string | Uint8Array<ArrayBuffer>);
    }
  }

  close(code: number): void {
    this.ended = true;
    this.socket.close(code);
  }

  private read(data: unknown): void {
    if (this.ended) {
      return;
    }
    try {
      const frame = decodeServer(data instanceof ArrayBuffer ? new Uint8Array(data) : String(data));
      if (frame !== null) {
        this.events.received(frame);
      }
    } catch (error) {
      if (!(error instanceof FrameError)) {
        throw error;
      }
      this.fail();
    }
  }

  private fail(): void {
    this.socket.close(closeBadFrame);
    this.end(closeBadFrame);
  }

  private end(code: number): void {
    if (!this.ended) {
      this.ended = true;
      this.events.closed(code);
    }
  }
}
