import type { Publish } from "./publisher.ts";
import type { Life } from "./resident.ts";

/**
 * A publish that was answered so long before a socket was told of its end has reached it, or is lost: both go different
 * ways through processes of a busy machine. What this process stood still itself comes to it.
 */
const UNDER_WAY_MS = 2_000;

/**
 * What is wrong with what one connection heard on a channel, on which `told` came to somebody who was always there, in
 * this order. Between its joining and its end nothing may be missing.
 */
export function hearingFaults(
  { joinedAtMs, heard, end }: Life,
  channel: string,
  told: readonly number[],
  publishes: readonly Publish[],
  stallMs: number,
): string[] {
  const faults: string[] = [];
  const joined = joinedAtMs.get(channel) ?? Number.POSITIVE_INFINITY;
  const numbers = heard.get(channel) ?? [];
  const first = told.indexOf(numbers[0] ?? -1);
  const expected = first === -1 ? [] : told.slice(first, first + numbers.length);
  if (numbers.join() !== expected.join())
    faults.push(`${channel}: heard ${numbers.join()}, not ${expected.join()}`);
  const endMs = end?.atMs ?? Number.POSITIVE_INFINITY;
  const surelyUntilMs = endMs - UNDER_WAY_MS - stallMs;
  const known = new Set(numbers);
  for (const { number, sentAtMs, answeredAtMs, isAccepted } of publishes) {
    if (!isAccepted || sentAtMs < joined || answeredAtMs > surelyUntilMs) continue;
    if (!known.has(number)) faults.push(`${channel}: ${number} was accepted and not heard`);
  }
  return faults;
}
