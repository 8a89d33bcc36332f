import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { whyNoHelm } from "./support/helm.ts";
import { ONE_APP, Release } from "./support/release.ts";

// What templates/_derived.tpl derives, said a second time in another way: as what must hold, whatever the values.
describe.skipIf(whyNoHelm() !== undefined)("the numbers that follow from others", () => {
  const appsWith = (...timeoutsMs: readonly (number | undefined)[]): object => ({
    config: {
      apps: timeoutsMs.map((timeoutMs, index) => ({
        id: String(index),
        keys: [{ key: `key-${index}`, secret: "secret" }],
        webhooks: [
          {
            url: `https://example.com/${index}`,
            ...(timeoutMs === undefined ? {} : { timeoutMs }),
          },
        ],
      })),
    },
  });

  test("of channels, by default", () => {
    const release = Release.of(ONE_APP);
    const { spec } = release.deployment("channels");
    expect(release.environment("channels")).toMatchObject({
      RINGMASTER_ROLES: "channels",
      RINGMASTER_DRAIN_NOTICE_MS: "5000",
      RINGMASTER_DRAIN_WINDOW_MS: "60000",
      RINGMASTER_DRAIN_DEADLINE_MS: "95000",
    });
    expect(spec.template.spec.containers[0].lifecycle?.preStop.sleep.seconds).toBe(5);
    expect(spec.template.spec.terminationGracePeriodSeconds).toBe(105);
    expect(spec.minReadySeconds).toBe(60);
    expect(spec.strategy.rollingUpdate).toEqual({ maxSurge: 1, maxUnavailable: 0 });
  });

  test("of packagers and senders, by default", () => {
    const release = Release.of(ONE_APP);
    for (const [part, deadlineMs, graceSeconds] of [
      ["packager", "22000", 27],
      ["sender", "12000", 17],
    ] as const) {
      const { containers, terminationGracePeriodSeconds } =
        release.deployment(part).spec.template.spec;
      expect(release.environment(part)).toMatchObject({
        RINGMASTER_ROLES: part,
        RINGMASTER_DRAIN_NOTICE_MS: "0",
        RINGMASTER_DRAIN_WINDOW_MS: "0",
        RINGMASTER_DRAIN_DEADLINE_MS: deadlineMs,
      });
      expect(containers[0].lifecycle).toBeUndefined();
      expect(terminationGracePeriodSeconds).toBe(graceSeconds);
    }
    expect(release.environment("sender")["RINGMASTER_SENDER_STOP_TIMEOUT_MS"]).toBe("5000");
  });

  test("of channels, whatever the drain", () => {
    const drains = fc.record({
      preStopSeconds: fc.integer({ min: 0, max: 300 }),
      noticeSeconds: fc.integer({ min: 0, max: 300 }),
      windowSeconds: fc.integer({ min: 1, max: 21_600 }),
      overrunSeconds: fc.integer({ min: 5, max: 600 }),
    });
    fc.assert(
      fc.property(drains, (drain) => {
        const release = Release.of(ONE_APP, {
          channels: { drain, autoscaling: { engine: "hpa" } },
        });
        const { spec } = release.deployment("channels");
        const environment = release.environment("channels");
        const ms = (name: string): number => Number(environment[`RINGMASTER_DRAIN_${name}_MS`]);
        const sleep = spec.template.spec.containers[0].lifecycle?.preStop.sleep.seconds ?? 0;
        const graceMs = (spec.template.spec.terminationGracePeriodSeconds ?? 0) * 1_000;
        const window = drain.windowSeconds;

        expect(ms("NOTICE")).toBe(drain.noticeSeconds * 1_000);
        expect(ms("WINDOW")).toBe(window * 1_000);
        expect(ms("DEADLINE") - ms("NOTICE") - ms("WINDOW")).toBe(drain.overrunSeconds * 1_000);
        // Kubernetes counts the sleep as well, and must not kill what is still within its own deadline.
        expect(graceMs - sleep * 1_000 - ms("DEADLINE")).toBe(5_000);
        // The next pod's window begins no earlier than this one's ends.
        expect(spec.minReadySeconds).toBe(window);
        expect(spec.progressDeadlineSeconds).toBeGreaterThan(window + 300);
        // The longest that the API takes.
        const { scaleDown } = (
          release.one("HorizontalPodAutoscaler", "-channels") as unknown as {
            spec: {
              behavior: { scaleDown: { policies: { periodSeconds: number; value: number }[] } };
            };
          }
        ).spec.behavior;
        expect(scaleDown.policies).toEqual([
          expect.objectContaining({ value: 1, periodSeconds: Math.min(1_800, window + 60) }),
        ]);
      }),
      { numRuns: 25 },
    );
  });

  test("a sender outlives the longest request that any webhook allows", () => {
    const timeouts = fc.array(
      fc.option(fc.integer({ min: 100, max: 30_000 }), { nil: undefined }),
      {
        minLength: 1,
        maxLength: 4,
      },
    );
    fc.assert(
      fc.property(timeouts, (timeoutsMs) => {
        const release = Release.of(appsWith(...timeoutsMs));
        const environment = release.environment("sender");
        const stopMs = Number(environment["RINGMASTER_SENDER_STOP_TIMEOUT_MS"]);
        const deadlineMs = Number(environment["RINGMASTER_DRAIN_DEADLINE_MS"]);
        const { terminationGracePeriodSeconds } = release.deployment("sender").spec.template.spec;
        const longestMs = Math.max(4_000, ...timeoutsMs.map((ms) => ms ?? 4_000));
        expect(stopMs).toBe(longestMs + 1_000);
        // 5 s to settle, 2 s to leave Redis.
        expect(deadlineMs).toBe(stopMs + 7_000);
        expect(terminationGracePeriodSeconds).toBe(Math.ceil(deadlineMs / 1_000) + 5);
      }),
      { numRuns: 15 },
    );
  });

  test("where the configuration cannot be seen, a webhook may take as long as any may", () => {
    const release = Release.of({ existingConfigSecret: "mine" });
    expect(release.environment("sender")["RINGMASTER_SENDER_STOP_TIMEOUT_MS"]).toBe("31000");
    const told = Release.of({
      existingConfigSecret: "mine",
      sender: { longestWebhookTimeoutMs: 8_000 },
    });
    expect(told.environment("sender")["RINGMASTER_SENDER_STOP_TIMEOUT_MS"]).toBe("9000");
  });

  test("the packager has time for its four calls to a slow Redis", () => {
    const release = Release.of(appsWith(4_000), {
      config: { redis: { commandTimeoutMs: 12_345 } },
    });
    expect(release.environment("packager")["RINGMASTER_DRAIN_DEADLINE_MS"]).toBe(
      String(4 * 12_345 + 2_000),
    );
    expect(release.deployment("packager").spec.template.spec.terminationGracePeriodSeconds).toBe(
      52 + 5,
    );
  });

  test("an idle socket outlives the timeouts of the proxies", () => {
    for (const [activityTimeoutMs, seconds] of [
      [undefined, "130"],
      [300_000, "310"],
    ] as const) {
      const websocket = activityTimeoutMs === undefined ? {} : { activityTimeoutMs };
      const ingress = (controller: string): Record<string, string> =>
        Release.of(appsWith(4_000), {
          config: { websocket },
          ingress: { enabled: true, hosts: ["ws.example.com"], controller },
        }).one("Ingress").metadata.annotations ?? {};
      expect(ingress("nginx")).toMatchObject({
        "nginx.ingress.kubernetes.io/proxy-read-timeout": seconds,
        "nginx.ingress.kubernetes.io/proxy-send-timeout": seconds,
      });
      expect(ingress("alb")["alb.ingress.kubernetes.io/load-balancer-attributes"]).toBe(
        `idle_timeout.timeout_seconds=${seconds}`,
      );
      expect(ingress("other")).toEqual({});
    }
  });

  test.each([
    [{}, "0"],
    [{ ingress: { enabled: true, hosts: ["x.example.com"] } }, "1"],
    [{ gateway: { enabled: true, parentRefs: [{ name: "x" }] } }, "1"],
    [{ ingress: { enabled: true, hosts: ["x.example.com"] }, proxy: { trustedHops: 2 } }, "2"],
    [{ gateway: { enabled: true, parentRefs: [{ name: "x" }] }, proxy: { trustedHops: 0 } }, "0"],
    [{ proxy: { trustedHops: 1 } }, "1"],
  ])("with %j, %s proxies are believed", (values, hops) => {
    expect(Release.of(ONE_APP, values).environment("channels")).toMatchObject({
      RINGMASTER_PROXY_TRUSTED_HOPS: hops,
    });
  });

  test.each([
    [{ url: "redis://redis.internal" }, [], [6379]],
    [{ url: "rediss://redis.internal:6380/2" }, [], [6380]],
    [{ url: "redis://[fd00::1]:7000" }, [], [7000]],
    [{ clusterNodes: ["a:7001", "b:7002", "c:7001"] }, [], [7001, 7002]],
    [{ sentinelNodes: ["a:26379"], sentinelPrimaryName: "m" }, [], [26379, 6379]],
    [{ existingSecret: { name: "redis", urlKey: "url" } }, [], [6379]],
    [{ existingSecret: { name: "redis", urlKey: "url" } }, [6390], [6390]],
  ])("with the Redis %j and redisPorts %j, egress goes to %j", (redis, redisPorts, ports) => {
    const release = Release.of(ONE_APP, {
      redis: { bundled: { enabled: false }, ...redis },
      networkPolicy: { redisPorts },
    });
    const { egress } = (
      release.one("NetworkPolicy", "-packager") as unknown as {
        spec: { egress: { to?: unknown; ports: { port: number }[] }[] };
      }
    ).spec;
    expect(egress.at(-1)?.to).toBeUndefined();
    expect(egress.at(-1)?.ports.map(({ port }) => port)).toEqual(ports);
  });

  describe("a change of the configuration", () => {
    const checksums = (config: object): Record<string, string | undefined> => {
      const release = Release.of(appsWith(4_000), { config });
      return Object.fromEntries(
        ["channels", "packager", "sender"].map((part) => [
          part,
          release.deployment(part).spec.template.metadata.annotations?.["checksum/config"],
        ]),
      );
    };
    const restartedBy = (config: object): string[] => {
      const [before, after] = [checksums({}), checksums(config)];
      return Object.keys(before).filter((part) => before[part] !== after[part]);
    };

    test.each([
      [{ apps: [{ id: "9", keys: [{ key: "other", secret: "other" }] }] }, []],
      [{ log: { level: "debug" } }, ["channels", "packager", "sender"]],
      [{ redis: { keyPrefix: "other" } }, ["channels", "packager", "sender"]],
      [{ sender: { slots: 100 } }, ["sender"]],
      [{ websocket: { pingAfterMs: 30_000 } }, ["channels"]],
      [{ maxConnections: 5_000 }, ["channels"]],
    ])("%j restarts %j", (config, parts) => {
      expect(restartedBy(config)).toEqual(parts);
    });

    test("another app restarts nothing at all", () => {
      const pods = (...timeouts: number[]): unknown =>
        Release.of(appsWith(...timeouts))
          .all("Deployment")
          .map(({ spec }) => spec);
      expect(pods(4_000, 2_000)).toEqual(pods(4_000));
      expect(pods(4_000, 5_000)).not.toEqual(pods(4_000));
    });
  });
});
