import type { Log } from "../../../../src/channels/ports/log.ts";

export const SILENT_LOG: Log = { debug() {}, info() {}, warn() {}, error() {} };
