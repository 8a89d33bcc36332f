import { describe, expect, test } from "bun:test";
import { appFindings } from "../../../../src/cli/doctor/app-findings.ts";
import { databaseFindings } from "../../../../src/cli/doctor/database-findings.ts";
import { finding } from "../../../../src/cli/doctor/finding.ts";
import { doctorReport } from "../../../../src/cli/doctor/report.ts";
import type { App } from "../../../../src/protocol/app.ts";
import type { DatabaseFacts } from "../../../../src/stores/sqlite/inspection.ts";
import { testApp } from "../../../support/apps.ts";
import { testWebhook } from "../../../support/packager-rig.ts";
import { textOf, troublesIn } from "./facts.ts";

const GIB = 1_073_741_824;
const FACTS: DatabaseFacts = {
  file: "/data/ringmaster.db",
  exists: true,
  bytes: 4_096,
  fault: undefined,
  isWritable: true,
  freeBytes: 10 * GIB,
  fileSystem: "other",
};

describe("The embedded store", () => {
  const judged = (changes: Partial<DatabaseFacts>, owesWebhooks = true) =>
    databaseFindings({ ...FACTS, ...changes }, { durability: "process", owesWebhooks });

  test("is well on a local disk with room, made already or not", () => {
    expect(troublesIn(judged({}))).toEqual([]);
    expect(troublesIn(judged({ exists: false }))).toEqual([]);
  });

  test.each([
    [{ fault: "/data/ringmaster.db is damaged" }, "database: problem"],
    [{ isWritable: false }, "database: problem"],
    [{ fileSystem: "network" }, "place: problem"],
    [{ fileSystem: "memory" }, "place: warning"],
    [{ fileSystem: "container-layer" }, "place: warning"],
    [{ freeBytes: GIB - 1 }, "space: warning"],
    [{ freeBytes: 1_000 }, "space: problem"],
  ] as const)("with %j is not", (changes, trouble) => {
    expect(troublesIn(judged(changes))).toEqual([trouble]);
  });

  test("may be what it likes where nothing is owed: memory takes its place", () => {
    expect(troublesIn(judged({ isWritable: false }, false))).toEqual(["database: warning"]);
  });
});

describe("Apps", () => {
  const withWebhook = (changes: Partial<App> = {}): App =>
    testApp({ webhooks: [testWebhook()], ...changes });

  test("with webhooks need a key that is active, to sign them", () => {
    const mute = withWebhook({ id: "7", keys: [{ key: "k", secret: "s", active: false }] });
    const findings = appFindings([withWebhook(), mute], null, false);
    expect(textOf(findings, "webhooks", "problem")).toContain("no key of app 7 is active");
    expect(troublesIn(appFindings([withWebhook()], null, false))).toEqual([]);
  });

  test("without webhooks are owed nothing", () => {
    expect(textOf(appFindings([testApp()], null, false), "webhooks", "ok")).toContain("no app");
  });

  test("that a machine made for itself are unknown to the others of a shared store", () => {
    const made = {
      app: testApp(),
      secretOrigin: { kind: "file", file: "/data/default-app.json" },
      secretLocation: "/data/default-app.json",
    } as const;
    expect(troublesIn(appFindings([made.app], made, true))).toEqual(["credentials: warning"]);
    expect(troublesIn(appFindings([made.app], made, false))).toEqual([]);
    const given = { ...made, secretOrigin: { kind: "env", env: "RINGMASTER_APP_SECRET" } } as const;
    expect(troublesIn(appFindings([made.app], given, true))).toEqual([]);
  });
});

describe("The report", () => {
  test("has a line for each finding, by server, and adds up", () => {
    const report = doctorReport("Redis somewhere", [
      finding("version", "ok", "Redis 7.0.15", "a:1"),
      finding("memory", "warning", "nearly full", "a:1"),
      finding("rights", "unknown", "nobody knows", "b:2"),
      finding("format", "problem", `${"word ".repeat(40)}end`),
    ]);
    expect(report).toContain(
      "\na:1\n  ok        version         Redis 7.0.15\n  WARNING   memory ",
    );
    expect(report).toContain("\nb:2\n  not seen  rights ");
    expect(report).toEndWith("\n1 problem, 1 warning, 1 not seen.\n");
    for (const line of report.split("\n")) expect(line.length).toBeLessThanOrEqual(110);
  });

  test("of nothing wrong says so", () => {
    expect(doctorReport("x", [finding("a", "ok", "b")])).toEndWith("\nAll is well.\n");
  });
});
