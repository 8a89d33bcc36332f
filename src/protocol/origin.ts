/**
 * Whether a browser's `Origin` is on an app's list. An entry with a scheme is a full origin and must match whole; one
 * without is a host, with any scheme and port; `*.example.com` stands for every host below example.com, not for itself.
 *
 * A client that sends no Origin is no browser: it could send any, so refusing it would protect nobody.
 */
export function isOriginAllowed(origin: string | null, allowed: readonly string[] | null): boolean {
  if (allowed === null || origin === null) return true;
  const host = hostOf(origin);
  return allowed.some((entry) => {
    const wanted = entry.toLowerCase();
    if (wanted === "*") return true;
    if (wanted.includes("://")) return wanted === origin.toLowerCase();
    if (host === undefined) return false;
    return wanted.startsWith("*.") ? host.endsWith(wanted.slice(1)) : host === wanted;
  });
}

function hostOf(origin: string): string | undefined {
  try {
    return new URL(origin).hostname;
  } catch {
    return undefined;
  }
}
