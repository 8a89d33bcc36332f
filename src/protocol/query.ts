/** One `name=value` of a query, decoded. */
export type QueryParameter = readonly [name: string, value: string];

function decode(text: string): string {
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
  const escaped = query.includes("%") || query.includes("+");
  // By index rather than by split: this runs for every publish.
  for (let start = 0; start < query.length;) {
    const ampersand = query.indexOf("&", start);
    const end = ampersand === -1 ? query.length : ampersand;
    if (end > start) {
      const equals = query.indexOf("=", start);
      const nameEnd = equals === -1 || equals > end ? end : equals;
      const name = query.slice(start, nameEnd);
      const value = query.slice(Math.min(nameEnd + 1, end), end);
      parameters.push(escaped ? [decode(name), decode(value)] : [name, value]);
    }
    start = end + 1;
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
