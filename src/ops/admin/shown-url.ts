/**
 * A webhook's URL for people to look at. User and password are hidden, and so is the query: receivers that check no signature
 * keep their passwords there.
 */
export function shownUrl(url: string): string {
  if (url === "") return "";
  let parts: URL;
  try {
    parts = new URL(url);
  } catch {
    return "(not a URL)";
  }
  const user = parts.username === "" && parts.password === "" ? "" : "***@";
  const query = parts.search === "" ? "" : "?***";
  return `${parts.protocol}//${user}${parts.host}${parts.pathname}${query}`;
}
