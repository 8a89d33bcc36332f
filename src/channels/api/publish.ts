import {
  badRequest,
  batchTooLarge,
  dataTooLarge,
  missingParameter,
} from "../../protocol/api-errors.ts";
import { isCacheChannel, isValidChannelName } from "../../protocol/channel-name.ts";
import { echo } from "../../protocol/client-message.ts";
import { eventFrame } from "../../protocol/frames.ts";
import { isSocketId } from "../../protocol/socket-id.ts";
import type { BusMessage } from "../ports/bus.ts";
import { channelInfo, parseInfo, type ChannelInfo } from "./info.ts";
import {
  ApiFault,
  asParameters,
  optionalString,
  parametersOf,
  requiredString,
  type ApiRequest,
  type Parameters,
} from "./request.ts";

interface PublishedEvent {
  readonly name: string;
  readonly data: string;
  /** Each once. */
  readonly channels: readonly string[];
  readonly exceptSocketId: string | undefined;
  readonly info: ReadonlySet<string>;
}

/** POST /events: one event to up to a hundred channels. */
export async function publishEvent(request: ApiRequest): Promise<string> {
  const parameters = parametersOf(request);
  const event = parseEvent(request, parameters, channelsOf(request, parameters));
  await publish(request, [event]);
  if (event.info.size === 0) return "{}";
  const channels: Record<string, ChannelInfo> = Object.create(null) as Record<string, ChannelInfo>;
  for (const channel of event.channels) channels[channel] = await infoOf(request, event, channel);
  return JSON.stringify({ channels });
}

/** POST /batch_events: up to ten events, one channel each. */
export async function publishBatch(request: ApiRequest): Promise<string> {
  const { batch } = parametersOf(request);
  if (batch === undefined) throw new ApiFault(missingParameter("batch"));
  if (!Array.isArray(batch)) throw new ApiFault(badRequest("Parameter batch must be an array"));
  const { eventsPerBatch } = request.tenant.app.limits;
  if (batch.length > eventsPerBatch)
    throw new ApiFault(batchTooLarge(batch.length, eventsPerBatch));

  const events = batch.map((entry: unknown) => {
    const parameters = asParameters(entry, "Each event of the batch must be a JSON object");
    return parseEvent(request, parameters, [
      checkedChannel(request, requiredString(parameters, "channel")),
    ]);
  });
  await publish(request, events);
  if (events.every((event) => event.info.size === 0)) return "{}";
  const infos: ChannelInfo[] = [];
  for (const event of events) infos.push(await infoOf(request, event, event.channels[0]!));
  return JSON.stringify({ batch: infos });
}

/** The deprecated POST /channels/<channel>/events: name in the query, and the body is the data itself. */
export async function publishRawBody(request: ApiRequest, channel: string): Promise<void> {
  const query = parametersOf({ ...request, body: "" });
  const parameters = { name: query["name"], socket_id: query["socket_id"], data: request.body };
  await publish(request, [parseEvent(request, parameters, [checkedChannel(request, channel)])]);
}

/** Hands the events over to the Bus, all or, when the Bus fails, possibly some. Cached first: a miss behind is a lie. */
function publish(request: ApiRequest, events: readonly PublishedEvent[]): Promise<void> {
  const { node, tenant } = request;
  const messages: BusMessage[] = [];
  const cached: Promise<void>[] = [];
  for (const { name, data, channels, exceptSocketId } of events) {
    for (const channel of channels) {
      if (isCacheChannel(channel)) {
        const { cacheTtlMs } = tenant.app.limits;
        cached.push(node.cache.set(tenant.id, channel, { event: name, data }, cacheTtlMs));
        node.events.forgetCacheMiss(tenant.id, channel);
      }
      messages.push({
        kind: "frame",
        appId: tenant.id,
        channel,
        source: "api",
        frame: eventFrame(channel, name, data),
        exceptSocketId,
      });
    }
  }
  tenant.counters.eventsPublished += messages.length;
  if (cached.length === 0) return node.bus.publish(messages);
  return Promise.all(cached).then(() => node.bus.publish(messages));
}

function parseEvent(
  request: ApiRequest,
  parameters: Parameters,
  channels: readonly string[],
): PublishedEvent {
  const { limits } = request.tenant.app;
  const name = requiredString(parameters, "name");
  if (name === "") throw new ApiFault(missingParameter("name"));
  if (name.length > limits.eventNameLength) {
    throw new ApiFault(
      badRequest(`Event name too long (at most ${limits.eventNameLength} characters)`),
    );
  }
  const data = requiredString(parameters, "data");
  if (data.length > limits.eventBytes || Buffer.byteLength(data) > limits.eventBytes) {
    throw new ApiFault({ status: 413, message: dataTooLarge(limits.eventBytes) });
  }
  const exceptSocketId = optionalString(parameters, "socket_id");
  if (exceptSocketId !== undefined && !isSocketId(exceptSocketId)) {
    throw new ApiFault(badRequest(`Invalid socket id: ${echo(exceptSocketId)}`));
  }
  return {
    name,
    data,
    channels,
    exceptSocketId,
    info: parseInfo(optionalString(parameters, "info")),
  };
}

function channelsOf(request: ApiRequest, parameters: Parameters): readonly string[] {
  const { channels } = parameters;
  if (channels === undefined || channels === null) {
    const channel = optionalString(parameters, "channel");
    if (channel === undefined) throw new ApiFault(missingParameter("channels"));
    return [checkedChannel(request, channel)];
  }
  if (!Array.isArray(channels) || channels.length === 0) {
    throw new ApiFault(badRequest("Parameter channels must be a non-empty array of channel names"));
  }
  const { channelsPerEvent } = request.tenant.app.limits;
  if (channels.length > channelsPerEvent) {
    throw new ApiFault(badRequest(`Too many channels (${channels.length} > ${channelsPerEvent})`));
  }
  if (channels.length === 1) return [checkedChannel(request, channels[0])];
  return [...new Set(channels.map((channel: unknown) => checkedChannel(request, channel)))];
}

function checkedChannel(request: ApiRequest, channel: unknown): string {
  if (
    typeof channel === "string" &&
    isValidChannelName(channel, request.tenant.app.limits.channelNameLength)
  ) {
    return channel;
  }
  const shown = typeof channel === "object" ? "not a string" : echo(String(channel));
  throw new ApiFault(badRequest(`Invalid channel name: ${shown}`));
}

async function infoOf(
  { node, tenant }: ApiRequest,
  event: PublishedEvent,
  channel: string,
): Promise<ChannelInfo> {
  if (event.info.size === 0) return {};
  return channelInfo(
    node,
    tenant,
    channel,
    event.info,
    await node.roster.channel(tenant.id, channel),
  );
}
