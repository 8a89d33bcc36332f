import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { loadConfig, type LoadedConfig } from "../../src/ops/config/load.ts";
import { CertificateAuthority } from "../support/certificate-authority.ts";
import { VALUE_FILES, whyNoHelm } from "./support/helm.ts";
import { type Container, ONE_APP, Release } from "./support/release.ts";

const EXISTING_CONFIG = "apps: [{ id: '1', keys: [{ key: key, secret: secret }] }]\n";

// What `ringmaster config check` and the start of a process do, with the very file and variables that a pod has.
describe.skipIf(whyNoHelm() !== undefined)("Ringmaster takes the configuration", () => {
  let authority: CertificateAuthority;
  let root: string;
  beforeAll(() => {
    authority = new CertificateAuthority();
    root = mkdtempSync(join(tmpdir(), "ringmaster-pod-"));
  });
  afterAll(() => rmSync(root, { recursive: true }));

  const parts = VALUE_FILES.flatMap((file) =>
    ["channels", "packager", "sender", ...(file === "canary" ? ["sender-canary"] : [])].map(
      (part) => [file, part] as const,
    ),
  );
  test.each(parts)("of %s, for %s", async (file, part) => {
    const release = Release.ofFile(file);
    const { settings, redis, apps } = await loaded(release, release.container(part));
    expect(settings.roles).toEqual([part.replace("-canary", "") as "sender"]);
    expect(settings.ops).toMatchObject({ port: 9_601 });
    expect(settings.port).toBe(6_001);
    expect(redis).not.toBeNull();
    expect(apps.length).toBeGreaterThan(0);
  });

  test.each(VALUE_FILES)("of %s, for the doctor", async (file) => {
    const release = Release.ofFile(file);
    const pod = release.one("Pod", "-doctor") as unknown as { spec: { containers: [Container] } };
    const [container] = pod.spec.containers;
    expect(container.args).toEqual(["doctor"]);
    expect((await loaded(release, container)).redis).not.toBeNull();
  });

  test("with the very Redis that the values name", async () => {
    const placeOf = async (file: string): Promise<unknown> => {
      const release = Release.ofFile(file);
      const { redis } = await loaded(release, release.container("channels"));
      const { place, tls, username, password } = redis!.settings;
      return { place, hasTls: tls !== null, ca: tls?.ca, username, password };
    };
    expect(await placeOf("default")).toMatchObject({
      place: { mode: "standalone", address: { host: "rm-ringmaster-redis", port: 6_379 } },
      hasTls: false,
    });
    expect(await placeOf("external-redis")).toMatchObject({
      place: { mode: "standalone", address: { host: "redis.internal", port: 6_380 } },
      hasTls: true,
      ca: authority.cert,
      username: "ringmaster",
      password: "secret-redis-password",
    });
    expect(await placeOf("cluster-redis")).toMatchObject({
      place: { mode: "cluster", nodes: [{ host: "redis-0.redis" }, {}, {}] },
      hasTls: true,
    });
    expect(await placeOf("sentinel-redis")).toMatchObject({
      place: { mode: "sentinel", primaryName: "mymaster", database: 3 },
    });
  });

  test("and networks that webhooks may reach", async () => {
    const release = Release.ofFile("gateway");
    const { settings } = await loaded(release, release.container("sender"));
    expect(settings.sender.allowedNetworks).toEqual(["10.20.0.0/16", "fd00:20::/32"]);
    expect(settings.pathPrefix).toBe("/realtime");
  });

  test("and every setting that the values have", async () => {
    const release = Release.ofFile("production");
    const { settings, apps } = await loaded(release, release.container("channels"));
    expect(settings.websocket.sendQueueBytes).toBe(524_288);
    expect(settings.http.maxBodyBytes).toBe(2_097_152);
    expect(settings.deliveryLog.maxAgeMs).toBe(1_209_600_000);
    expect(apps[0]).toMatchObject({
      name: "shop",
      keys: [{ secret: "from-envFrom" }],
      webhooks: [{ timeoutMs: 10_000, headers: { authorization: "a token" } }],
      limits: { connections: 100_000 },
    });
    const other = Release.ofFile("cluster-redis");
    const { redis } = await loaded(other, other.container("sender"));
    expect(redis?.keyPrefix).toBe("ringmaster-shop");
  });

  test("nothing of it is a file that would have to be written", async () => {
    const release = Release.of(ONE_APP);
    const { defaultApp, files } = await loaded(release, release.container("channels"));
    expect(defaultApp?.secretLocation).toBe("RINGMASTER_APP_SECRET");
    expect([...files.keys()].filter((file) => file.includes("default-app"))).toEqual([]);
  });

  /** As a pod sees it: the file at its place below a folder of ours, and something in each Secret that is not the chart's. */
  async function loaded(release: Release, container: Container): Promise<LoadedConfig> {
    const here = (text: string): string =>
      text.replaceAll(/(?<![\w/])\/(etc|run)\//g, `${root}/$1/`);
    const put = (path: string, text: string): void => {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, text);
    };
    const chartHasIt = release.all("Secret").length > 0;
    put(
      `${root}/etc/ringmaster/ringmaster.yaml`,
      chartHasIt ? here(release.configuration) : EXISTING_CONFIG,
    );
    const certificate = authority.issue("DNS:ringmaster");
    put(`${root}/etc/ringmaster-redis/ca.crt`, authority.cert);
    put(`${root}/etc/ringmaster-redis/tls.crt`, certificate.cert);
    put(`${root}/etc/ringmaster-redis/tls.key`, certificate.key);
    put(`${root}/run/secrets/shop/webhook-token`, "a token\n");

    const env: Record<string, string> = { SHOP_SECRET: "from-envFrom" };
    for (const { name, value, valueFrom } of container.env) {
      if (value !== undefined) env[name] = here(value);
      else if (valueFrom !== undefined) env[name] = inSecret(name, valueFrom.secretKeyRef);
    }
    return await loadConfig({ env, folder: root, createDefaultApp: false });
  }

  function inSecret(variable: string, { name, key }: { name: string; key: string }): string {
    if (variable === "RINGMASTER_REDIS_URL") return "rediss://redis.example.com:6379";
    if (variable === "RINGMASTER_REDIS_PASSWORD") return "secret-redis-password";
    if (variable === "RINGMASTER_APP_ID") return "7";
    return `what-${name}-has-at-${key}`;
  }
});
