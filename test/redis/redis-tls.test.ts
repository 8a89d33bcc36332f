import { writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import type { RedisFault } from "../../src/stores/redis/connection.ts";
import { script } from "../../src/stores/redis/script.ts";
import type { RedisTls } from "../../src/stores/redis/settings.ts";
import { CertificateAuthority, type Certificate } from "../support/certificate-authority.ts";
import { until } from "../support/redis-cluster.ts";
import { RedisServer } from "../support/redis-server.ts";
import { redisSettings } from "../support/redis-settings.ts";
import { connect, newClient } from "./support/connect.ts";

const ECHO = script("echo", "return ARGV[1]");
const NOTHING: RedisTls = { ca: null, cert: null, key: null, serverName: null };

let authority: CertificateAuthority;
let folder: string;
beforeAll(async () => {
  authority = new CertificateAuthority();
  folder = await mkdtemp(join(tmpdir(), "ringmaster-tls-"));
});
afterAll(async () => {
  authority[Symbol.dispose]();
  await rm(folder, { recursive: true, force: true });
});

const opened: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).toReversed()) await one.close();
});

async function server(
  { cert, key }: Certificate,
  asksForCertificate = false,
): Promise<RedisServer> {
  const file = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };
  const found = await RedisServer.start({
    hasTls: true,
    config: {
      "tls-cert-file": file("cert.pem", cert),
      "tls-key-file": file("key.pem", key),
      "tls-ca-cert-file": file("ca.pem", authority.cert),
      "tls-auth-clients": asksForCertificate ? "yes" : "no",
    },
  });
  opened.push(found);
  return found;
}

/** Whether calls, and subscriptions, reach the server. */
async function works(port: number, tls: RedisTls): Promise<void> {
  const client = await connect(redisSettings(port, { tls }));
  opened.push(client);
  expect(await client.run(ECHO, ["{a}"], ["hello"])).toBe("hello");
  const heard: string[] = [];
  const subscriber = client.subscriber({ message: (_, text) => heard.push(text), missed() {} });
  await subscriber.subscribe("{a}c");
  await client.publish("{a}c", "hello");
  await until("it is heard", async () => heard.length === 1);
}

/** Why it does not; it would try for ever. */
async function failure(port: number, tls: RedisTls | null): Promise<RedisFault> {
  const { client, logged } = newClient(redisSettings(port, { tls, connectTimeoutMs: 1_000 }));
  opened.push(client);
  void client.open().catch(() => {});
  await until("it was tried", async () => logged.length > 0);
  expect(client.isWell).toBe(false);
  const [{ fields } = { fields: {} }] = logged;
  return (fields as { err: RedisFault }).err;
}

describe("TLS", () => {
  test("trusts the authority that it is told of, for the address connected to", async () => {
    const { port } = await server(authority.issue("IP:127.0.0.1"));
    await works(port, { ...NOTHING, ca: authority.cert });
  });

  test("trusts a certificate for the name that it is told to expect", async () => {
    const { port } = await server(authority.issue("DNS:redis.example.com"));
    await works(port, { ...NOTHING, ca: authority.cert, serverName: "redis.example.com" });
  });

  test("shows a certificate of its own where one is asked for", async () => {
    const { port } = await server(authority.issue("IP:127.0.0.1"), true);
    const { cert, key } = authority.issue("DNS:ringmaster");
    await works(port, { ...NOTHING, ca: authority.cert, cert, key });
    expect(await failure(port, { ...NOTHING, ca: authority.cert })).toMatchObject({
      kind: "unreachable",
    });
  });

  test("does not talk to a server that has another's certificate", async () => {
    const { port } = await server(authority.issue("DNS:redis.example.com"));
    const fault = await failure(port, { ...NOTHING, ca: authority.cert });
    expect(fault).toMatchObject({ kind: "unreachable" });
    expect(fault.message).toMatch(/altnames|IP|certificate/);
    for (const serverName of ["other.example.com", "example.com"])
      expect(await failure(port, { ...NOTHING, ca: authority.cert, serverName })).toMatchObject({
        kind: "unreachable",
      });
  });

  test("does not talk to a server whose authority nobody knows, nor in the clear", async () => {
    const { port } = await server(authority.issue("IP:127.0.0.1"));
    expect(await failure(port, NOTHING)).toMatchObject({ kind: "unreachable" });
    expect(await failure(port, null)).toMatchObject({ kind: "unreachable" });
  });
});
