import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { chmod, lstat, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import lock from "../../package-lock.json" with { type: "json" };
import manifest from "../../package.json" with { type: "json" };
import type { PackageLock } from "../../deploy/image/bill-of-materials.ts";
import { Container, type ContainerOptions } from "./support/container.ts";
import { ImageStore, whyNoImages, type ImageConfig } from "./support/store.ts";

const TAG = "localhost/ringmaster:under-test";
const BUILD_TIMEOUT_MS = 300_000;
const RUN_TIMEOUT_MS = 60_000;
const KEY = "8f2c1d0e9b7a6f5e4d3c";
const APPS = { apps: [{ id: "1", keys: [{ key: KEY, secret: "a-secret-of-the-image-test" }] }] };

const reason = whyNoImages();
if (reason !== undefined) console.warn(`image: skipped, for ${reason}`);

describe.skipIf(reason !== undefined)("The image", () => {
  let store: ImageStore;
  let root: string;
  let config: ImageConfig;
  let configurations: string;

  beforeAll(async () => {
    store = await ImageStore.make();
    await store.build(TAG);
    config = await store.config(TAG);
    root = await store.open(TAG);
    configurations = join(store.folder, "configurations");
    await mkdir(configurations);
    await chmod(store.folder, 0o755);
  }, BUILD_TIMEOUT_MS);

  afterAll(() => store?.remove());

  async function started(options: Partial<ContainerOptions>): Promise<Container> {
    return await Container.start({ root, config, folder: store.folder, ...options });
  }

  /** Ready to serve one app on ports that the system chose. */
  async function server(
    settings: object = {},
  ): Promise<{ container: Container; port: number; opsPort: number }> {
    const [port, opsPort] = await freePorts(2);
    await writeFile(
      join(configurations, "ringmaster.json"),
      JSON.stringify({ ...APPS, port, ops: { port: opsPort }, ...settings }),
    );
    const container = await started({
      command: ["serve", "--config", "/etc/ringmaster/ringmaster.json"],
      mounts: { "/etc/ringmaster": configurations },
    });
    await until(() => answers(`http://127.0.0.1:${opsPort}/readyz`), container);
    return { container, port: port!, opsPort: opsPort! };
  }

  test("tells its version, its revision, its user and its ports", () => {
    expect(config.User).toBe("65532:65532");
    expect(Object.keys(config.ExposedPorts).toSorted()).toEqual(["6001/tcp", "9601/tcp"]);
    expect(config.StopSignal).toBe("SIGTERM");
    expect(config.Labels["org.opencontainers.image.version"]).toBe(manifest.version);
    expect(config.Labels["org.opencontainers.image.revision"]).toMatch(/^[0-9a-f]{40}(-changed)?$/);
    expect(config.Labels["org.opencontainers.image.licenses"]).toBe(manifest.license);
  });

  test("holds nothing that could be run but Ringmaster and what loads it, and nothing with a set-user bit", async () => {
    const programs: string[] = [];
    for await (const path of filesIn(root)) {
      const { mode } = await lstat(path);
      expect([path, mode & 0o6000]).toEqual([path, 0]);
      if ((mode & 0o111) !== 0) programs.push(relative(root, path));
    }
    const own = programs.filter((path) => !/^(usr\/)?lib(64)?\//.test(path));
    expect(own).toEqual(["usr/local/bin/ringmaster"]);
    expect(existsSync(join(root, "bin/sh"))).toBe(false);
  });

  test("carries its bill of materials, with every library and every package", async () => {
    const bill = JSON.parse(
      await readFile(join(root, "usr/share/sbom/ringmaster.cdx.json"), "utf8"),
    ) as { bomFormat: string; components: { name: string; version: string; purl: string }[] };
    expect(bill.bomFormat).toBe("CycloneDX");
    const listed = new Set(bill.components.map(({ name, version }) => `${name}@${version}`));
    for (const [name, version] of Object.entries(manifest.dependencies))
      expect(listed).toContain(`${name}@${version}`);
    for (const [path, { dev, version }] of Object.entries((lock as PackageLock).packages)) {
      const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
      if (path !== "" && dev !== true && existsSync(path))
        expect(listed).toContain(`${name}@${version}`);
    }
    expect(bill.components.filter(({ purl }) => purl.startsWith("pkg:deb/")).length).toBe(4);
    expect(bill.components.some(({ name }) => name === "typescript")).toBe(false);
  });

  test(
    "tells its version as its own command",
    async () => {
      const container = await started({ command: ["--version"] });
      expect([await container.exited, (await container.stdout).trim()]).toEqual([
        0,
        manifest.version,
      ]);
    },
    RUN_TIMEOUT_MS,
  );

  test(
    "serves sockets on a read-only root without a capability, and drains on SIGTERM as process 1",
    async () => {
      const { container, port } = await server({
        drain: { noticeMs: 0, windowMs: 0, deadlineMs: 5_000 },
      });
      try {
        const socket = new WebSocket(`ws://127.0.0.1:${port}/app/${KEY}?protocol=7`);
        const greeting = await new Promise<string>((resolve, reject) => {
          socket.addEventListener("message", ({ data }) => resolve(String(data)), { once: true });
          socket.addEventListener("error", () => reject(new Error("no connection")));
        });
        expect(JSON.parse(greeting)).toMatchObject({ event: "pusher:connection_established" });
        const closed = new Promise<number>((resolve) => {
          socket.addEventListener("close", ({ code }) => resolve(code));
        });
        await container.kill("TERM");
        expect(await closed).toBe(4200);
        expect(await container.exited).toBe(0);
      } finally {
        await container.remove();
      }
    },
    RUN_TIMEOUT_MS,
  );

  test(
    "says what is missing when it has no folder to write to",
    async () => {
      const container = await started({ command: ["serve"] });
      expect(await container.exited).toBe(1);
      expect((await container.stdout) + (await container.stderr)).toContain("/var/lib/ringmaster");
    },
    RUN_TIMEOUT_MS,
  );

  test(
    "is the same when it is built again",
    async () => {
      const again = `${TAG}-again`;
      const archive = join(store.folder, "again.tar");
      const bill = join(store.folder, "again.json");
      const told = await store.build(again, "--archive", archive, "--sbom", bill);
      expect(told).toContain(again);
      expect(existsSync(archive)).toBe(true);
      expect(await readFile(bill)).toEqual(
        await readFile(join(root, "usr/share/sbom/ringmaster.cdx.json")),
      );
      const second = await store.open(again);
      for await (const path of filesIn(root)) {
        const other = join(second, relative(root, path));
        expect([path, Buffer.compare(await readFile(path), await readFile(other))]).toEqual([
          path,
          0,
        ]);
      }
    },
    BUILD_TIMEOUT_MS,
  );
});

async function* filesIn(folder: string): AsyncGenerator<string> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesIn(path);
    else if (entry.isFile()) yield path;
  }
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () =>
    Bun.serve({ port: 0, fetch: () => new Response() }),
  );
  const ports = servers.map(({ port }) => port!);
  await Promise.all(servers.map((server) => server.stop(true)));
  return ports;
}

function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    ({ ok }) => ok,
    () => false,
  );
}

/** Waits for the condition; a container that has ended meanwhile is why it will not come. */
async function until(condition: () => Promise<boolean>, container: Container): Promise<void> {
  let hasEnded = false;
  void container.exited.then(() => (hasEnded = true));
  while (!(await condition())) {
    if (hasEnded) throw new Error(`It ended: ${await container.stdout}${await container.stderr}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
