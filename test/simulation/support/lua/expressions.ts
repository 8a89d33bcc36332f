import type {
  BinaryExpression,
  CallExpression,
  Expression,
  FunctionDeclaration,
  Statement,
  TableConstructor,
} from "luaparse";
import { LIBRARY } from "./library.ts";
import { OutsideOurLua } from "./outside-our-lua.ts";
import { Scope } from "./scope.ts";

const ARITHMETIC: Readonly<Record<string, string>> = {
  "+": "add",
  "-": "subtract",
  "*": "multiply",
  "/": "divide",
  "%": "modulo",
  "..": "concat",
};
const COMPARISONS: Readonly<Record<string, string>> = {
  "<": "isLess",
  "<=": "isAtMost",
  ">": "isMore",
  ">=": "isAtLeast",
};
const REDIS_FUNCTIONS = new Set(["call", "error_reply", "status_reply"]);
/** Functions that answer one value, always: no need to look. */
const ANSWERS_SEVERAL = new Set(["unpack", "string.find", "table.insert"]);

/** Translates expressions; whoever translates statements gives the way to translate the body of a function. */
export class Expressions {
  readonly #block: (statements: readonly Statement[], scope: Scope) => string;

  constructor(block: (statements: readonly Statement[], scope: Scope) => string) {
    this.#block = block;
  }

  /** As many expressions as are wanted, or one that is a list of them. */
  values(init: readonly Expression[], wanted: number, scope: Scope): readonly string[] | string {
    const last = init.at(-1);
    if (last !== undefined && init.length < wanted && this.#mayBeSeveral(last, scope))
      return `[${this.#list(init, scope)}]`;
    return init.map((value) => this.single(value, scope));
  }

  returned(values: readonly Expression[], scope: Scope): string {
    const [value, ...others] = values;
    if (value === undefined) return "[]";
    if (others.length > 0) return `[${this.#list(values, scope)}]`;
    return value.type === "CallExpression" ? this.call(value, scope) : this.single(value, scope);
  }

  /** Expressions with commas between them; the last, if it is a call, gives all that it answers. */
  #list(values: readonly Expression[], scope: Scope): string {
    return values
      .map((value, i) =>
        i === values.length - 1 && this.#mayBeSeveral(value, scope)
          ? `...many(${this.call(value as CallExpression, scope)})`
          : this.single(value, scope),
      )
      .join(", ");
  }

  #mayBeSeveral(value: Expression, scope: Scope): boolean {
    if (value.type !== "CallExpression") return false;
    const name = nameOf(value.base, scope);
    return name === undefined || ANSWERS_SEVERAL.has(name);
  }

  single(value: Expression, scope: Scope): string {
    switch (value.type) {
      case "NilLiteral":
        return "undefined";
      case "BooleanLiteral":
      case "NumericLiteral":
        return `${value.value}`;
      case "StringLiteral":
        return JSON.stringify(value.value);
      case "Identifier":
        return this.#variable(value.name, value.loc.start.line, scope);
      case "IndexExpression":
        return `index(${this.single(value.base, scope)}, ${this.single(value.index, scope)})`;
      case "MemberExpression":
        if (nameOf(value, scope) !== undefined || value.indexer === ":")
          throw new OutsideOurLua(`${value.identifier.name} as a value`, value.loc.start.line);
        return `index(${this.single(value.base, scope)}, ${JSON.stringify(value.identifier.name)})`;
      case "CallExpression": {
        const call = this.call(value, scope);
        return this.#mayBeSeveral(value, scope) ? `first(${call})` : call;
      }
      case "FunctionDeclaration":
        return this.function(value, scope);
      case "TableConstructorExpression":
        return this.#table(value, scope);
      case "UnaryExpression":
        if (value.operator === "not") return `!(${this.condition(value.argument, scope)})`;
        if (value.operator === "-") return `negate(${this.single(value.argument, scope)})`;
        if (value.operator === "#") return `lengthOf(${this.single(value.argument, scope)})`;
        throw new OutsideOurLua(`the operator ${value.operator}`, value.loc.start.line);
      case "BinaryExpression":
      case "LogicalExpression":
        return this.#binary(value, scope);
      default:
        throw new OutsideOurLua((value as Expression).type, (value as Expression).loc.start.line);
    }
  }

  #binary({ operator, left, right, loc }: BinaryExpression, scope: Scope): string {
    const [a, b] = [this.single(left, scope), this.single(right, scope)];
    if (operator === "and") return `((value) => isTrue(value) ? ${b} : value)(${a})`;
    if (operator === "or") return `((value) => isTrue(value) ? value : ${b})(${a})`;
    if (operator === "==") return `(${a} === ${b})`;
    if (operator === "~=") return `(${a} !== ${b})`;
    const name = ARITHMETIC[operator] ?? COMPARISONS[operator];
    if (name === undefined) throw new OutsideOurLua(`the operator ${operator}`, loc.start.line);
    return `${name}(${a}, ${b})`;
  }

  /** An expression of which only the truth matters. */
  condition(value: Expression, scope: Scope): string {
    if (value.type === "LogicalExpression" || value.type === "BinaryExpression") {
      const { operator, left, right } = value;
      if (operator === "and" || operator === "or")
        return `(${this.condition(left, scope)} ${operator === "and" ? "&&" : "||"} ${this.condition(right, scope)})`;
      if (operator === "==" || operator === "~=" || operator in COMPARISONS)
        return this.#binary(value, scope);
    }
    if (value.type === "UnaryExpression" && value.operator === "not")
      return this.single(value, scope);
    return `isTrue(${this.single(value, scope)})`;
  }

  #variable(name: string, line: number, scope: Scope): string {
    const local = scope.find(name);
    if (local !== undefined) return local;
    if (name === "KEYS" || name === "ARGV") return name;
    throw new OutsideOurLua(`the global variable ${name}`, line);
  }

  call({ base, arguments: values, loc }: CallExpression, scope: Scope): string {
    const args = this.#list(values, scope);
    const name = nameOf(base, scope);
    if (name === undefined)
      return `invoke(${this.single(base, scope)}${args === "" ? "" : `, ${args}`})`;
    const [library, field = ""] = name.split(".");
    if (library === "redis" && REDIS_FUNCTIONS.has(field)) return `redis.${field}(${args})`;
    if (!Object.hasOwn(LIBRARY, name)) throw new OutsideOurLua(name, loc.start.line);
    return `LIBRARY[${JSON.stringify(name)}](${args})`;
  }

  function({ parameters, body, loc }: FunctionDeclaration, outer: Scope): string {
    const scope = new Scope(outer);
    const names = parameters.map((parameter) => {
      if (parameter.type !== "Identifier") throw new OutsideOurLua("...", loc.start.line);
      return scope.declare(parameter.name);
    });
    return `(${names.join(", ")}) => {\n${this.#block(body, scope)}\nreturn [];\n}`;
  }

  #table({ fields }: TableConstructor, scope: Scope): string {
    const items: Expression[] = [];
    const named: string[] = [];
    for (const field of fields) {
      if (field.type === "TableValue") items.push(field.value);
      else {
        const key =
          field.type === "TableKeyString"
            ? JSON.stringify(field.key.name)
            : this.single(field.key, scope);
        named.push(`[${key}, ${this.single(field.value, scope)}]`);
      }
    }
    const list = `[${this.#list(items, scope)}]`;
    return named.length === 0
      ? `new LuaTable(${list})`
      : `new LuaTable(${list}, [${named.join(", ")}])`;
  }
}

/** Of a global function, such as `string.sub`; undefined of anything else. */
export function nameOf(callee: Expression, scope: Scope): string | undefined {
  if (callee.type === "Identifier")
    return scope.find(callee.name) === undefined ? callee.name : undefined;
  if (callee.type !== "MemberExpression") return undefined;
  const { base, identifier, indexer } = callee;
  if (indexer === ":") throw new OutsideOurLua("a call with ':'", callee.loc.start.line);
  if (base.type !== "Identifier" || scope.find(base.name) !== undefined) return undefined;
  return base.name === "KEYS" || base.name === "ARGV"
    ? undefined
    : `${base.name}.${identifier.name}`;
}
