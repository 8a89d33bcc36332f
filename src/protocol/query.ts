/** One `name=value` of a query, decoded. */
export type QueryParameter = readonly [name: string, value: string];

function decode(text: string): string {
  if (!text.includes("%") && !text.includes("+")) return text;
  const spaced = text.replaceAll("+", " ");
  try {
    return decodeURIComponent(spaced);
  } catch {
    // The Node and Go libraries put values into the URL unescaped: a lone % is itself.
    return spaced;
  }
}

/** Parses a query string (without `?`) in its own order; repeated names stay repeated. */
export function parseQuery(query: string): QueryParameter[] {
  const parameters: QueryParameter[] = [];
  if (query === "") return parameters;
  for (const part of query.split("&")) {
    if (part === "") continue;
    const equals = part.indexOf("=");
    if (equals === -1) parameters.push([decode(part), ""]);
    else parameters.push([decode(part.slice(0, equals)), decode(part.slice(equals + 1))]);
  }
  return parameters;
}

export function queryValue(query: readonly QueryParameter[], name: string): string | undefined {
  for (const [key, value] of query) if (key === name) return value;
  return undefined;
}

/** The values of `name[]=a&name[]=b`, the way the contract writes arrays. */
export function queryValues(query: readonly QueryParameter[], name: string): string[] {
  const key = `${name}[]`;
  return query.filter((parameter) => parameter[0] === key).map((parameter) => parameter[1]);
}
