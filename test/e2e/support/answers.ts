import type { ServerResponse } from "node:http";
import type { Call } from "./call.ts";

/** What a receiver does with a webhook. */
export type Answer = (call: Call, response: ServerResponse) => void;

export function answering(status: number, headers: Readonly<Record<string, string>> = {}): Answer {
  return (_call, response) => {
    response.writeHead(status, headers).end();
  };
}

export function delayed(ms: number, then: Answer = answering(200)): Answer {
  return (call, response) => {
    const timer = setTimeout(() => then(call, response), ms);
    response.once("close", () => clearTimeout(timer));
  };
}

/** Takes the request and says nothing. */
export const hanging: Answer = () => {};

export function redirecting(status: number, location: string): Answer {
  return answering(status, { location });
}

/** A status, and then a byte at a time, without an end. */
export function dripping(everyMs: number, status = 200): Answer {
  return (_call, response) => {
    response.writeHead(status);
    const timer = setInterval(() => response.write("."), everyMs);
    response.once("close", () => clearInterval(timer));
  };
}

/** A status, and then a body as fast as it is taken, without an end. `onClose` is told how much went out. */
export function endless(status: number, onClose: (sentBytes: number) => void): Answer {
  const chunk = Buffer.alloc(16 * 1_024, "x");
  return (_call, response) => {
    let sentBytes = 0;
    response.writeHead(status);
    const pour = (): void => {
      while (!response.destroyed) {
        sentBytes += chunk.length;
        if (!response.write(chunk)) return;
      }
    };
    response.on("drain", pour);
    response.once("close", () => onClose(sentBytes));
    pour();
  };
}

/** Closes the connection without an answer. */
export const closing: Answer = (_call, { socket }) => {
  socket?.destroy();
};

/** Has the system answer with RST. */
export const resetting: Answer = (_call, { socket }) => {
  socket?.resetAndDestroy();
};

/** One answer after the other; the last goes on. */
export function inTurn(...answers: readonly [Answer, ...Answer[]]): Answer {
  let place = 0;
  return (call, response) => {
    const answer = answers[Math.min(place, answers.length - 1)];
    place++;
    answer?.(call, response);
  };
}
