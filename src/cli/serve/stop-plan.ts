import { CLOSE_GRACE_MS } from "../../channels/drain.ts";
import { INCOMPLETE_GRACE_MS } from "../../channels/listener.ts";
import type { Settings } from "../../ops/config/settings.ts";

/** For the packager to hand over, the queue to take the last outcomes, and the store to be closed. */
const CLOSING_MS = 500;

/**
 * How long a process with these settings takes to stop, from the signal to its end, when nothing hangs: whatever each of its
 * parts may take, and never more than the deadline.
 */
export function plannedStopMs(settings: Settings, noticeMs: number, windowMs: number): number {
  const { roles, drain } = settings;
  let plannedMs = noticeMs + CLOSING_MS;
  if (roles.includes("channels")) plannedMs += windowMs + CLOSE_GRACE_MS + INCOMPLETE_GRACE_MS;
  if (roles.includes("sender")) plannedMs += senderStopTimeoutMs(settings);
  return Math.min(plannedMs, drain.deadlineMs);
}

/** The sender stops behind the channels ring, where there is one, within the same deadline. */
export function senderStopTimeoutMs({ roles, sender, drain }: Settings): number {
  if (!roles.includes("channels")) return sender.stopTimeoutMs;
  const leftMs = drain.deadlineMs - drain.noticeMs - drain.windowMs - CLOSING_MS;
  return Math.min(sender.stopTimeoutMs, Math.max(0, leftMs));
}
