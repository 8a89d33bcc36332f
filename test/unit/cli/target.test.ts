import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UsageMistake } from "../../../src/cli/client/command-failure.ts";
import {
  apiCredentials,
  keyOf,
  resolveTarget,
  signingCredentials,
} from "../../../src/cli/client/target.ts";
import type { TargetOptions } from "../../../src/cli/client/target-options.ts";

const STORED = { id: "1", key: "storedkey", secret: "storedsecret" };
const ENV_APP = {
  RINGMASTER_APP_ID: "7",
  RINGMASTER_APP_KEY: "envkey",
  RINGMASTER_APP_SECRET: "envsecret",
};
const URL_TEXT = "https://urlkey:urlsecret@example.com:8443/apps/9";

let empty: string;
let served: string;

beforeAll(async () => {
  empty = await mkdtemp(join(tmpdir(), "ringmaster-target-"));
  served = await mkdtemp(join(tmpdir(), "ringmaster-target-"));
  await mkdir(join(served, ".ringmaster"));
  await writeFile(join(served, ".ringmaster/default-app.json"), JSON.stringify(STORED));
});

afterAll(async () => {
  await rm(empty, { recursive: true });
  await rm(served, { recursive: true });
});

function addresses(options: TargetOptions, env: Record<string, string> = {}): Promise<string[]> {
  return resolveTarget(options, env, empty).then(({ apiUrl, socketUrl }) => [apiUrl, socketUrl]);
}

async function mistake(resolving: Promise<unknown>): Promise<string> {
  const error: unknown = await resolving.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(UsageMistake);
  return (error as UsageMistake).message;
}

describe("where a command goes", () => {
  test("to this machine, port 6001, when nothing is said", async () => {
    expect(await addresses({})).toEqual(["http://127.0.0.1:6001", "ws://127.0.0.1:6001"]);
  });

  test("to the port and path prefix that a local server's variables name", async () => {
    const env = { RINGMASTER_PORT: "7001", RINGMASTER_PATH_PREFIX: "/realtime" };
    expect(await addresses({}, env)).toEqual([
      "http://127.0.0.1:7001/realtime",
      "ws://127.0.0.1:7001/realtime",
    ]);
  });

  test("not to the port of a Kubernetes Service that happens to have our variable's name", async () => {
    expect((await addresses({}, { RINGMASTER_PORT: "tcp://10.0.0.1:9999" }))[0]).toBe(
      "http://127.0.0.1:6001",
    );
  });

  test("an option counts more than a variable", async () => {
    expect((await addresses({ port: 7002 }, { RINGMASTER_PORT: "7001" }))[0]).toBe(
      "http://127.0.0.1:7002",
    );
  });

  test("another host has nothing to do with the local server's variables", async () => {
    const env = { RINGMASTER_PORT: "7001", RINGMASTER_PATH_PREFIX: "/realtime" };
    expect((await addresses({ host: "push.test" }, env))[0]).toBe("http://push.test:6001");
  });

  test("with TLS to port 443, with https and wss", async () => {
    expect(await addresses({ host: "push.test", tls: true })).toEqual([
      "https://push.test",
      "wss://push.test",
    ]);
    expect((await addresses({ host: "push.test", tls: true, port: 6002 }))[1]).toBe(
      "wss://push.test:6002",
    );
  });

  test("an IPv6 address gets its brackets", async () => {
    expect(await addresses({ host: "::1" })).toEqual(["http://[::1]:6001", "ws://[::1]:6001"]);
  });

  test.each(["/rt", "rt", "/rt/"])(
    "the path prefix %s stands before both paths",
    async (pathPrefix) => {
      expect(await addresses({ pathPrefix })).toEqual([
        "http://127.0.0.1:6001/rt",
        "ws://127.0.0.1:6001/rt",
      ]);
    },
  );

  test("a cluster of the hosted service has a host for requests and one for sockets", async () => {
    expect(await addresses({ cluster: "eu" })).toEqual([
      "https://api-eu.pusher.com",
      "wss://ws-eu.pusher.com",
    ]);
  });

  test.each([
    ["api-eu.pusher.com", "wss://ws-eu.pusher.com"],
    ["api.pusherapp.com", "wss://ws.pusherapp.com"],
    ["api-eu.example.com", "wss://api-eu.example.com"],
    ["api-eu.pusher.com.example.com", "wss://api-eu.pusher.com.example.com"],
  ])("the URL of %s leads sockets to %s", async (host, socketUrl) => {
    expect((await addresses({ url: `https://k:s@${host}/apps/1` }))[1]).toBe(socketUrl);
  });

  test("a URL says it all, its path prefix too", async () => {
    const target = await resolveTarget(
      { url: "http://k:s%2F%25@h.test:8080/rt/apps/12" },
      {},
      empty,
    );
    expect(target).toMatchObject({
      apiUrl: "http://h.test:8080/rt",
      socketUrl: "ws://h.test:8080/rt",
      credentials: { appId: "12", key: "k", secret: "s/%" },
    });
  });

  test("--url counts more than RINGMASTER_URL, and that more than the other variables", async () => {
    const env = { RINGMASTER_URL: URL_TEXT, RINGMASTER_PORT: "7001", ...ENV_APP };
    const byVariable = await resolveTarget({}, env, empty);
    expect(byVariable).toMatchObject({
      apiUrl: "https://example.com:8443",
      credentials: { appId: "9" },
    });
    const byOption = await resolveTarget({ url: "http://k:s@h.test/apps/12" }, env, empty);
    expect(byOption).toMatchObject({
      apiUrl: "http://h.test",
      credentials: { appId: "12", key: "k", secret: "s" },
    });
  });

  test("options that give an address put RINGMASTER_URL aside, with its credentials", async () => {
    const target = await resolveTarget(
      { port: 7002 },
      { RINGMASTER_URL: URL_TEXT, ...ENV_APP },
      empty,
    );
    expect(target.apiUrl).toBe("http://127.0.0.1:7002");
    expect(apiCredentials(target)).toEqual({ appId: "7", key: "envkey", secret: "envsecret" });
  });

  test("options that give credentials only replace those of RINGMASTER_URL", async () => {
    const target = await resolveTarget({ key: "other" }, { RINGMASTER_URL: URL_TEXT }, empty);
    expect(target.apiUrl).toBe("https://example.com:8443");
    expect(apiCredentials(target)).toEqual({ appId: "9", key: "other", secret: "urlsecret" });
  });
});

describe("who a command is", () => {
  test("the default app of the folder, when nothing is said", async () => {
    const target = await resolveTarget({}, {}, served);
    expect(apiCredentials(target)).toEqual({
      appId: "1",
      key: "storedkey",
      secret: "storedsecret",
    });
  });

  test("the default app of another data folder, where a server's variable names one", async () => {
    const target = await resolveTarget(
      {},
      { RINGMASTER_DATA_DIR: join(served, ".ringmaster") },
      empty,
    );
    expect(keyOf(target)).toBe("storedkey");
  });

  test("the variables, before the default app and one by one, as for the server itself", async () => {
    expect(apiCredentials(await resolveTarget({}, ENV_APP, served)).key).toBe("envkey");
    const mixed = await resolveTarget({}, { RINGMASTER_APP_ID: "7" }, served);
    expect(apiCredentials(mixed)).toEqual({ appId: "7", key: "storedkey", secret: "storedsecret" });
  });

  test("the options, before the variables and one by one, so that the secret can stay in a variable", async () => {
    const target = await resolveTarget({ appId: "2", key: "k" }, ENV_APP, served);
    expect(apiCredentials(target)).toEqual({ appId: "2", key: "k", secret: "envsecret" });
  });

  test("a URL without a secret takes it from its variable", async () => {
    const target = await resolveTarget({ url: "http://k@h.test/apps/1" }, ENV_APP, empty);
    expect(apiCredentials(target)).toEqual({ appId: "1", key: "k", secret: "envsecret" });
  });

  test("a key on the command line never goes with the default app's secret", async () => {
    const target = await resolveTarget({ key: "k" }, {}, served);
    expect(keyOf(target)).toBe("k");
    expect(() => signingCredentials(target)).toThrow(
      "give the app's secret (RINGMASTER_APP_SECRET)",
    );
  });

  test("the default app is nobody at the hosted service", async () => {
    const target = await resolveTarget({ cluster: "eu" }, {}, served);
    expect(() => keyOf(target)).toThrow("--key or RINGMASTER_APP_KEY");
  });

  test("where there is nothing, the error says how to get something", async () => {
    const target = await resolveTarget({}, {}, empty);
    expect(() => apiCredentials(target)).toThrow(
      "give the app's id (--app-id or RINGMASTER_APP_ID) and the app's key (--key or RINGMASTER_APP_KEY) and the " +
        "app's secret (RINGMASTER_APP_SECRET): there is no .ringmaster/default-app.json here; start `ringmaster serve` " +
        "in this folder and it makes one",
    );
  });

  test("a broken default app is told, without its content", async () => {
    const folder = await mkdtemp(join(tmpdir(), "ringmaster-target-"));
    await writeFile(join(folder, "default-app.json"), '{"secret":"hush');
    const message = await mistake(resolveTarget({}, { RINGMASTER_DATA_DIR: folder }, empty));
    expect(message).toContain("default-app.json");
    expect(message).not.toContain("hush");
    await rm(folder, { recursive: true });
  });
});

describe("what makes no sense is refused, without quoting a secret", () => {
  test.each([
    ["hush-secret", "--url is no URL"],
    ["ftp://k:hush-secret@h.test/apps/1", "--url begins with neither http:// nor https://"],
    ["https://k:hush-secret@h.test/app", "--url does not end with /apps/ID"],
  ])("%s", async (url, told) => {
    const message = await mistake(resolveTarget({ url }, {}, empty));
    expect(message).toContain(told);
    expect(message).toContain("https://KEY:SECRET@HOST:PORT/apps/ID");
    expect(message).not.toContain("hush");
  });

  test("a RINGMASTER_URL that is none names its variable", async () => {
    expect(await mistake(resolveTarget({}, { RINGMASTER_URL: "nonsense" }, empty))).toContain(
      "RINGMASTER_URL",
    );
  });

  test.each(["http://h.test", "h.test:6001", "h.test/path", ""])("--host %s", async (host) => {
    expect(await mistake(resolveTarget({ host }, {}, empty))).toContain("--host takes a host name");
  });

  test("a port to listen on is not one to connect to", async () => {
    expect(await mistake(resolveTarget({}, { RINGMASTER_PORT: "0" }, empty))).toContain(
      "RINGMASTER_PORT",
    );
  });

  test("a cluster that is no name", async () => {
    expect(await mistake(resolveTarget({ cluster: "eu.pusher.com" }, {}, empty))).toContain(
      "--cluster",
    );
  });
});
