/** What we use of luaparse's syntax tree. A construct that is missing here is outside our Lua. */
declare module "luaparse" {
  interface Position {
    readonly line: number;
  }

  interface Located {
    readonly loc: { readonly start: Position };
  }

  export interface Identifier extends Located {
    readonly type: "Identifier";
    readonly name: string;
  }

  export type Expression =
    | Identifier
    | (Located & { readonly type: "StringLiteral"; readonly value: string })
    | (Located & { readonly type: "NumericLiteral"; readonly value: number })
    | (Located & { readonly type: "BooleanLiteral"; readonly value: boolean })
    | (Located & { readonly type: "NilLiteral" })
    | FunctionDeclaration
    | TableConstructor
    | UnaryExpression
    | BinaryExpression
    | IndexExpression
    | MemberExpression
    | CallExpression;

  export interface FunctionDeclaration extends Located {
    readonly type: "FunctionDeclaration";
    readonly identifier: Identifier | null;
    readonly isLocal: boolean;
    readonly parameters: readonly (Identifier | (Located & { readonly type: "VarargLiteral" }))[];
    readonly body: readonly Statement[];
  }

  export interface TableConstructor extends Located {
    readonly type: "TableConstructorExpression";
    readonly fields: readonly (
      | (Located & { readonly type: "TableValue"; readonly value: Expression })
      | (Located & {
          readonly type: "TableKeyString";
          readonly key: Identifier;
          readonly value: Expression;
        })
      | (Located & {
          readonly type: "TableKey";
          readonly key: Expression;
          readonly value: Expression;
        })
    )[];
  }

  export interface UnaryExpression extends Located {
    readonly type: "UnaryExpression";
    readonly operator: string;
    readonly argument: Expression;
  }

  export interface BinaryExpression extends Located {
    readonly type: "BinaryExpression" | "LogicalExpression";
    readonly operator: string;
    readonly left: Expression;
    readonly right: Expression;
  }

  export interface IndexExpression extends Located {
    readonly type: "IndexExpression";
    readonly base: Expression;
    readonly index: Expression;
  }

  export interface MemberExpression extends Located {
    readonly type: "MemberExpression";
    readonly indexer: "." | ":";
    readonly base: Expression;
    readonly identifier: Identifier;
  }

  export interface CallExpression extends Located {
    readonly type: "CallExpression";
    readonly base: Expression;
    readonly arguments: readonly Expression[];
  }

  export interface IfClause {
    readonly condition?: Expression;
    readonly body: readonly Statement[];
  }

  export type Statement =
    | (Located & {
        readonly type: "LocalStatement";
        readonly variables: readonly Identifier[];
        readonly init: readonly Expression[];
      })
    | (Located & {
        readonly type: "AssignmentStatement";
        readonly variables: readonly Expression[];
        readonly init: readonly Expression[];
      })
    | (Located & { readonly type: "CallStatement"; readonly expression: Expression })
    | (Located & { readonly type: "IfStatement"; readonly clauses: readonly IfClause[] })
    | (Located & {
        readonly type: "WhileStatement" | "RepeatStatement";
        readonly condition: Expression;
        readonly body: readonly Statement[];
      })
    | (Located & {
        readonly type: "ForNumericStatement";
        readonly variable: Identifier;
        readonly start: Expression;
        readonly end: Expression;
        readonly step: Expression | null;
        readonly body: readonly Statement[];
      })
    | (Located & {
        readonly type: "ForGenericStatement";
        readonly variables: readonly Identifier[];
        readonly iterators: readonly Expression[];
        readonly body: readonly Statement[];
      })
    | (Located & { readonly type: "DoStatement"; readonly body: readonly Statement[] })
    | (Located & { readonly type: "ReturnStatement"; readonly arguments: readonly Expression[] })
    | (Located & { readonly type: "BreakStatement" })
    | FunctionDeclaration;

  const luaparse: {
    parse(
      source: string,
      options: {
        luaVersion: "5.1";
        locations: true;
        comments: false;
        encodingMode: "pseudo-latin1";
      },
    ): { readonly body: readonly Statement[] };
  };
  export default luaparse;
}
