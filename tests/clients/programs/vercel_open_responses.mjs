// The Vercel AI SDK with its provider for all that speaks Open Responses.

import { createOpenResponses } from "@ai-sdk/open-responses";
import { MODEL, URL } from "./tasks.mjs";
import { performWith } from "./vercel_tasks.mjs";

const provider = createOpenResponses({
  name: "deepreasoning",
  url: `${URL}/v1/responses`,
  apiKey: "unused",
});
await performWith(provider(MODEL));
