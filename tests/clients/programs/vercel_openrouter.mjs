// The Vercel AI SDK with OpenRouter's provider.

import { createOpenRouter } from "@openrouter/ai-sdk-provider";
import { MODEL, URL } from "./tasks.mjs";
import { performWith } from "./vercel_tasks.mjs";

await performWith(createOpenRouter({ baseURL: `${URL}/v1`, apiKey: "unused" })(MODEL));
