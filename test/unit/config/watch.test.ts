import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdir, rename, rm, symlink, unlink, writeFile } from "node:fs/promises";
import type { ConfigInputs } from "../../../src/ops/config/load.ts";
import type { ConfigError } from "../../../src/ops/config/problem.ts";
import { stampOf } from "../../../src/ops/config/file-stamp.ts";
import type { TlsMaterial } from "../../../src/ops/config/tls-material.ts";
import { type ConfigChanges, ConfigWatcher } from "../../../src/ops/config/watch.ts";
import type { App } from "../../../src/protocol/app.ts";
import { CERTIFICATE, OTHER_CERTIFICATE, OTHER_PRIVATE_KEY, PRIVATE_KEY } from "./certificates.ts";
import { ONE_APP, Workspace } from "./workspace.ts";

const WITH_HEADER = `${ONE_APP}    webhooks:
      - { url: "https://a.example", headers: { authorization: { file: token } } }
`;

let workspace: Workspace;
beforeEach(async () => {
  workspace = await Workspace.create();
});
afterEach(async () => {
  await workspace.remove();
});

/** Remembers what a watcher tells, as short texts in order. */
class Heard implements ConfigChanges {
  readonly all: string[] = [];
  lastApps: readonly App[] = [];
  lastTls: TlsMaterial | undefined;

  apps(apps: readonly App[]): void {
    this.lastApps = apps;
    this.all.push(`apps ${apps.map(({ id }) => id).join(",")}`);
  }
  tls(material: TlsMaterial): void {
    this.lastTls = material;
    this.all.push("tls");
  }
  restartNeeded(fields: readonly string[]): void {
    this.all.push(`restart ${fields.join(",")}`);
  }
  refused({ problems }: ConfigError): void {
    this.all.push(`refused ${problems.map(({ path }) => path).join(",")}`);
  }
  recovered(): void {
    this.all.push("recovered");
  }
  failed(error: unknown): void {
    this.all.push(`failed ${String(error)}`);
  }
}

async function watching(inputs: Partial<ConfigInputs> = {}) {
  const all = { file: "ringmaster.yaml", ...inputs };
  const heard = new Heard();
  let loads = 0;
  const watcher = new ConfigWatcher(await workspace.load(all), {
    load: async () => {
      loads++;
      return await workspace.load(all);
    },
    changes: heard,
  });
  return { watcher, heard, loads: () => loads };
}

const app = (id: string, rest = "") =>
  `  - { id: "${id}", keys: [{ key: k${id}, secret: s${id} }]${rest} }\n`;

describe("poll", () => {
  test("of files that did not change loads nothing", async () => {
    await workspace.write("ringmaster.yaml", ONE_APP);
    const { watcher, heard, loads } = await watching();
    await watcher.poll();
    await writeFile(workspace.path("ringmaster.yaml"), ONE_APP);
    await watcher.poll();
    expect([loads(), heard.all]).toEqual([0, []]);
  });

  test("brings changed apps into force", async () => {
    await workspace.write("ringmaster.yaml", `apps:\n${app("1")}`);
    const { watcher, heard } = await watching();
    await workspace.write("ringmaster.yaml", `apps:\n${app("1")}${app("2")}`);
    await watcher.poll();
    expect(heard.all).toEqual(["apps 1,2"]);
    expect(heard.lastApps[1]?.keys[0]?.secret).toBe("s2");
  });

  test("brings changed webhooks into force, also one whose header's file changed", async () => {
    await workspace.write("token", "one");
    await workspace.write("ringmaster.yaml", WITH_HEADER);
    const { watcher, heard } = await watching();
    await workspace.write("token", "two");
    await watcher.poll();
    expect(heard.lastApps[0]?.webhooks[0]?.headers).toEqual({ authorization: "two" });
    await workspace.write("ringmaster.yaml", `${ONE_APP}    batchWebhooks: false\n`);
    await watcher.poll();
    expect(heard.lastApps[0]).toMatchObject({ webhooks: [], batchWebhooks: false });
    expect(heard.all).toEqual(["apps 1", "apps 1"]);
  });

  test("keeps webhooks in force while the file of a header is empty or gone", async () => {
    await workspace.write("token", "one");
    await workspace.write("ringmaster.yaml", WITH_HEADER);
    const { watcher, heard } = await watching();
    await workspace.write("token", "");
    await watcher.poll();
    await rm(workspace.path("token"));
    await watcher.poll();
    await workspace.write("token", "one");
    await watcher.poll();
    const refused = "refused apps[0].webhooks[0].headers";
    expect(heard.all).toEqual([refused, refused, "recovered"]);
  });

  test("tells that a restart is needed for roles, a token and the sender's certificates", async () => {
    const sender = "sender: { caFile: ca.pem, certFile: cert.pem, keyFile: key.pem }\n";
    const token = "ops: { adminToken: { file: token } }\n";
    await workspace.write("token", "0123456789abcdef");
    await workspace.write("ca.pem", CERTIFICATE);
    await workspace.write("cert.pem", CERTIFICATE);
    await workspace.write("key.pem", PRIVATE_KEY);
    await workspace.write("ringmaster.yaml", `${sender}${token}${ONE_APP}`);
    const { watcher, heard } = await watching();
    // The same in another order is the same.
    await workspace.write(
      "ringmaster.yaml",
      `roles: sender, packager, channels\n${sender}${token}${ONE_APP}`,
    );
    await watcher.poll();
    expect(heard.all).toEqual([]);
    await workspace.write("ringmaster.yaml", `roles: sender\n${sender}${token}${ONE_APP}`);
    await watcher.poll();
    await workspace.write("token", "another0123456789");
    await watcher.poll();
    await workspace.write("ca.pem", OTHER_CERTIFICATE);
    await watcher.poll();
    await workspace.write("cert.pem", OTHER_CERTIFICATE);
    await workspace.write("key.pem", OTHER_PRIVATE_KEY);
    await watcher.poll();
    expect(heard.all).toEqual([
      "restart roles",
      "restart ops.adminToken,roles",
      "restart ops.adminToken,roles,sender.caFile",
      "restart ops.adminToken,roles,sender.caFile,sender.certFile,sender.keyFile",
    ]);
  });

  test("says nothing of a change that changes nothing", async () => {
    await workspace.write("ringmaster.yaml", `apps:\n${app("1")}`);
    const { watcher, heard, loads } = await watching();
    await workspace.write("ringmaster.yaml", `# a comment\napps:\n${app("1", ", enabled: true")}`);
    await watcher.poll();
    expect([loads(), heard.all]).toEqual([1, []]);
  });

  describe("of a file whose stamp is as before", () => {
    const changedBehindStamp = async (isSettled: boolean) => {
      await workspace.write("ringmaster.yaml", `apps:\n${app("1")}`);
      const load = () => workspace.load({ file: "ringmaster.yaml" });
      const heard = new Heard();
      const sameStamp = () => Promise.resolve({ text: "as before", isSettled });
      const watcher = new ConfigWatcher(await load(), { load, changes: heard, stampOf: sameStamp });
      await watcher.poll();
      await workspace.write("ringmaster.yaml", `apps:\n${app("2")}`);
      await watcher.poll();
      return heard.all;
    };

    test("reads it while two writes may fall within one tick of the file system's clock", async () => {
      expect(await changedBehindStamp(false)).toEqual(["apps 2"]);
    });

    test("spares reading it once the stamp is old enough to be believed", async () => {
      expect(await changedBehindStamp(true)).toEqual([]);
    });

    test("a stamp that was just made is not believed, nor that of a file that is not there", async () => {
      const path = await workspace.write("fresh", "");
      expect((await stampOf(path)).isSettled).toBeFalse();
      expect((await stampOf(workspace.path("gone"))).isSettled).toBeFalse();
      expect((await stampOf(process.execPath)).isSettled).toBeTrue();
    });
  });

  test("sees a change made between the first load and the first look", async () => {
    await workspace.write("ringmaster.yaml", `apps:\n${app("1")}`);
    const started = await workspace.load({ file: "ringmaster.yaml" });
    await workspace.write("ringmaster.yaml", `apps:\n${app("2")}`);
    const heard = new Heard();
    const load = () => workspace.load({ file: "ringmaster.yaml" });
    await new ConfigWatcher(started, { load, changes: heard }).poll();
    expect(heard.all).toEqual(["apps 2"]);
  });

  test("follows an editor that puts a new file in the place of the old one, or removes it first", async () => {
    await workspace.write("ringmaster.yaml", `apps:\n${app("1")}`);
    const { watcher, heard } = await watching();
    await workspace.write("draft", `apps:\n${app("2")}`);
    await rename(workspace.path("draft"), workspace.path("ringmaster.yaml"));
    await watcher.poll();
    await unlink(workspace.path("ringmaster.yaml"));
    await watcher.poll();
    await watcher.poll();
    await workspace.write("ringmaster.yaml", `apps:\n${app("3")}`);
    await watcher.poll();
    expect(heard.all).toEqual(["apps 2", "refused ringmaster.yaml", "recovered", "apps 3"]);
  });

  test("follows Kubernetes, which turns a symbolic link above the files", async () => {
    const mount = async (version: string, id: string, secret: string) => {
      await mkdir(workspace.path(`etc/${version}`), { recursive: true });
      await workspace.write(
        `etc/${version}/ringmaster.yaml`,
        `apps:\n  - { id: "${id}", keys: [{ key: k, secret: { file: secret } }] }\n`,
      );
      await workspace.write(`etc/${version}/secret`, secret);
      await symlink(version, workspace.path("etc/..data_tmp"));
      await rename(workspace.path("etc/..data_tmp"), workspace.path("etc/..data"));
    };
    await mount("..2026_01", "1", "a");
    await symlink("..data/ringmaster.yaml", workspace.path("etc/ringmaster.yaml"));
    await symlink("..data/secret", workspace.path("etc/secret"));
    const { watcher, heard } = await watching({ file: "etc/ringmaster.yaml" });

    // The same configuration file with another secret.
    await mount("..2026_02", "1", "b");
    await rm(workspace.path("etc/..2026_01"), { recursive: true });
    await watcher.poll();
    expect(heard.all).toEqual(["apps 1"]);
    expect(heard.lastApps[0]?.keys[0]?.secret).toBe("b");

    await mount("..2026_03", "2", "b");
    await watcher.poll();
    expect(heard.all).toEqual(["apps 1", "apps 2"]);
  });

  test("keeps what is in force when the new content is wrong, and tells each wrong content once", async () => {
    await workspace.write("ringmaster.yaml", `apps:\n${app("1")}`);
    const { watcher, heard, loads } = await watching();
    await workspace.write("ringmaster.yaml", "apps: []");
    await watcher.poll();
    await watcher.poll();
    await watcher.poll();
    expect([loads(), heard.all]).toEqual([1, ["refused apps"]]);
    await workspace.write("ringmaster.yaml", "apps: [ ]");
    await watcher.poll();
    await workspace.write("ringmaster.yaml", `apps:\n${app("1")}`);
    await watcher.poll();
    expect(heard.all).toEqual(["refused apps", "refused apps", "recovered"]);
  });

  test("waits for a secret's file that is not there yet", async () => {
    await workspace.write("ringmaster.yaml", ONE_APP);
    const { watcher, heard } = await watching();
    await workspace.write(
      "ringmaster.yaml",
      ONE_APP.replace("secret: s1", "secret: { file: late }"),
    );
    await watcher.poll();
    await watcher.poll();
    await workspace.write("late", "here\n");
    await watcher.poll();
    expect(heard.all).toEqual(["refused apps[0].keys[0].secret", "recovered", "apps 1"]);
    expect(heard.lastApps[0]?.keys[0]?.secret).toBe("here");
  });

  test("names the fields that wait for a restart, once, and takes the apps all the same", async () => {
    await workspace.write("ringmaster.yaml", `port: 1\napps:\n${app("1")}`);
    const { watcher, heard } = await watching();
    await workspace.write("ringmaster.yaml", `port: 2\nlog: { level: warn }\napps:\n${app("2")}`);
    await watcher.poll();
    await workspace.write("ringmaster.yaml", `port: 3\nlog: { level: warn }\napps:\n${app("2")}`);
    await watcher.poll();
    await workspace.write("ringmaster.yaml", `port: 1\napps:\n${app("2")}`);
    await watcher.poll();
    expect(heard.all).toEqual(["apps 2", "restart port,log.level", "restart "]);
  });

  test("refuses apps that contradict the settings the process runs with, though the file is right", async () => {
    await workspace.write("ringmaster.yaml", `apps:\n${app("1")}`);
    const { watcher, heard } = await watching();
    await workspace.write(
      "ringmaster.yaml",
      `websocket: { maxFrameBytes: 262144 }\nhttp: { maxBodyBytes: 2000000 }\napps:\n${app("1", ", limits: { eventBytes: 20000 }")}`,
    );
    await watcher.poll();
    expect(heard.all).toEqual([
      "refused websocket.maxFrameBytes,http.maxBodyBytes",
      "restart websocket.maxFrameBytes,http.maxBodyBytes",
    ]);
    await workspace.write("ringmaster.yaml", `apps:\n${app("2")}`);
    await watcher.poll();
    expect(heard.all.slice(2)).toEqual(["recovered", "apps 2", "restart "]);
  });

  test("hands over a new certificate only together with its key", async () => {
    await workspace.write("cert.pem", CERTIFICATE);
    await workspace.write("key.pem", PRIVATE_KEY);
    await workspace.write(
      "ringmaster.yaml",
      `tls: { port: 2, certFile: cert.pem, keyFile: key.pem }\n${ONE_APP}`,
    );
    const { watcher, heard } = await watching();
    await workspace.write("cert.pem", OTHER_CERTIFICATE);
    await watcher.poll();
    await watcher.poll();
    expect(heard.all).toEqual(["refused tls.keyFile"]);
    await workspace.write("key.pem", OTHER_PRIVATE_KEY);
    await watcher.poll();
    expect(heard.all).toEqual(["refused tls.keyFile", "recovered", "tls"]);
    expect(heard.lastTls).toEqual({
      cert: OTHER_CERTIFICATE,
      key: OTHER_PRIVATE_KEY,
      ca: undefined,
    });
  });

  test("does not take a certificate from another path before a restart", async () => {
    await workspace.write("cert.pem", CERTIFICATE);
    await workspace.write("key.pem", PRIVATE_KEY);
    await workspace.write("cert2.pem", OTHER_CERTIFICATE);
    await workspace.write("key2.pem", OTHER_PRIVATE_KEY);
    const yaml = `tls: { port: 2, certFile: cert.pem, keyFile: key.pem }\n${ONE_APP}`;
    await workspace.write("ringmaster.yaml", yaml);
    const { watcher, heard } = await watching();
    await workspace.write(
      "ringmaster.yaml",
      yaml.replace("cert.pem", "cert2.pem").replace("key.pem", "key2.pem"),
    );
    await watcher.poll();
    expect(heard.all).toEqual(["restart tls.certFile,tls.keyFile"]);
  });

  test("looks one after the other, however many are asked for at once", async () => {
    await workspace.write("ringmaster.yaml", `apps:\n${app("1")}`);
    const { watcher, heard, loads } = await watching();
    await workspace.write("ringmaster.yaml", `apps:\n${app("2")}`);
    await Promise.all(Array.from({ length: 10 }, () => watcher.poll()));
    expect([loads(), heard.all]).toEqual([1, ["apps 2"]]);
  });

  test("after a listener threw goes on", async () => {
    await workspace.write("ringmaster.yaml", `apps:\n${app("1")}`);
    const { watcher, heard } = await watching();
    const { apps } = heard;
    heard.apps = () => {
      throw new Error("listener");
    };
    await workspace.write("ringmaster.yaml", `apps:\n${app("2")}`);
    expect(watcher.poll()).rejects.toThrow("listener");
    heard.apps = apps;
    await workspace.write("ringmaster.yaml", `apps:\n${app("3")}`);
    await watcher.poll();
    expect(heard.all).toEqual(["apps 3"]);
  });
});

describe("reload", () => {
  test("loads without a change, and tells a wrong content again", async () => {
    await workspace.write("ringmaster.yaml", ONE_APP);
    const { watcher, heard, loads } = await watching();
    await watcher.reload();
    expect([loads(), heard.all]).toEqual([1, []]);
    await workspace.write("ringmaster.yaml", "apps: []");
    await watcher.reload();
    await watcher.poll();
    await watcher.reload();
    expect([loads(), heard.all]).toEqual([3, ["refused apps", "refused apps"]]);
  });
});

describe("start and close", () => {
  test("the timer looks by itself", async () => {
    await workspace.write("ringmaster.yaml", `apps:\n${app("1")}`);
    const file = "ringmaster.yaml";
    const started = await workspace.load({ file });
    await workspace.write(file, `apps:\n${app("2")}`);
    const heard = new Heard();
    const seen = Promise.withResolvers<readonly App[]>();
    heard.apps = seen.resolve;
    const watcher = new ConfigWatcher(started, {
      load: () => workspace.load({ file }),
      changes: heard,
      intervalMs: 1,
    });
    watcher.start();
    watcher.start();
    expect((await seen.promise).map(({ id }) => id)).toEqual(["2"]);
    watcher.close();
  });

  test("the timer goes on after a listener threw, and tells", async () => {
    await workspace.write("ringmaster.yaml", `apps:\n${app("1")}`);
    const file = "ringmaster.yaml";
    const started = await workspace.load({ file });
    const heard = new Heard();
    const failed = Promise.withResolvers<unknown>();
    const seen = Promise.withResolvers<void>();
    heard.failed = failed.resolve;
    heard.apps = () => {
      heard.apps = () => seen.resolve();
      throw new Error("listener");
    };
    const watcher = new ConfigWatcher(started, {
      load: () => workspace.load({ file }),
      changes: heard,
      intervalMs: 1,
    });
    watcher.start();
    await workspace.write(file, `apps:\n${app("2")}`);
    expect(String(await failed.promise)).toBe("Error: listener");
    await workspace.write(file, `apps:\n${app("3")}`);
    await seen.promise;
    watcher.close();
  });

  test("after close nothing is loaded and nothing told, not even by a load that was under way", async () => {
    await workspace.write("ringmaster.yaml", ONE_APP);
    const started = await workspace.load({ file: "ringmaster.yaml" });
    const heard = new Heard();
    const loading = Promise.withResolvers<void>();
    const goOn = Promise.withResolvers<void>();
    let loads = 0;
    const watcher = new ConfigWatcher(started, {
      async load() {
        loads++;
        loading.resolve();
        await goOn.promise;
        return await workspace.loadYaml(`apps:\n${app("2")}`);
      },
      changes: heard,
    });
    const reload = watcher.reload();
    await loading.promise;
    watcher.close();
    goOn.resolve();
    await reload;
    await watcher.reload();
    await watcher.poll();
    expect([loads, heard.all]).toEqual([1, []]);
  });

  test("a watcher that nobody closes keeps no process alive", async () => {
    const module = (name: string) =>
      JSON.stringify(new URL(`../../../src/ops/config/${name}`, import.meta.url).pathname);
    const script = `
      import { loadConfig } from ${module("load.ts")};
      import { ConfigWatcher } from ${module("watch.ts")};
      const env = { RINGMASTER_APP_KEY: "k", RINGMASTER_APP_SECRET: "s" };
      const load = () => loadConfig({ env });
      new ConfigWatcher(await load(), { load, changes: {}, intervalMs: 60_000 }).start();
      console.log("started");
    `;
    const child = Bun.spawn([process.execPath, "-e", script], {
      stdout: "pipe",
      cwd: workspace.folder,
    });
    expect(await child.exited).toBe(0);
    expect(await child.stdout.text()).toBe("started\n");
  });
});
