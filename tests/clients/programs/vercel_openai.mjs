// The Vercel AI SDK with its provider for OpenAI: Responses.

import { createOpenAI } from "@ai-sdk/openai";
import { MODEL, URL } from "./tasks.mjs";
import { performWith } from "./vercel_tasks.mjs";

await performWith(createOpenAI({ baseURL: `${URL}/v1`, apiKey: "unused" })(MODEL));
