const LATER_MS = 1_000;

/**
 * What pusher-js does when a socket was closed with that code: after how long it tries again, or undefined when it gives
 * up because trying again would change nothing.
 *
 * It has one more way: after 4000 it tries again with TLS. A command line was told which of the two to use.
 */
export function reconnectDelayMs(closeCode: number): number | undefined {
  if (closeCode < 4000) return LATER_MS;
  if (closeCode < 4100) return undefined;
  if (closeCode < 4200) return LATER_MS;
  if (closeCode < 4300) return 0;
  return undefined;
}
