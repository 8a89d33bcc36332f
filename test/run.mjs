#!/usr/bin/env node
/**
 * Runs the tests and adds up what the runners counted.
 *
 *   node test/run.mjs fast            what needs nothing but npm ci (npm test)
 *   node test/run.mjs all             what needs Redis, Chromium, nginx and minutes (npm run test:all); the image and the chart
 *                                     where buildah and runc, or Go, are there
 *   node test/run.mjs e2e [part…]     one runner; parts of file names pick files
 *
 * Units run in Bun, as the server does. End-to-end tests run in Node, as the applications of our users do; for Node 20,
 * which knows no types, they are transpiled first.
 */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bun = join(
  dirname(createRequire(join(root, "package.json")).resolve("bun/package.json")),
  "bin",
  "bun.exe",
);

const RUNNERS = {
  unit: inBun,
  property: inBun,
  conformance: inBun,
  architecture: inBun,
  fuzz: inBun,
  simulation: inBun,
  redis: inBun,
  chart: inBun,
  nodes: inNode,
  drain: inNode,
  e2e: inNode,
  browser: inNode,
  soak: inNode,
  image: inBun,
  crash: inNode,
  // Needs a cluster: deploy/cluster/README.md.
  cluster: inNode,
};
const SETS = {
  fast: ["unit", "property", "conformance", "architecture", "fuzz", "simulation", "e2e"],
  all: ["redis", "chart", "nodes", "drain", "browser", "image", "soak", "crash"],
};

const [wanted = "fast", ...parts] = process.argv.slice(2);
const names = SETS[wanted] ?? (wanted in RUNNERS ? [wanted] : undefined);
if (names === undefined) {
  console.error(
    `${wanted}? It is one of ${[...Object.keys(SETS), ...Object.keys(RUNNERS)].join(", ")}.`,
  );
  process.exit(2);
}

const work = workFolder();
const outcomes = [];
try {
  for (const name of names) {
    console.log(`\n== ${name}`);
    const startedAt = performance.now();
    const outcome = await RUNNERS[name](name);
    outcomes.push({ name, seconds: (performance.now() - startedAt) / 1000, ...judged(outcome) });
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}

console.log("");
for (const { name, seconds, passed, failed, skipped, fault } of outcomes) {
  console.log(
    `${name.padEnd(13)}${sentence(passed, failed, skipped)}, ${seconds.toFixed(1)} s${fault === undefined ? "" : `: ${fault}`}`,
  );
}
const total = (what) => outcomes.reduce((sum, outcome) => sum + outcome[what], 0);
if (total("failed") > 0) process.exitCode = 1;
console.log(sentence(total("passed"), total("failed"), total("skipped")));

function sentence(passed, failed, skipped) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

/** A runner that ran nothing, or ended badly without having counted a failure, has failed. */
function judged({ code, counts }) {
  if (counts === undefined)
    return { passed: 0, failed: 1, skipped: 0, fault: `ended with ${code} and counted nothing` };
  if (counts.passed + counts.failed === 0) return { ...counts, failed: 1, fault: "ran no test" };
  if (code !== 0 && counts.failed === 0)
    return { ...counts, failed: 1, fault: `ended with ${code}` };
  return counts;
}

async function inBun(name) {
  const report = join(work, `${name}.xml`);
  const files = filesOf(name);
  if (files.length === 0) return { code: 0, counts: { passed: 0, failed: 0, skipped: 0 } };
  const paths = files.map((file) => `./${relative(root, file)}`);
  const code = await run(bun, [
    "test",
    // Many of these are searches over thousands of cases, and CI's cores are shared.
    "--timeout=60000",
    "--reporter=junit",
    `--reporter-outfile=${report}`,
    ...paths,
  ]);
  return { code, counts: junitCounts(report) };
}

async function inNode(name) {
  const files = filesOf(name);
  if (files.length === 0) return { code: 0, counts: { passed: 0, failed: 0, skipped: 0 } };
  const built = join(work, name);
  const entries = files.map((file) => relative(root, file));
  const options = [
    "--target=node",
    "--packages=external",
    "--sourcemap=inline",
    `--root=test/${name}`,
    `--outdir=${built}`,
  ];
  const buildCode = await run(
    bun,
    ["build", ...options, "--entry-naming=[dir]/[name].mjs", ...entries],
    "ignore",
  );
  if (buildCode !== 0) return { code: buildCode, counts: undefined };
  const report = join(work, `${name}.tap`);
  const reporters = [
    "--test-reporter=spec",
    "--test-reporter-destination=stdout",
    "--test-reporter=tap",
    `--test-reporter-destination=${report}`,
  ];
  const programs = files.map((file) =>
    join(built, relative(join(root, "test", name), file).replace(/\.ts$/, ".mjs")),
  );
  const concurrency = name === "e2e" ? Math.max(2, availableParallelism()) : 1;
  const code = await run(process.execPath, [
    "--enable-source-maps",
    "--test",
    `--test-concurrency=${concurrency}`,
    ...reporters,
    ...programs,
  ]);
  return { code, counts: tapCounts(report) };
}

function filesOf(name) {
  const folder = join(root, "test", name);
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter(
      (file) =>
        file.endsWith(".test.ts") &&
        (parts.length === 0 || parts.some((part) => file.includes(part))),
    )
    .map((file) => join(folder, file))
    .toSorted();
}

/** Inside node_modules, so that what is transpiled finds the packages. */
function workFolder() {
  const cache = join(root, "node_modules", ".cache");
  mkdirSync(cache, { recursive: true });
  return mkdtempSync(join(cache, "tests-"));
}

function run(command, args, stdout = "inherit") {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: ["ignore", stdout, "inherit"] });
    child.once("error", reject);
    child.once("close", (code) => resolve(code ?? 1));
  });
}

function junitCounts(report) {
  const attributes = /<testsuites ([^>]*)>/.exec(readIfThere(report))?.[1];
  if (attributes === undefined) return undefined;
  const count = (name) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(attributes)?.[1] ?? 0);
  const failed = count("failures") + count("errors");
  const skipped = count("skipped");
  return { passed: count("tests") - failed - skipped, failed, skipped };
}

function tapCounts(report) {
  const text = readIfThere(report);
  if (!/^# tests \d+$/m.test(text)) return undefined;
  const count = (name) => Number(new RegExp(`^# ${name} (\\d+)$`, "m").exec(text)?.[1] ?? 0);
  return {
    passed: count("pass"),
    failed: count("fail") + count("cancelled"),
    skipped: count("skipped") + count("todo"),
  };
}

function readIfThere(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
