import { printable } from "./printable.ts";
import { table } from "./table.ts";

/**
 * The members of a JSON object. Servers written in PHP send an empty object as an empty array, and what is no object at
 * all has none.
 */
export function membersOf(value: unknown): [name: string, value: unknown][] {
  return typeof value === "object" && value !== null ? Object.entries(value) : [];
}

export function memberOf(value: unknown, name: string): unknown {
  return membersOf(value).find((member) => member[0] === name)?.[1];
}

/** `{"<channel>":{"<attribute>":…}}`, as several answers of the API hold it, with a column for each attribute. */
export function attributeTable(channels: unknown): string {
  const rows = membersOf(channels);
  const attributes = [
    ...new Set(rows.flatMap((row) => membersOf(row[1]).map((member) => member[0]))),
  ];
  return table([
    ["CHANNEL", ...attributes.map((attribute) => printable(attribute).toUpperCase())],
    ...rows.map(([channel, told]) => [
      printable(channel),
      ...attributes.map((attribute) => attributeText(memberOf(told, attribute))),
    ]),
  ]);
}

/** One attribute of a channel, on one line. */
export function attributeText(value: unknown): string {
  if (value === undefined) return "-";
  if (typeof value === "boolean") return value ? "yes" : "no";
  return printable(typeof value === "string" ? value : JSON.stringify(value));
}
