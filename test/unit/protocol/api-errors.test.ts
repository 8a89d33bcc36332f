import { expect, test } from "bun:test";
import {
  USERS_NEED_PRESENCE,
  USER_COUNT_NEEDS_PREFIX,
  USER_COUNT_NEEDS_PRESENCE,
  batchTooLarge,
  dataTooLarge,
  missingParameter,
} from "../../../src/protocol/api-errors.ts";

test("the API's errors have the hosted server's words, its misspelling included", () => {
  expect([
    USER_COUNT_NEEDS_PREFIX,
    USER_COUNT_NEEDS_PRESENCE,
    USERS_NEED_PRESENCE,
    batchTooLarge(11, 10),
    missingParameter("channel"),
    dataTooLarge(10_240),
  ]).toEqual([
    {
      status: 400,
      message:
        "user_count may only be requested for presence channels - please supply filter_by_prefix begining with presence-",
    },
    {
      status: 400,
      message: "Cannot retrieve the user count unless the channel is a presence channel",
    },
    { status: 400, message: "Users can only be retrieved for presence channels" },
    { status: 400, message: "Batch too large (11 > 10)" },
    { status: 400, message: "Missing required parameter: channel" },
    "The data content of this event exceeds the allowed maximum (10240 bytes). See https://pusher.com/docs/channels/server_api/http-api#publishing-events for more info",
  ]);
});
