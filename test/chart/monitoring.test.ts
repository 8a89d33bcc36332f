import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { ROLES } from "../../src/ops/config/settings.ts";
import { CHANNELS_METRICS } from "../../src/ops/metrics/channels-metrics.ts";
import type { Metric } from "../../src/ops/metrics/metric.ts";
import { PROCESS_METRICS } from "../../src/ops/metrics/process-metrics.ts";
import { REDIS_METRICS } from "../../src/ops/metrics/redis-metrics.ts";
import { WEBHOOK_METRICS } from "../../src/ops/metrics/webhook-metrics.ts";
import { ATTEMPT_RESULTS } from "../../src/sender/ports/delivery-log.ts";
import { CHART, VALUE_FILES, whyNoHelm } from "./support/helm.ts";
import { FULL_NAME, NAMESPACE, ONE_APP, Release } from "./support/release.ts";

const METRICS: ReadonlyMap<string, Metric> = new Map(
  [...CHANNELS_METRICS, ...WEBHOOK_METRICS, ...REDIS_METRICS, ...PROCESS_METRICS].flatMap(
    (metric) =>
      metric.type === "histogram"
        ? ["_bucket", "_sum", "_count"].map((suffix) => [metric.name + suffix, metric])
        : [[metric.name, metric]],
  ),
);

/** What the PodMonitor adds to every series. */
const TARGET_LABELS = ["namespace", "pod", "release", "ring", "track"];

interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

interface Series {
  readonly query: string;
  readonly by?: string;
}

interface Panel {
  readonly title: string;
  readonly series: readonly Series[];
}

const file = (name: string): unknown => parse(readFileSync(join(CHART, "files", name), "utf8"));
const alerts = file("alerts.yaml") as readonly Alert[];
const panels = (file("board.yaml") as readonly { row: string; panels: readonly Panel[] }[]).flatMap(
  (row) => row.panels.map((panel) => ({ ...panel, path: `${row.row}: ${panel.title}` })),
);

/** What is wrong with the names in a query: of metrics, and of the labels that it matches or gathers by. */
function faultsOf(query: string): readonly string[] {
  const faults: string[] = [];
  const labels = new Set(TARGET_LABELS);
  for (const [, name = "", matchers] of query.matchAll(
    /\b((?:ringmaster|process)_\w+)(\{[^}]*\})?/g,
  )) {
    const metric = METRICS.get(name);
    if (metric === undefined) {
      faults.push(`there is no metric ${name}`);
      continue;
    }
    const own = [...metric.labels, ...TARGET_LABELS];
    for (const label of own) labels.add(label);
    if (!matchers?.startsWith("{RELEASE"))
      faults.push(`${name} is of every release: it lacks {RELEASE}`);
    for (const [, label = "", value = ""] of (matchers ?? "").matchAll(/(\w+)[=!]~?"([^"]*)"/g)) {
      if (!own.includes(label)) faults.push(`${name} has no label ${label}`);
      const known = { result: ATTEMPT_RESULTS, ring: ROLES }[label] as
        | readonly string[]
        | undefined;
      for (const one of value.split("|"))
        if (known !== undefined && !known.includes(one)) faults.push(`no ${label} is ${one}`);
    }
  }
  for (const [, list = ""] of query.matchAll(/\bby \(([^)]*)\)/g)) {
    for (const label of list.split(",").map((name) => name.trim()))
      if (!labels.has(label)) faults.push(`nothing here has the label ${label}`);
  }
  return faults;
}

describe("the alerts", () => {
  test.each(alerts.map((alert) => [alert.alert, alert] as const))("%s", (name, alert) => {
    expect(name).toMatch(/^Ringmaster[A-Z]\w+$/);
    expect(faultsOf(alert.expr)).toEqual([]);
    expect(["critical", "warning", "info"]).toContain(alert.labels["severity"] ?? "");
    expect(Object.keys(alert.annotations).toSorted()).toEqual(["description", "summary"]);
    const shown = Object.values(alert.annotations).join(" ");
    for (const [, label = ""] of shown.matchAll(/\$labels\.(\w+)/g))
      expect(alert.expr.includes(label) || TARGET_LABELS.includes(label)).toBe(true);
  });

  test("have names of their own", () => {
    expect(new Set(alerts.map(({ alert }) => alert)).size).toBe(alerts.length);
  });

  test("speak of all that docs/operations.md says to alert on", () => {
    const operations = readFileSync(join(CHART, "../../../docs/operations.md"), "utf8");
    const section = /### What to alert on\n([\s\S]*?)\n### /.exec(operations)?.[1] ?? "";
    const wanted = [...section.matchAll(/^\| `(ringmaster_\w+)/gm)].map(([, name]) => name ?? "");
    expect(wanted.length).toBeGreaterThan(5);
    const expressions = alerts.map(({ expr }) => expr).join("\n");
    // There is no embedded database where there is Redis.
    for (const name of wanted.filter((one) => one !== "ringmaster_database_ok"))
      expect(expressions).toContain(name);
  });

  // Or those above could not fail.
  test.each([
    ["max(ringmaster_oldest{RELEASE})", "there is no metric ringmaster_oldest"],
    ["max(ringmaster_redis_up)", "ringmaster_redis_up is of every release: it lacks {RELEASE}"],
    ['ringmaster_ready{RELEASE,role="channels"}', "ringmaster_ready has no label role"],
    ['ringmaster_ready{RELEASE,ring="console"}', "no ring is console"],
    ["sum by (version) (ringmaster_ready{RELEASE})", "nothing here has the label version"],
    [
      "ringmaster_sender_attempt_seconds{RELEASE}",
      "there is no metric ringmaster_sender_attempt_seconds",
    ],
  ])("%s is wrong", (query, fault) => {
    expect(faultsOf(query)).toContain(fault);
  });
});

describe("the board", () => {
  test.each(panels.map((panel) => [panel.path, panel] as const))("%s", (_, { series }) => {
    expect(series.length).toBeGreaterThan(0);
    for (const { query, by = "" } of series) {
      expect(faultsOf(query)).toEqual([]);
      for (const [, label = ""] of by.matchAll(/\{\{(\w+)\}\}/g))
        expect(query.includes(label) || TARGET_LABELS.includes(label)).toBe(true);
    }
  });

  describe.skipIf(whyNoHelm() !== undefined)("as Grafana gets it", () => {
    const board = (): Board => {
      const { data } = Release.ofFile("production").one("ConfigMap", "-board") as unknown as {
        data: Record<string, string>;
      };
      return JSON.parse(data[`${FULL_NAME}.json`] ?? "") as Board;
    };

    test("has every panel, in a place of its own", () => {
      const { panels: placed } = board();
      expect(placed.filter(({ type }) => type !== "row").map(({ title }) => title)).toEqual(
        panels.map(({ title }) => title),
      );
      expect(new Set(placed.map(({ id }) => id)).size).toBe(placed.length);
      const taken = new Set<string>();
      for (const { gridPos } of placed) {
        expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
        for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
          for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
            expect(taken.has(`${x} ${y}`)).toBe(false);
            taken.add(`${x} ${y}`);
          }
      }
    });

    test("asks for the release that is chosen", () => {
      const { panels: placed, templating } = board();
      const queries = placed.flatMap(({ targets }) => (targets ?? []).map(({ expr }) => expr));
      for (const query of queries)
        expect(query).toContain('{namespace="$namespace",release="$release"');
      expect(templating.list.map(({ name }) => name)).toEqual(["source", "namespace", "release"]);
      expect(templating.list.at(-1)?.current?.value).toBe(FULL_NAME);
    });
  });
});

interface Board {
  readonly panels: readonly {
    readonly id: number;
    readonly type: string;
    readonly title: string;
    readonly gridPos: {
      readonly x: number;
      readonly y: number;
      readonly w: number;
      readonly h: number;
    };
    readonly targets?: readonly { readonly expr: string }[];
  }[];
  readonly templating: {
    readonly list: readonly {
      readonly name: string;
      readonly current?: { readonly value: string };
    }[];
  };
}

describe.skipIf(whyNoHelm() !== undefined)("the PrometheusRule", () => {
  const rulesOf = (release: Release): readonly Alert[] =>
    (release.one("PrometheusRule") as unknown as { spec: { groups: [{ rules: Alert[] }] } }).spec
      .groups[0].rules;

  test("has every alert, for this release", () => {
    const rules = rulesOf(Release.ofFile("production"));
    expect(rules.map(({ alert }) => alert)).toEqual(alerts.map(({ alert }) => alert));
    for (const { expr, labels, annotations } of rules) {
      expect(expr).toContain(`{namespace="${NAMESPACE}",release="${FULL_NAME}"`);
      expect(expr).not.toContain("RELEASE");
      expect(labels["team"]).toBe("platform");
      expect(labels["severity"]).toBeString();
      expect(annotations["summary"]).toBeString();
    }
  });

  test("leaves out what the values say, and takes other matchers", () => {
    const rules = rulesOf(
      Release.of(ONE_APP, {
        monitoring: {
          seriesMatchers: 'job="ringmaster"',
          rules: {
            enabled: true,
            disabled: ["RingmasterDeadLetters"],
            alertLabels: { severity: "page" },
          },
        },
      }),
    );
    expect(rules.length).toBe(alerts.length - 1);
    expect(rules.map(({ alert }) => alert)).not.toContain("RingmasterDeadLetters");
    for (const { expr, labels } of rules) {
      expect(expr).toContain('{job="ringmaster"');
      expect(labels).toEqual({ severity: "page" });
    }
  });
});

describe.skipIf(whyNoHelm() !== undefined)("autoscaling", () => {
  const METRIC_FIELDS = new Set(["valueLocation", "query", "name"]);

  test.each(VALUE_FILES)("of %s asks for metrics that there are", (name) => {
    const asked: string[] = [];
    const look = (tree: unknown, field: string): void => {
      if (typeof tree === "string" && METRIC_FIELDS.has(field))
        asked.push(...(tree.match(/\bringmaster_\w+/g) ?? []));
      if (typeof tree !== "object" || tree === null) return;
      for (const [key, inner] of Object.entries(tree)) look(inner, key);
    };
    const release = Release.ofFile(name);
    for (const kind of ["ScaledObject", "HorizontalPodAutoscaler"])
      for (const { spec } of release.all(kind)) look(spec, "spec");
    for (const metric of asked) {
      expect(METRICS.get(metric)?.type).toBe("gauge");
      // KEDA takes the first of several series.
      expect(METRICS.get(metric)?.labels).toEqual([]);
    }
    expect(asked.length).toBe({ production: 3, keda: 3, hpa: 3 }[name] ?? 0);
  });
});
