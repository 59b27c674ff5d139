// LangChain for JavaScript: `ChatAnthropic`.

import { ChatAnthropic } from "@langchain/anthropic";
import { performWith } from "./langchain_tasks.mjs";
import { MODEL, URL } from "./tasks.mjs";

await performWith(new ChatAnthropic({ model: MODEL, apiKey: "unused", maxRetries: 2, anthropicApiUrl: URL }));
