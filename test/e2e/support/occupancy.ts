import type { TestApp } from "./apps.ts";
import { callApi } from "./http-api.ts";

/** Who is where: members by channel, none on one that is not a presence channel. Channels that nobody is on are not in it. */
export type Occupancy = ReadonlyMap<string, ReadonlySet<string>>;

/** As a list that an assertion can show. */
export function occupancyList(occupancy: Occupancy): string[] {
  return Array.from(
    occupancy,
    ([channel, members]) => `${channel}: ${[...members].toSorted().join(" ")}`,
  ).toSorted();
}

/** Who is where, as the HTTP API of one node answers. */
export async function occupancyOf(app: TestApp, port: number): Promise<Occupancy> {
  const { channels } = await ask<{ channels: Record<string, unknown> }>(app, port, "/channels");
  const occupancy = new Map<string, ReadonlySet<string>>();
  for (const channel of Object.keys(channels)) {
    if (!channel.startsWith("presence-")) {
      occupancy.set(channel, new Set());
      continue;
    }
    const path = `/channels/${channel}/users`;
    const { users } = await ask<{ users: readonly { id: string }[] }>(app, port, path);
    occupancy.set(channel, new Set(users.map(({ id }) => id)));
  }
  return occupancy;
}

async function ask<T>(app: TestApp, port: number, path: string): Promise<T> {
  const { status, body } = await callApi(app, port, { path });
  if (status !== 200) throw new Error(`${path} was answered with ${status}: ${body}`);
  return JSON.parse(body) as T;
}
