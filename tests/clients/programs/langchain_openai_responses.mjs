// LangChain for JavaScript: `ChatOpenAI` by Responses.

import { ChatOpenAI } from "@langchain/openai";
import { performWith } from "./langchain_tasks.mjs";
import { MODEL, URL } from "./tasks.mjs";

const configuration = { baseURL: `${URL}/v1` };
const useResponsesApi = true;
await performWith(
  new ChatOpenAI({ model: MODEL, apiKey: "unused", maxRetries: 2, configuration, useResponsesApi }),
);
