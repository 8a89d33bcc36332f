import { createServer } from "node:http";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { chromium, type BrowserContext, type Page } from "playwright-core";
import type { TestApp } from "../e2e/support/apps.ts";
import { serverLibrary } from "../e2e/support/pusher-client.ts";

const EXECUTABLE = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const PUSHER_JS = readFileSync(
  "node_modules/pusher-js/dist/web/pusher-with-encryption.min.js",
  "utf8",
);

const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--ignore-certificate-errors",
];

/** A Chromium with a profile of its own, and nothing that it would call home with. */
export async function startChromium(): Promise<{
  context: BrowserContext;
  close(): Promise<void>;
}> {
  const profile = mkdtempSync(join(tmpdir(), "ringmaster-chromium-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: EXECUTABLE,
    headless: true,
    args: ARGUMENTS,
  });
  return {
    context,
    async close() {
      await context.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}

/** The application around the pages: serves pusher-js' web build and signs for its users, as an app's server does. */
export class Application {
  readonly url: string;
  readonly #close: () => void;

  private constructor(url: string, close: () => void) {
    this.url = url;
    this.#close = close;
  }

  static async start(app: TestApp, encryptionMasterKey: string): Promise<Application> {
    const signer = serverLibrary(app, { port: 1, encryptionMasterKey });
    const server = createServer((request, response) => {
      const url = new URL(request.url ?? "/", "http://app.test");
      if (url.pathname === "/pusher.js") {
        response.setHeader("content-type", "text/javascript").end(PUSHER_JS);
        return;
      }
      if (url.pathname === "/") {
        response
          .setHeader("content-type", "text/html")
          .end('<!doctype html><title>test</title><script src="/pusher.js"></script>');
        return;
      }
      if (!url.pathname.startsWith("/pusher/")) {
        response.writeHead(404).end();
        return;
      }
      let body = "";
      request.on("data", (chunk: Buffer) => (body += chunk.toString()));
      request.on("end", () => {
        const form = new URLSearchParams(body);
        const user = { id: form.get("user") ?? "" };
        const socketId = form.get("socket_id") ?? "";
        const channel = form.get("channel_name") ?? "";
        const presence = channel.startsWith("presence-") ? { user_id: user.id } : undefined;
        const answer =
          url.pathname === "/pusher/user-auth"
            ? signer.authenticateUser(socketId, user)
            : signer.authorizeChannel(socketId, channel, presence);
        response.setHeader("content-type", "application/json").end(JSON.stringify(answer));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    return new Application(`http://127.0.0.1:${port}/`, () => {
      server.close();
      server.closeAllConnections();
    });
  }

  close(): void {
    this.#close();
  }
}

export interface TabOptions {
  readonly key: string;
  readonly user: string;
  /** Of pusher-js, beside those for the auth endpoints. */
  readonly options: Record<string, unknown>;
}

/** One tab with one pusher-js in it. What pusher-js tells is kept in the page, to be waited for. */
export class Tab {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
  }

  static async open(
    t: TestContext,
    context: BrowserContext,
    application: Application,
    { key, user, options }: TabOptions,
  ): Promise<Tab> {
    const page = await context.newPage();
    t.after(() => page.close());
    await page.goto(application.url);
    await page.evaluate(
      `window.seen = []; window.states = [];
       window.pusher = new Pusher(${JSON.stringify(key)}, Object.assign(${JSON.stringify(options)}, {
         channelAuthorization: { endpoint: "/pusher/auth", params: { user: ${JSON.stringify(user)} } },
         userAuthentication: { endpoint: "/pusher/user-auth", params: { user: ${JSON.stringify(user)} } },
       }));
       pusher.connection.bind("state_change", (change) => states.push(change.current));`,
    );
    return new Tab(page);
  }

  async connected(): Promise<string> {
    await this.until('pusher.connection.state === "connected"');
    return this.evaluate<string>("pusher.connection.socket_id");
  }

  /** Resolves when it is subscribed; what comes on the channel is kept. */
  async subscribe(channel: string): Promise<void> {
    const name = JSON.stringify(channel);
    await this.page.evaluate(
      `pusher.subscribe(${name}).bind_global((event, data) => seen.push({ channel: ${name}, event, data })); undefined`,
    );
    await this.event("pusher:subscription_succeeded", channel);
  }

  async trigger(channel: string, event: string, data: unknown): Promise<void> {
    const args = [event, data].map((argument) => JSON.stringify(argument)).join(", ");
    await this.page.evaluate(`pusher.channel(${JSON.stringify(channel)}).trigger(${args})`);
  }

  /** The data of the event, now or when it comes. */
  async event(event: string, channel: string): Promise<unknown> {
    const found = `seen.find((it) => it.event === ${JSON.stringify(event)} && it.channel === ${JSON.stringify(channel)})`;
    await this.until(`${found} !== undefined`);
    return this.evaluate(`${found}.data`);
  }

  async until(condition: string): Promise<void> {
    try {
      await this.page.waitForFunction(condition, undefined, { timeout: 40_000, polling: 20 });
    } catch (error) {
      const told = await this.evaluate<string>("JSON.stringify({ states, seen })");
      throw new Error(`never came true: ${condition}; the page told ${told}`, { cause: error });
    }
  }

  evaluate<T>(expression: string): Promise<T> {
    return this.page.evaluate<T>(expression);
  }
}
