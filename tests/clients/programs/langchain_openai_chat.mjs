// LangChain for JavaScript: `ChatOpenAI`.

import { ChatOpenAI } from "@langchain/openai";
import { performWith } from "./langchain_tasks.mjs";
import { MODEL, URL } from "./tasks.mjs";

const configuration = { baseURL: `${URL}/v1` };
await performWith(new ChatOpenAI({ model: MODEL, apiKey: "unused", maxRetries: 2, configuration }));
