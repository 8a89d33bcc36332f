/**
 * What the runtime itself takes for a webhook: POSTs bodies that it has in memory by `fetch`, and does nothing else.
 *
 * Usage: bun bare-post.ts
 *
 * It reads one command a line from standard input and answers each with one line: `load FILE`, of a JSON array of url and
 * body, and `go`, which answers when all of them were answered with a 2xx.
 */
import { createInterface } from "node:readline";

const SLOTS = 64;
const HEADERS = {
  "content-type": "application/json",
  "x-pusher-key": "bench-key",
  "x-pusher-signature": "0".repeat(64),
};

interface Post {
  readonly url: string;
  readonly body: string;
}

let posts: readonly Post[] = [];

async function postAll(): Promise<string> {
  let next = 0;
  let failed = 0;
  const slot = async (): Promise<void> => {
    for (let post = posts[next++]; post !== undefined; post = posts[next++]) {
      const response = await fetch(post.url, {
        method: "POST",
        headers: HEADERS,
        body: post.body,
        redirect: "manual",
      });
      await response.arrayBuffer();
      if (!response.ok) failed++;
    }
  };
  await Promise.all(Array.from({ length: SLOTS }, slot));
  return failed === 0 ? "ok" : `error ${failed} posts were refused`;
}

for await (const line of createInterface({ input: process.stdin })) {
  const file = /^load (.*)$/.exec(line)?.[1];
  if (file !== undefined) posts = await Bun.file(file).json();
  console.log(file === undefined ? await postAll() : "ok");
}
