// The Vercel AI SDK with its provider for Anthropic.

import { createAnthropic } from "@ai-sdk/anthropic";
import { MODEL, URL } from "./tasks.mjs";
import { performWith } from "./vercel_tasks.mjs";

await performWith(createAnthropic({ baseURL: `${URL}/v1`, apiKey: "unused" })(MODEL));
