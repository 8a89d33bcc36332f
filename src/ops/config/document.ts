import { isMap, isPair, isScalar, isSeq, LineCounter, parseDocument, visit } from "yaml";
import type { Document, ErrorCode, Node, ParsedNode, YAMLError } from "yaml";
import { fileFields } from "./app-entry.ts";
import { whatItIs } from "./explanation.ts";
import { isMapping, type Path, patternOf } from "./path.ts";
import { ConfigError } from "./problem.ts";

/** A parsed configuration file that knows where in its text each value stands. */
export class ConfigDocument {
  readonly tree: Readonly<Record<string, unknown>>;
  readonly #name: string;
  readonly #root: Node | null;
  readonly #lines: LineCounter;

  private constructor(
    name: string,
    tree: Record<string, unknown>,
    root: Node | null,
    lines: LineCounter,
  ) {
    this.#name = name;
    this.tree = tree;
    this.#root = root;
    this.#lines = lines;
  }

  /** A file without a setting in it. */
  static empty(): ConfigDocument {
    return new ConfigDocument("", {}, null, new LineCounter());
  }

  /**
   * Parses YAML or JSON, which is YAML too. Throws `ConfigError` alone.
   *
   * The parser's own messages are never used: they quote the text, and the text holds secrets.
   */
  static parse(name: string, text: string): ConfigDocument {
    const lines = new LineCounter();
    const at = (offset: number) => position(name, lines, offset);
    const refuse = (source: string, message: string) =>
      new ConfigError([{ path: name, message, source }]);

    const document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      stringKeys: true,
      logLevel: "error",
    });
    const fault = document.errors[0] ?? document.warnings[0];
    if (fault !== undefined) throw refuse(at(fault.pos[0]), sentenceFor(fault));

    takeTextsAsWritten(document);
    let tree: unknown;
    try {
      tree = document.toJS();
      refuseCycles(tree, []);
    } catch {
      throw refuse(
        at(0),
        "has an alias (*) that leads nowhere, to itself or to too much; write the value out instead",
      );
    }
    if (tree === null) tree = {};
    if (!isMapping(tree))
      throw refuse(at(0), `${whatItIs(tree)}; give a mapping of settings, such as "port: 6001"`);
    return new ConfigDocument(name, tree, document.contents, lines);
  }

  /** `ringmaster.yaml:12:5`, of the value or of the nearest thing around it that is written. */
  positionOf(path: Path): string {
    let node: unknown = this.#root;
    let offset = offsetOf(node);
    for (const part of path) {
      if (isMap(node)) {
        const pair = node.items.find(({ key }) => isScalar(key) && key.value === part);
        if (pair === undefined) break;
        offset = offsetOf(pair.key) ?? offset;
        node = pair.value;
      } else if (isSeq(node) && typeof part === "number") {
        node = node.items[part];
        offset = offsetOf(node) ?? offset;
      } else {
        break;
      }
    }
    return position(this.#name, this.#lines, offset ?? 0);
  }
}

const TEXT_PATTERNS: ReadonlySet<string> = new Set(
  fileFields.flatMap(({ kind, path, envName }) => {
    if (kind === "text" || kind === "secret") return [path];
    // A list that a variable may give is taken as a text from the file as well.
    if (kind === "list") return envName === null ? [`${path}[]`] : [path, `${path}[]`];
    return [];
  }),
);
/** Mappings that hold nothing but texts, whatever their names. */
const TEXTS_PATTERNS: ReadonlySet<string> = new Set(
  fileFields.flatMap(({ kind, path }) => (kind === "secrets" ? [path] : [])),
);

/**
 * YAML reads `0123` as 123 and `7e40` as a huge number. Keys and ids look like that, so where the schema wants a text, a
 * plain number or true or false is taken as it is written.
 */
function takeTextsAsWritten(document: Document): void {
  visit(document, {
    Scalar(key, node, ancestors) {
      if (
        key === "key" ||
        node.type !== "PLAIN" ||
        node.source === undefined ||
        node.value === null
      )
        return;
      const path = ancestors.flatMap((ancestor): Path => {
        if (isPair(ancestor)) return [isScalar(ancestor.key) ? String(ancestor.key.value) : ""];
        return isSeq(ancestor) ? [0] : [];
      });
      if (TEXT_PATTERNS.has(patternOf(path)) || TEXTS_PATTERNS.has(patternOf(path.slice(0, -1))))
        node.value = node.source;
    },
  });
}

function refuseCycles(value: unknown, around: readonly unknown[]): void {
  if (typeof value !== "object" || value === null) return;
  if (around.includes(value)) throw new Error("cycle");
  for (const child of Object.values(value)) refuseCycles(child, [...around, value]);
}

function offsetOf(node: unknown): number | undefined {
  return (node as ParsedNode | null)?.range?.[0];
}

function position(name: string, lines: LineCounter, offset: number): string {
  const { line, col } = lines.linePos(offset);
  return `${name}:${Math.max(line, 1)}:${Math.max(col, 1)}`;
}

const SENTENCES: Partial<Record<ErrorCode, string>> = {
  BAD_ALIAS: "an alias (*) is not written right; quote the text if none is meant",
  ALIAS_PROPS: "an alias (*) cannot have a tag or an anchor; quote the text if no alias is meant",
  BAD_DIRECTIVE: "a line begins with %, which YAML keeps for itself; quote the text",
  BAD_DQ_ESCAPE:
    "a text in double quotes has an escape that does not exist; write \\\\ for \\, or use single quotes",
  BAD_INDENT:
    "the indentation is wrong, or a bracket is not closed; align the fields of one mapping",
  BAD_SCALAR_START: "a text begins with a character that YAML keeps for itself; quote the text",
  BLOCK_AS_IMPLICIT_KEY: 'there are two ":" on one line; quote the text, or begin a new line',
  DUPLICATE_KEY: "a field is there twice; leave one out",
  MISSING_CHAR:
    'something is not closed or not separated (a quote, a bracket, a ":" or a ","); add it',
  MULTILINE_IMPLICIT_KEY: 'a field has no ":" behind its name; write "name: value"',
  MULTIPLE_DOCS: "there is a second document (---) in the file; keep one",
  NON_STRING_KEY: "the name of a field is no text; quote it",
  RESOURCE_EXHAUSTION: "the file is nested too deeply; write it flatter",
  TAB_AS_INDENT: "a tab is used for indentation; use spaces",
  TAG_RESOLVE_FAILED: "there is an unknown tag (!); quote the text if none is meant",
  UNEXPECTED_TOKEN: "something stands where nothing may; quote the text or correct the brackets",
};

function sentenceFor({ code }: YAMLError): string {
  return SENTENCES[code] ?? "this is neither YAML nor JSON; correct it";
}
