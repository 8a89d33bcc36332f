import luaparse, { type Expression, type Statement } from "luaparse";
import { Expressions, nameOf } from "./expressions.ts";
import { OutsideOurLua } from "./outside-our-lua.ts";
import { Scope } from "./scope.ts";

/** The body of a JavaScript function of KEYS, ARGV and what `program.ts` gives its names to. */
export function translate(source: string): string {
  const { body } = luaparse.parse(source, {
    luaVersion: "5.1",
    locations: true,
    comments: false,
    encodingMode: "pseudo-latin1",
  });
  return new Translation().program(body);
}

/**
 * Lua as JavaScript: a variable is a variable, a function that answers several values answers a list of them, and what the
 * two languages understand differently is a call of `arithmetic.ts`.
 */
class Translation {
  readonly #expressions = new Expressions((statements, scope) => this.#block(statements, scope));

  program(body: readonly Statement[]): string {
    return `let line = 0;
try {
${this.#block(body, new Scope())}
} catch (error) {
  throw located(error, line);
}
return [];`;
  }

  #block(statements: readonly Statement[], scope: Scope): string {
    return statements.map((statement) => this.#statement(statement, scope)).join("\n");
  }

  #statement(statement: Statement, scope: Scope): string {
    const mark = `line = ${statement.loc.start.line};`;
    switch (statement.type) {
      case "LocalStatement": {
        if (statement.init.length > statement.variables.length)
          throw new OutsideOurLua("more values than variables", statement.loc.start.line);
        const values = this.#expressions.values(statement.init, statement.variables.length, scope);
        const names = statement.variables.map(({ name }) => scope.declare(name));
        if (typeof values === "string") return `${mark} let [${names.join(", ")}] = ${values};`;
        return `${mark} let ${names.map((name, i) => `${name} = ${values[i] ?? "undefined"}`).join(", ")};`;
      }
      case "AssignmentStatement":
        return `${mark} ${this.#assignment(statement.variables, statement.init, scope)}`;
      case "CallStatement":
        if (statement.expression.type !== "CallExpression")
          throw new OutsideOurLua(statement.expression.type, statement.loc.start.line);
        return `${mark} ${this.#expressions.call(statement.expression, scope)};`;
      case "IfStatement":
        return (
          mark +
          statement.clauses
            .map(({ condition, body }) => {
              const block = `{\n${this.#block(body, new Scope(scope))}\n}`;
              return condition === undefined
                ? block
                : `if (${this.#expressions.condition(condition, scope)}) ${block}`;
            })
            .join(" else ")
        );
      case "WhileStatement":
        return `while (${this.#expressions.condition(statement.condition, scope)}) {\n${this.#block(statement.body, new Scope(scope))}\n}`;
      case "RepeatStatement": {
        // The condition sees the variables of the body.
        const inner = new Scope(scope);
        const body = this.#block(statement.body, inner);
        return `while (true) {\n${body}\n${mark} if (${this.#expressions.condition(statement.condition, inner)}) break;\n}`;
      }
      case "ForNumericStatement": {
        const bound = (value: Expression, what: string): string =>
          `loopBound(${this.#expressions.single(value, scope)}, "${what}")`;
        const [start, end] = [
          bound(statement.start, "initial value"),
          bound(statement.end, "limit"),
        ];
        const step = statement.step === null ? "1" : bound(statement.step, "step");
        const inner = new Scope(scope);
        const name = inner.declare(statement.variable.name);
        const [at, limit, by] = ["at", "limit", "by"].map((hidden) => inner.hidden(hidden));
        return `${mark} for (let ${at} = ${start}, ${limit} = ${end}, ${by} = ${step}; ${by} > 0 ? ${at} <= ${limit} : ${at} >= ${limit}; ${at} += ${by}) {
let ${name} = ${at};
${this.#block(statement.body, inner)}
}`;
      }
      case "ForGenericStatement": {
        const [iterator, ...others] = statement.iterators;
        const isIpairs =
          iterator?.type === "CallExpression" &&
          nameOf(iterator.base, scope) === "ipairs" &&
          iterator.arguments.length === 1 &&
          others.length === 0 &&
          statement.variables.length <= 2;
        const [table] = isIpairs ? iterator.arguments : [];
        if (table === undefined)
          throw new OutsideOurLua("a for over anything but ipairs", statement.loc.start.line);
        const inner = new Scope(scope);
        const [key, value] = statement.variables.map(({ name }) => inner.declare(name));
        const [items, at] = [inner.hidden("items"), inner.hidden("at")];
        return `${mark} for (let ${items} = itemsOf(${this.#expressions.single(table, scope)}), ${at} = 0; ${items}[${at}] !== undefined; ${at}++) {
let ${key} = ${at} + 1${value === undefined ? "" : `, ${value} = ${items}[${at}]`};
${this.#block(statement.body, inner)}
}`;
      }
      case "DoStatement":
        return `{\n${this.#block(statement.body, new Scope(scope))}\n}`;
      case "ReturnStatement":
        return `${mark} return ${this.#expressions.returned(statement.arguments, scope)};`;
      case "BreakStatement":
        return "break;";
      case "FunctionDeclaration": {
        const { identifier, isLocal } = statement;
        if (identifier?.type !== "Identifier" || !isLocal)
          throw new OutsideOurLua("a function that is not local", statement.loc.start.line);
        const name = scope.declare(identifier.name);
        return `let ${name} = ${this.#expressions.function(statement, scope)};`;
      }
      default:
        throw new OutsideOurLua(
          (statement as Statement).type,
          (statement as Statement).loc.start.line,
        );
    }
  }

  #assignment(targets: readonly Expression[], init: readonly Expression[], scope: Scope): string {
    const values = this.#expressions.values(init, targets.length, scope);
    const [target, ...others] = targets;
    if (target !== undefined && others.length === 0 && typeof values !== "string")
      return this.#store(target, values[0] ?? "undefined", scope);
    const held = scope.hidden("values");
    const list = typeof values === "string" ? values : `[${values.join(", ")}]`;
    return `{ const ${held} = ${list}; ${targets
      .map((each, i) => this.#store(each, `${held}[${i}]`, scope))
      .join(" ")} }`;
  }

  #store(target: Expression, value: string, scope: Scope): string {
    if (target.type === "Identifier") {
      const local = scope.find(target.name);
      if (local === undefined)
        throw new OutsideOurLua(`the global variable ${target.name}`, target.loc.start.line);
      return `${local} = ${value};`;
    }
    if (target.type === "IndexExpression")
      return `setIndex(${this.#expressions.single(target.base, scope)}, ${this.#expressions.single(target.index, scope)}, ${value});`;
    if (target.type === "MemberExpression")
      return `setIndex(${this.#expressions.single(target.base, scope)}, ${JSON.stringify(target.identifier.name)}, ${value});`;
    throw new OutsideOurLua(`assignment to ${target.type}`, target.loc.start.line);
  }
}
