import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "bun:test";
import {
  SRC,
  findCycle,
  importsOf,
  sourceFiles,
  withoutComments,
  type Import,
  type SourceFile,
} from "./source.ts";

const files = await sourceFiles();

/** The picture of the design: what may stand in `src`, and what each part may import of ours. */
const LAYERS: Readonly<
  Record<string, (imported: string, from: SourceFile, how: Import) => boolean>
> = {
  protocol: (imported) => imported.startsWith("protocol/"),
  channels: (imported) => imported.startsWith("protocol/") || imported.startsWith("channels/"),
  packager: (imported) => imported.startsWith("protocol/") || imported.startsWith("packager/"),
  sender: (imported) => imported.startsWith("protocol/") || imported.startsWith("sender/"),
  // An engine knows the ports it implements and its own folder; no engine knows another.
  stores: (imported, { path }) =>
    imported.startsWith("protocol/") || isPort(imported) || imported.startsWith(folder(path, 2)),
  // Of the rings it may know the shape of what it is handed, but runs none of their code.
  ops: (imported, _from, { isTypeOnly }) =>
    imported.startsWith("protocol/") ||
    imported.startsWith("ops/") ||
    imported === "../package.json" ||
    isPort(imported) ||
    isTypeOnly,
  console: (imported) =>
    imported.startsWith("protocol/") || imported.startsWith("console/") || isPort(imported),
  cli: () => true,
};

function isPort(path: string): boolean {
  return /^(channels|packager|sender|console)\/ports\//.test(path);
}

function folder(path: string, depth: number): string {
  return `${path.split("/").slice(0, depth).join("/")}/`;
}

function offences(judge: (file: SourceFile, found: Import) => boolean): string[] {
  return files.flatMap((file) =>
    file.imports
      .filter((found) => judge(file, found))
      .map(({ specifier }) => `${file.path} imports ${specifier}`),
  );
}

describe("the layers", () => {
  test("are the folders of src, and every file is in one", () => {
    expect(files.length).toBeGreaterThan(50);
    const folders = new Set(files.map(({ path }) => path.split("/")[0]!));
    expect([...folders].filter((name) => !(name in LAYERS))).toEqual([]);
    expect(folders).toContain("protocol");
    expect(folders).toContain("channels");
  });

  test.each(Object.keys(LAYERS))("%s imports of ours only what it may", (layer) => {
    expect(
      offences(
        (file, found) =>
          found.file !== undefined &&
          file.path.startsWith(`${layer}/`) &&
          !LAYERS[layer]!(found.file, file, found),
      ),
    ).toEqual([]);
  });

  test("only the composition root and its commands know the commands", () => {
    expect(
      offences(
        ({ path }, { file }) => !path.startsWith("cli/") && file?.startsWith("cli/") === true,
      ),
    ).toEqual([]);
  });

  test("protocol, rings and ports need no package", () => {
    expect(
      offences(
        ({ path }, { specifier }) =>
          /^(protocol|channels|packager|sender)\//.test(path) &&
          !/^(\.|node:|bun$)/.test(specifier),
      ),
    ).toEqual([]);
  });

  test("protocol is pure: it knows no clock, no file, no socket and no randomness", () => {
    const impure =
      /\b(Date\.now|performance\.|setTimeout|setInterval|process\.|Math\.random|fetch\(|Bun\.(serve|file|write|env|sleep))|getRandomValues/;
    expect(
      files
        .filter(({ path, code }) => path.startsWith("protocol/") && impure.test(code))
        .map(({ path }) => path),
    ).toEqual([]);
    expect(
      offences(
        ({ path }, { specifier }) =>
          path.startsWith("protocol/") && !specifier.startsWith(".") && specifier !== "node:crypto",
      ),
    ).toEqual([]);
  });

  test("channels reads time from its Clock alone, and knows the runtime's server in one file", () => {
    const outside = (pattern: RegExp, ...except: string[]) =>
      files
        .filter(
          ({ path, code }) =>
            path.startsWith("channels/") && !except.includes(path) && pattern.test(code),
        )
        .map(({ path }) => path);
    expect(
      outside(
        /\b(Date\.now|performance\.now|setTimeout|setInterval|Bun\.sleep)\b/,
        "channels/ports/clock.ts",
      ),
    ).toEqual([]);
    expect(outside(/\bBun\.serve\b|from "bun"/, "channels/listener.ts")).toEqual([]);
  });
});

describe("the files", () => {
  test("import each other in no circle, types included", () => {
    expect(findCycle(files)).toBeUndefined();
  });

  test("import files that exist, by their whole name", () => {
    expect(
      offences(
        (_file, { file }) =>
          file !== undefined && !(/\.(ts|json|lua)$/.test(file) && existsSync(join(SRC, file))),
      ),
    ).toEqual([]);
  });

  test("are no barrels: nothing is called index, and nothing only hands on", () => {
    expect(
      files.filter(({ path }) => /(^|\/)index\.ts$/.test(path)).map(({ path }) => path),
    ).toEqual([]);
    const handsOn = /\bexport\s+(type\s+)?(\*|\{[^}]*\})\s*(as\s+\w+\s+)?from\b/;
    expect(files.filter(({ code }) => handsOn.test(code)).map(({ path }) => path)).toEqual([]);
  });

  test("have kebab-case names", () => {
    expect(
      files
        .filter(
          ({ path }) => !/^([a-z0-9]+(-[a-z0-9]+)*\/)*[a-z0-9]+(-[a-z0-9]+)*(\.d)?\.ts$/.test(path),
        )
        .map(({ path }) => path),
    ).toEqual([]);
  });

  test("never say any, and silence no check", () => {
    const anyType = /(:|\bas|<|,|\||&|=>|\bextends)\s*any\b(?!\s*[:(=.])|\bany\[\]/;
    const silenced = /@ts-(ignore|expect-error|nocheck)/;
    const offending = files
      .filter(({ code }) => anyType.test(strings(code)))
      .map(({ path }) => path);
    expect(offending).toEqual([]);
    expect(files.filter(({ code }) => silenced.test(code)).map(({ path }) => path)).toEqual([]);
  });
});

/** The code with its texts emptied: a sentence may say any. */
function strings(code: string): string {
  return code.replaceAll(/"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\[^]|[^`\\])*`/g, '""');
}

describe("these tests themselves", () => {
  test("find every form of import, and none in a comment", () => {
    const code = withoutComments(`
      import a from "./a.ts"; // import x from "./no.ts"
      import type { B } from "./b.ts";
      import { type C, d } from "../c.ts";
      import {
        e,
        f as g,
      } from "./e.ts";
      import "./h.ts";
      import * as i from "node:fs";
      export * from "./j.ts";
      /* import y from "./no.ts" */
      const k = await import("./k.ts");
      const url = "http://not.a/comment"; import l from "./l.ts";
    `);
    expect(importsOf("x/y.ts", code).map(({ file, specifier }) => file ?? specifier)).toEqual([
      "x/a.ts",
      "x/b.ts",
      "c.ts",
      "x/e.ts",
      "x/h.ts",
      "node:fs",
      "x/j.ts",
      "x/l.ts",
      "x/k.ts",
    ]);
    expect(importsOf("x/y.ts", code).filter(({ isTypeOnly }) => isTypeOnly)).toHaveLength(1);
  });

  test("find a circle", () => {
    const file = (path: string, ...imported: string[]) => ({
      path,
      imports: imported.map((to) => ({ specifier: to, file: to, isTypeOnly: false })),
    });
    expect(findCycle([file("a", "b"), file("b", "c", "d"), file("c"), file("d", "b")])).toEqual([
      "b",
      "d",
      "b",
    ]);
    expect(findCycle([file("a", "b", "c"), file("b", "c"), file("c")])).toBeUndefined();
  });
});
