// The Vercel AI SDK with its provider for all that speaks like OpenAI.

import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { MODEL, URL } from "./tasks.mjs";
import { performWith } from "./vercel_tasks.mjs";

const provider = createOpenAICompatible({
  name: "deepreasoning",
  baseURL: `${URL}/v1`,
  apiKey: "unused",
  supportsStructuredOutputs: true,
});
await performWith(provider(MODEL));
