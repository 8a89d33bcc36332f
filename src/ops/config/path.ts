/** Where a value stands in a configuration file: `["apps", 0, "id"]`. */
export type Path = readonly (string | number)[];

/** `apps[0].keys[1].secret` */
export function formatPath(path: Path): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === "number") return `${text}[${part}]`;
    return text === "" ? part : `${text}.${part}`;
  }, "");
}

/** `apps[].keys[].secret`: the path with its positions left out, which is how the schema's fields are named. */
export function patternOf(path: Path): string {
  return formatPath(path).replaceAll(/\[[0-9]+\]/g, "[]");
}

export function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value at a path, undefined where the path leads nowhere. Looks at own properties only. */
export function valueAt(tree: unknown, path: Path): unknown {
  let value = tree;
  for (const part of path) {
    if (Array.isArray(value) && typeof part === "number") value = value[part];
    else if (isMapping(value) && Object.hasOwn(value, part)) value = value[part];
    else return undefined;
  }
  return value;
}
