import type { Finding, Verdict } from "./finding.ts";

const LINE_WIDTH = 110;
const WORDS: Readonly<Record<Verdict, string>> = {
  ok: "ok",
  warning: "WARNING",
  problem: "PROBLEM",
  unknown: "not seen",
};
const VERDICT_WIDTH = 8;
const CHECK_WIDTH = 14;

/** For people: a line for each finding, or some where it is long, by server where there are several. */
export function doctorReport(store: string, findings: readonly Finding[]): string {
  const groups = Map.groupBy(findings, ({ where }) => where);
  const lines = [store];
  for (const [where, members] of groups) {
    lines.push("", ...(where === null ? [] : [where]));
    for (const { verdict, check, text } of members) {
      const head = `  ${WORDS[verdict].padEnd(VERDICT_WIDTH)}  ${check.padEnd(CHECK_WIDTH)}  `;
      const [first = "", ...more] = wrapped(text, LINE_WIDTH - head.length);
      lines.push(head + first, ...more.map((line) => " ".repeat(head.length) + line));
    }
  }
  lines.push("", summary(findings));
  return `${lines.join("\n")}\n`;
}

function summary(findings: readonly Finding[]): string {
  const count = (wanted: Verdict): number =>
    findings.filter(({ verdict }) => verdict === wanted).length;
  const [problems, warnings, unseen] = [count("problem"), count("warning"), count("unknown")];
  if (problems + warnings + unseen === 0) return "All is well.";
  const parts = [
    [problems, "problem"],
    [warnings, "warning"],
  ] as const;
  const told = parts
    .filter(([number]) => number > 0)
    .map(([number, word]) => `${number} ${word}${number === 1 ? "" : "s"}`);
  if (unseen > 0) told.push(`${unseen} not seen`);
  return `${told.join(", ")}.`;
}

function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines;
}
