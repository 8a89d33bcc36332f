import { connect } from "node:net";
import { networkInterfaces } from "node:os";
import { describe, expect, test } from "bun:test";
import { AdminAccess } from "../../../src/ops/admin/admin-access.ts";
import { AdminServer } from "../../support/admin-doubles.ts";

const TOKEN = "correct-horse-battery-staple";
const LOOPBACK = "127.0.0.1";
const HOST = { host: "127.0.0.1:9601" };
const IN = undefined;

interface Row {
  readonly what: string;
  readonly token?: string;
  readonly peer?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  readonly status: 401 | 403 | undefined;
}

const bearer = (token: string) => ({ ...HOST, authorization: `Bearer ${token}` });

const WITHOUT_TOKEN: readonly Row[] = [
  { what: "a program on this machine", status: IN },
  { what: "by localhost", headers: { host: "localhost:9601" }, status: IN },
  { what: "by LOCALHOST", headers: { host: "LOCALHOST:9601" }, status: IN },
  { what: "by localhost without a port", headers: { host: "localhost" }, status: IN },
  { what: "by another loopback address", headers: { host: "127.1.2.3:9601" }, status: IN },
  { what: "over IPv6", peer: "::1", headers: { host: "[::1]:9601" }, status: IN },
  { what: "over IPv6 without a port", peer: "::1", headers: { host: "[::1]" }, status: IN },
  { what: "over IPv4 on a socket for both", peer: "::ffff:127.0.0.1", status: IN },
  { what: "another loopback peer", peer: "127.255.255.254", status: IN },
  { what: "with a token that nobody asked for", headers: bearer("any"), status: IN },

  { what: "a peer without address", peer: null, status: 403 },
  { what: "a peer in the network", peer: "10.0.0.7", status: 403 },
  { what: "a peer in the network, over IPv6", peer: "fe80::1", status: 403 },
  { what: "a peer in the network, mapped", peer: "::ffff:10.0.0.7", status: 403 },
  { what: "a peer whose address contains a loopback one", peer: "10.127.0.1", status: 403 },
  { what: "a peer whose IPv6 address ends like it", peer: "2001:db8::1", status: 403 },
  {
    what: "a peer in the network with a token",
    peer: "10.0.0.7",
    headers: bearer(TOKEN),
    status: 403,
  },
  {
    what: "a peer in the network that says localhost",
    peer: "10.0.0.7",
    headers: { host: "localhost" },
    status: 403,
  },

  {
    what: "a name that was let resolve to us",
    headers: { host: "evil.example:9601" },
    status: 403,
  },
  {
    what: "a name that begins like an address",
    headers: { host: "127.0.0.1.evil.example" },
    status: 403,
  },
  {
    what: "a name that begins like localhost",
    headers: { host: "localhost.evil.example" },
    status: 403,
  },
  {
    what: "a name that ends like localhost",
    headers: { host: "evil-localhost:9601" },
    status: 403,
  },
  { what: "a name before an @", headers: { host: "localhost:9601@evil.example" }, status: 403 },
  { what: "two hosts", headers: { host: "localhost, evil.example" }, status: 403 },
  { what: "an address of the network", headers: { host: "10.0.0.1:9601" }, status: 403 },
  { what: "an address of the network over IPv6", headers: { host: "[fe80::1]:9601" }, status: 403 },
  { what: "the address of all", headers: { host: "0.0.0.0:9601" }, status: 403 },
  { what: "no host", headers: {}, status: 403 },
  { what: "an empty host", headers: { host: "" }, status: 403 },

  { what: "a page", headers: { ...HOST, origin: "https://evil.example" }, status: 403 },
  { what: "a page without origin", headers: { ...HOST, origin: "null" }, status: 403 },
  {
    what: "a page of our own origin",
    headers: { ...HOST, origin: "http://127.0.0.1:9601" },
    status: 403,
  },
  { what: "an image of a page", headers: { ...HOST, "sec-fetch-site": "cross-site" }, status: 403 },
  {
    what: "a browser's address bar",
    headers: { ...HOST, "Sec-Fetch-Mode": "navigate" },
    status: 403,
  },
  { what: "Node's fetch", headers: { ...HOST, "sec-fetch-mode": "cors" }, status: undefined },
  {
    what: "a script of a page",
    headers: { ...HOST, "sec-fetch-mode": "cors", "sec-fetch-site": "same-site" },
    status: 403,
  },
  {
    what: "a proxy (X-Forwarded-For)",
    headers: { ...HOST, "x-forwarded-for": "10.0.0.7" },
    status: 403,
  },
  {
    what: "a proxy (empty X-Forwarded-For)",
    headers: { ...HOST, "x-forwarded-for": "" },
    status: 403,
  },
  {
    what: "a proxy (X-Forwarded-Proto)",
    headers: { ...HOST, "X-Forwarded-Proto": "https" },
    status: 403,
  },
  { what: "a proxy (Forwarded)", headers: { ...HOST, forwarded: "for=10.0.0.7" }, status: 403 },
  { what: "a proxy (Via)", headers: { ...HOST, via: "1.1 proxy" }, status: 403 },
  { what: "a proxy (X-Real-IP)", headers: { ...HOST, "x-real-ip": "10.0.0.7" }, status: 403 },
];

const sameLength = `${TOKEN.slice(0, -1)}X`;

const WITH_TOKEN: readonly Row[] = [
  { what: "the token", headers: bearer(TOKEN), status: IN },
  { what: "the token from the network", peer: "10.0.0.7", headers: bearer(TOKEN), status: IN },
  { what: "the token from nowhere", peer: null, headers: bearer(TOKEN), status: IN },
  {
    what: "the token to another name",
    headers: { ...bearer(TOKEN), host: "ops.example" },
    status: IN,
  },
  {
    what: "the token through a proxy",
    headers: { ...bearer(TOKEN), "x-forwarded-for": "10.0.0.7" },
    status: IN,
  },
  {
    what: "the scheme in lower case",
    headers: { ...HOST, authorization: `bearer ${TOKEN}` },
    status: IN,
  },
  { what: "nothing, on this machine", headers: HOST, status: 401 },
  { what: "nothing, from the network", peer: "10.0.0.7", headers: HOST, status: 401 },
  { what: "another of the same length", headers: bearer(sameLength), status: 401 },
  { what: "a shorter one", headers: bearer(TOKEN.slice(0, -1)), status: 401 },
  { what: "a longer one", headers: bearer(`${TOKEN}X`), status: 401 },
  { what: "one of another case", headers: bearer(TOKEN.toUpperCase()), status: 401 },
  { what: "an empty one", headers: bearer(""), status: 401 },
  { what: "two", headers: bearer(`${TOKEN}, Bearer ${TOKEN}`), status: 401 },
  {
    what: "the token as a password",
    headers: { ...HOST, authorization: `Basic ${btoa(`:${TOKEN}`)}` },
    status: 401,
  },
  { what: "the token without a scheme", headers: { ...HOST, authorization: TOKEN }, status: 401 },
  // A configuration that lets an empty token through must not open the door.
  { what: "an empty one where it is empty", token: "", headers: bearer(""), status: 401 },
  { what: "nothing where it is empty", token: "", headers: HOST, status: 401 },
];

function statusOf({ peer = LOOPBACK, headers = HOST }: Row, token: string | null): unknown {
  return new AdminAccess(token).refusal(new Headers({ ...headers }), peer ?? undefined)?.status;
}

describe("without a token the admin API takes programs on this machine alone", () => {
  test.each(WITHOUT_TOKEN.map((row) => [row.what, row.status ?? "in", row] as const))(
    "%s: %s",
    (_what, _status, row) => {
      expect(statusOf(row, null)).toBe(row.status);
    },
  );

  test("and tells the others how to be let in, and what was wrong", () => {
    const refusal = new AdminAccess(null).refusal(new Headers(HOST), "10.0.0.7");
    expect(refusal?.message).toContain("set ops.adminToken");
    expect(refusal?.message).toContain("(this caller is on another machine)");
  });
});

describe("with a token the admin API takes whoever sends it", () => {
  test.each(WITH_TOKEN.map((row) => [row.what, row.status ?? "in", row] as const))(
    "%s: %s",
    (_what, _status, row) => {
      expect(statusOf(row, row.token ?? TOKEN)).toBe(row.status);
    },
  );

  test("and never says the token", () => {
    const refusal = new AdminAccess(TOKEN).refusal(new Headers(bearer("wrong")), LOOPBACK);
    expect(refusal?.message).not.toContain(TOKEN);
  });
});

const PATHS = [
  "/admin/queue",
  "/admin/webhooks",
  "/admin/no-such-path",
  "/admin/",
  "//admin/queue",
];

describe("a real server asks who is calling, before anything else", () => {
  test.each(PATHS)("on %s", async (path) => {
    await using server = new AdminServer({ token: TOKEN });
    for (const method of ["GET", "POST", "OPTIONS", "DELETE"]) {
      const response = await fetch(`${server.url}${path}`, { method });
      expect([method, response.status]).toEqual([method, 401]);
      expect(response.headers.get("www-authenticate")).toBe("Bearer");
      expect(response.headers.get("cache-control")).toBe("no-store");
      expect(response.headers.get("access-control-allow-origin")).toBeNull();
      expect(await response.json()).toEqual({ error: expect.stringContaining("ops.adminToken") });
    }
  });

  test("and lets in who sends the token", async () => {
    await using server = new AdminServer({ token: TOKEN });
    const response = await server.get("/admin/queue", { authorization: `Bearer ${TOKEN}` });
    expect(response.status).toBe(200);
  });

  test("but not for what a supervisor asks", async () => {
    await using server = new AdminServer({ token: TOKEN });
    expect((await server.get("/healthz")).status).toBe(200);
    expect((await server.get("/adminx")).status).toBe(404);
  });

  test("and refuses pages, foreign names and proxies where there is no token", async () => {
    await using server = new AdminServer();
    expect((await server.get("/admin/queue")).status).toBe(200);
    const refused: Readonly<Record<string, string>>[] = [
      { origin: "https://evil.example" },
      { "sec-fetch-site": "none" },
      { host: "evil.example" },
      { "x-forwarded-for": "127.0.0.1" },
    ];
    for (const headers of refused) {
      const response = await server.get("/admin/queue", headers);
      expect([headers, response.status]).toEqual([headers, 403]);
    }
  });

  test("and does nothing for a page that posts", async () => {
    await using server = new AdminServer();
    server.desk.hold({ appId: "shop", webhookId: "orders" });
    const response = await fetch(`${server.url}/admin/webhooks/pause`, {
      method: "POST",
      headers: { "content-type": "application/json", origin: "http://localhost:3000" },
      body: '{"webhook":"orders"}',
    });
    expect(response.status).toBe(403);
    expect(server.desk.loads.get("shop/orders")?.paused).toBeNull();
  });

  test.each([
    ["two hosts", "HTTP/1.1", "Host: localhost\r\nHost: evil.example\r\n", 403],
    ["an empty Origin", "HTTP/1.1", "Host: localhost\r\nOrigin:\r\n", 403],
    ["no host", "HTTP/1.0", "", 403],
    ["a host", "HTTP/1.0", "Host: localhost\r\n", 200],
  ])("and reads %s (%s) as what it is", async (_what, version, headers, status) => {
    await using server = new AdminServer();
    const answer = await exchange(
      server.port,
      `GET /admin/queue ${version}\r\n${headers}Connection: close\r\n\r\n`,
    );
    expect(answer).toStartWith(`HTTP/1.1 ${status} `);
  });

  test("and serves HTTP/1.0 without a host to who has the token", async () => {
    await using server = new AdminServer({ token: TOKEN });
    const request = `GET /admin/queue HTTP/1.0\r\nAuthorization: Bearer ${TOKEN}\r\n\r\n`;
    expect(await exchange(server.port, request)).toStartWith("HTTP/1.1 200 ");
  });

  test.skipIf(!hasAddress("::1"))("and knows IPv6's loopback address", async () => {
    await using server = new AdminServer({ host: "::" });
    expect((await fetch(`http://[::1]:${server.port}/admin/queue`)).status).toBe(200);
    expect((await fetch(`http://127.0.0.1:${server.port}/admin/queue`)).status).toBe(200);
  });

  const outside = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ family, internal }) => family === "IPv4" && !internal)?.address;

  test.skipIf(outside === undefined)("and refuses a peer that comes by the network", async () => {
    await using server = new AdminServer({ host: "0.0.0.0" });
    const response = await fetch(`http://${outside}:${server.port}/admin/queue`, {
      headers: { host: "localhost" },
    });
    expect(response.status).toBe(403);
    expect(((await response.json()) as { error: string }).error).toContain("on another machine");
  });
});

test("an operations server without an admin API has nothing under /admin/", async () => {
  const { OperationsServer } = await import("../../../src/ops/operations-server.ts");
  const server = new OperationsServer({
    host: "127.0.0.1",
    port: 0,
    metrics: { contentType: "text/plain", scrape: () => Promise.resolve("") } as never,
    state: () => "ready",
    stuck: () => [],
    troubles: () => [],
    admin: () => undefined,
  });
  const response = await fetch(`http://127.0.0.1:${server.port}/admin/queue`);
  expect([response.status, await response.text()]).toEqual([
    404,
    "Here are /healthz, /readyz and /metrics\n",
  ]);
  await server.close();
});

function hasAddress(address: string): boolean {
  return Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some((own) => own.address === address),
  );
}

/** Sends these bytes, and answers all that comes until the other side closes. */
function exchange(port: number, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    connect(port, LOOPBACK)
      .on("data", (chunk) => (answer += chunk.toString()))
      .on("close", () => resolve(answer))
      .on("error", reject)
      .end(request);
  });
}
