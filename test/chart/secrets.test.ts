import { describe, expect, test } from "bun:test";
import { VALUE_FILES, whyNoHelm } from "./support/helm.ts";
import { notesOf } from "./support/notes.ts";
import { type Container, ONE_APP, Release } from "./support/release.ts";

const SECRET = "3f9a-not-to-be-seen";

describe.skipIf(whyNoHelm() !== undefined)("secrets", () => {
  const values = {
    config: {
      apps: [
        {
          id: "1",
          keys: [{ key: "key", secret: `${SECRET}-1` }],
          webhooks: [{ url: "https://example.com/", headers: { authorization: `${SECRET}-2` } }],
        },
      ],
    },
  };

  test("of the values stand in one Secret and nowhere else", () => {
    const { manifests } = Release.of(values);
    const holders = manifests.filter((manifest) => JSON.stringify(manifest).includes(SECRET));
    expect(holders.map(({ kind, metadata }) => [kind, metadata.name])).toEqual([
      ["Secret", "rm-ringmaster-config"],
    ]);
    expect(JSON.stringify(holders)).toContain(`${SECRET}-1`);
    expect(JSON.stringify(holders)).toContain(`${SECRET}-2`);
  });

  test("are not told in the notes", () => {
    expect(notesOf(values)).not.toContain(SECRET);
  });

  test("that exist are named, not made", () => {
    for (const file of VALUE_FILES) {
      const made = Release.ofFile(file).all("Secret");
      expect(made.every(({ metadata }) => metadata.name === "rm-ringmaster-config")).toBe(true);
    }
    expect(Release.ofFile("external-redis").all("Secret")).toEqual([]);
  });

  test("reach the rings as variables and files", () => {
    const release = Release.ofFile("production");
    for (const part of ["channels", "packager", "sender"]) {
      const container: Container = release.container(part);
      const env: readonly object[] = container.env;
      const volumeMounts: readonly object[] = container.volumeMounts;
      expect(env).toContainEqual(
        reference("RINGMASTER_OPS_ADMIN_TOKEN", "ringmaster-admin", "token"),
      );
      expect(env).toContainEqual(reference("RINGMASTER_ADMIN_TOKEN", "ringmaster-admin", "token"));
      expect(env).toContainEqual(reference("RINGMASTER_REDIS_URL", "ringmaster-redis", "url"));
      expect(container.envFrom).toEqual([{ secretRef: { name: "shop" } }]);
      expect(volumeMounts).toContainEqual({
        name: "secret-0",
        mountPath: "/run/secrets/shop",
        readOnly: true,
      });
      const volumes: readonly object[] = release.deployment(part).spec.template.spec.volumes;
      expect(volumes).toContainEqual({
        name: "secret-0",
        secret: { secretName: "shop-webhooks", defaultMode: 0o440 },
      });
    }
  });

  test("of the default app are variables of every ring", () => {
    const env: readonly object[] = Release.of(ONE_APP).container("sender").env;
    expect(env).toContainEqual(reference("RINGMASTER_APP_KEY", "app", "key"));
    expect(env).toContainEqual(reference("RINGMASTER_APP_SECRET", "app", "secret"));
  });

  test("of the configuration are mounted as a folder, which follows the Secret when it changes", () => {
    const volumeMounts: readonly object[] = Release.of(ONE_APP).container("channels").volumeMounts;
    expect(volumeMounts).toEqual([
      { name: "config", mountPath: "/etc/ringmaster", readOnly: true },
    ]);
  });

  function reference(name: string, secret: string, key: string): object {
    return { name, valueFrom: { secretKeyRef: { name: secret, key } } };
  }
});
