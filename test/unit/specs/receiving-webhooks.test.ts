import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "bun:test";
import { buildJob } from "../../../src/packager/job-builder.ts";
import { retryDelayMs } from "../../../src/sender/retry-policy.ts";
import { clientEvent, loggedEvent, testWebhook } from "../../support/packager-rig.ts";
import { SPECS } from "./json-schema.ts";

const PAGE = readFileSync(join(SPECS, "receiving-webhooks.md"), "utf8");
const KEY = { key: "key", secret: "the secret", active: true };
const job = buildJob("3", KEY, testWebhook(), [loggedEvent(1, clientEvent("ü 😀 'x'"))], 1_750);
const SIGNATURE = job.headers["x-pusher-signature"] ?? "";
const FORGED = SIGNATURE.replace(/^./, (digit) => (digit === "0" ? "1" : "0"));

/** Key, signature, and whether that is genuine. */
const CASES = [
  [KEY.key, SIGNATURE, true],
  [KEY.key, FORGED, false],
  [KEY.key, SIGNATURE.slice(1), false],
  [KEY.key, "", false],
  [KEY.key, "ü", false],
  ["another", SIGNATURE, false],
] as const;

/** Each reads the body from standard input, takes key and signature from its arguments, and prints 1 or 0. */
const LANGUAGES = {
  js: {
    command: ["node", "--input-type=module", "-e"],
    rest: `const [key, signature] = process.argv.slice(1);
      const chunks = []; for await (const chunk of process.stdin) chunks.push(chunk);
      const secrets = new Map([["key", "the secret"]]);
      console.log(isGenuine(secrets, key, signature, Buffer.concat(chunks)) ? 1 : 0);`,
  },
  php: {
    command: ["php", "-r"],
    rest: `echo isGenuine(["key" => "the secret"], $argv[1], $argv[2], file_get_contents("php://stdin")) ? 1 : 0;`,
  },
  ruby: {
    command: ["ruby", "-e"],
    rest: `puts genuine?({ "key" => "the secret" }, ARGV[0], ARGV[1], STDIN.binmode.read) ? 1 : 0`,
  },
  python: {
    command: ["python3", "-c"],
    rest: `import sys
print(1 if is_genuine({"key": "the secret"}, sys.argv[1], sys.argv[2], sys.stdin.buffer.read()) else 0)`,
  },
} as const;

describe("docs/specs/receiving-webhooks.md", () => {
  for (const [language, { command, rest }] of Object.entries(LANGUAGES)) {
    const [program] = command;
    const isThere = Bun.which(program) !== null;
    test.skipIf(!isThere)(
      `verifies the packager's signatures in ${language}, and refuses forged ones${isThere ? "" : ` (not tested: there is no ${program})`}`,
      async () => {
        const code = snippetIn(language);
        const answers = await Promise.all(
          CASES.map(async ([key, signature]) => {
            const args =
              language === "php" || language === "js" ? ["--", key, signature] : [key, signature];
            const child = Bun.spawn([...command, `${code}\n${rest}`, ...args], {
              stdin: Buffer.from(job.body, "utf8"),
              stdout: "pipe",
              stderr: "inherit",
            });
            return (await child.stdout.text()).trim();
          }),
        );
        expect(answers).toEqual(CASES.map(([, , isGenuine]) => (isGenuine ? "1" : "0")));
      },
      60_000,
    );
  }

  test.each([
    [300_000, "0, 1, 3, 7, 15, 31, 63, 123, 183, 243, 300"],
    [3_600_000, "0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 811, then every 300 to 3511, 3600"],
    [259_200_000, "0, 1, 3, 7, 15, …, doubling to 32767, then every 21600 to 248767, 259200"],
  ])("tells the attempts in a window of %d ms as the sender makes them", (windowMs, told) => {
    expect(PAGE).toContain(told);
    expect(PAGE).toMatch(new RegExp(`\\| ${windowMs} .*\\| ${told} \\|`));
    expect(attemptsIn(windowMs)).toEqual(meant(told));
  });
});

/** Seconds from the first attempt, where each fails at once and chance adds nothing. */
function attemptsIn(retryWindowMs: number): number[] {
  const attempts = [0];
  let spentMs = 0;
  for (;;) {
    const failed = { attempts: attempts.length, spentMs, retryWindowMs, retryAfterMs: undefined };
    const delayMs = retryDelayMs(failed, 0);
    if (delayMs === undefined) return attempts;
    spentMs += delayMs;
    attempts.push(spentMs / 1_000);
  }
}

/** What a person makes of `…, doubling to` and `then every`. */
function meant(text: string): number[] {
  const seconds: number[] = [];
  for (const part of text.split(", ")) {
    const last = seconds.at(-1) ?? 0;
    const [, limit] = /^doubling to (\d+)$/.exec(part) ?? [];
    const [, step, end] = /^then every (\d+) to (\d+)$/.exec(part) ?? [];
    if (limit !== undefined)
      for (let next = 2 * last + 1; next <= Number(limit); next = 2 * next + 1) seconds.push(next);
    else if (step !== undefined)
      for (let next = last + Number(step); next <= Number(end); next += Number(step))
        seconds.push(next);
    else if (part !== "…") seconds.push(Number(part));
  }
  return seconds;
}

function snippetIn(language: string): string {
  const [, code = ""] = new RegExp(`\`\`\`${language}\\n([^\`]+)\`\`\``).exec(PAGE) ?? [];
  if (code === "") throw new Error(`The page has nothing in ${language}.`);
  return code;
}
